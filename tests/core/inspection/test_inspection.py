"""What `featcx new` finds and proposes, piece by piece."""

import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from featcx_core.inspection.draft import Wishes
from featcx_core.inspection.images import ImagesFound, data_source, find_images, propose_transform
from featcx_core.inspection.parts import propose_parts
from featcx_core.inspection.patterns import guess_patterns, split_place
from featcx_core.inspection.proposal import Proposal, propose
from featcx_core.inspection.text import commented
from featcx_core.networks.small_resnet import SmallResNet
from featcx_core.study.fields import Data, Study, StudyError, Transform
from featcx_core.study.files import load_study, validated
from tests.conftest import write_tiny

NARROW = {"widths": [4, 8]}
OWN = "featcx_core.networks.small_resnet:SmallResNet"


def network(seed: int = 0, *, n_classes: int = 3) -> SmallResNet:
    torch.manual_seed(seed)
    return SmallResNet(channels=1, n_classes=n_classes, widths=(4, 8))


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with `tiny.npz`: 270 images of 3 classes."""
    write_tiny(tmp_path).unlink()
    return tmp_path


def asked(desk: Path, *, checkpoints: str = "", model: str = "builtin:small_resnet", **arguments: object) -> Proposal:
    place = str(desk / checkpoints) if checkpoints else ""
    wishes = Wishes("mine", model, arguments or NARROW, str(desk / "tiny.npz"), place, None if place else 2)
    return propose(wishes, file=desk / "mine.toml")


def pictures(
    folder: Path, *, sizes: list[tuple[int, int]], classes: int = 2, each: int = 20, mode: str = "RGB"
) -> Path:
    chance = np.random.default_rng(0)
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True)
        for i in range(each):
            width, height = sizes[i % len(sizes)]
            pixels = chance.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(folder / f"class{label}" / f"{i}.png")
    return folder


# -- images ------------------------------------------------------------------------------------------------------------


def test_a_path_is_understood(tmp_path: Path):
    pictures(tmp_path / "pics", sizes=[(8, 8)], each=1)
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "images.npy", np.zeros((2, 4, 4), np.uint8))
    np.savez(tmp_path / "x.npz", a=1)
    assert data_source(str(tmp_path / "pics")) == f"folder:{tmp_path / 'pics'}"
    assert data_source(f"folder:{tmp_path / 'pics'}") == f"folder:{tmp_path / 'pics'}"
    assert data_source(str(tmp_path / "arrays")) == f"npy:{tmp_path / 'arrays'}"
    assert data_source(str(tmp_path / "x.npz")) == f"npz:{tmp_path / 'x.npz'}"
    assert data_source("packaged:mnist5k") == "packaged:mnist5k"
    assert data_source(f"torchvision:MNIST:{tmp_path}") == f"torchvision:MNIST:{tmp_path}"
    with pytest.raises(
        StudyError, match=r"data: wanted a folder, an \.npz file or one of .*; got 'nosuch': nothing there"
    ):
        data_source("nosuch")
    (tmp_path / "x.csv").touch()
    with pytest.raises(StudyError, match=r"x\.csv': a file that is not \.npz"):
        data_source(str(tmp_path / "x.csv"))


def test_sizes_colours_and_broken_files_are_found(tmp_path: Path):
    folder = pictures(tmp_path / "pics", sizes=[(20, 10), (20, 10), (12, 16)], mode="L")
    (folder / "class1" / "bad.png").write_bytes(b"no picture")
    found = find_images(Data(source=f"folder:{folder}"))
    assert found.sizes == ((20, 10), (12, 16))
    assert found.channels == 1
    assert found.broken == (str(folder / "class1" / "bad.png"),)
    assert (found.n_looked_at, found.n_train, found.class_names) == (41, None, ("class0", "class1"))
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(StudyError, match=r"none of 41 image files can be read, the first is .*class0/0\.png"):
        find_images(Data(source=f"folder:{folder}"))


def images_of(*sizes: tuple[int, int], channels: int = 3) -> ImagesFound:
    return ImagesFound(np.zeros(9, dtype=np.int64), ("a",), None, sizes, channels, 9, ())


@pytest.mark.parametrize(
    ("found", "model", "wanted"),
    [
        (images_of((64, 64)), "builtin:small_resnet", {}),
        (images_of((64, 64), (65, 64)), "builtin:small_resnet", {"crop": 64}),
        (images_of((300, 200), (200, 300)), "builtin:small_resnet", {"crop": 224}),
        (images_of((150, 110), (9, 9)), "torchvision:resnet18", {"crop": 96}),
        (images_of((20, 30), (30, 20)), "torchvision:resnet18", {"crop": 20}),
        (images_of((4000, 3000)), "torchvision:inception_v3", {"crop": 299}),
        (images_of((28, 28), channels=1), "torchvision:resnet18", {"channels": 3}),
        (images_of((28, 28), channels=1), "builtin:small_resnet", {}),
    ],
)
def test_a_transform_is_stated_where_the_images_need_one(found: ImagesFound, model: str, wanted: dict[str, int]):
    assert propose_transform(found, validated({"name": "x", "model": {"source": model}})) == wanted


def test_weights_that_state_a_transform_need_no_other():
    study = validated({"name": "x", "data": {"transform": {"weights": "ResNet18_Weights.IMAGENET1K_V1"}}})
    assert propose_transform(images_of((300, 200), (200, 300), channels=1), study) == {}


# -- parts -------------------------------------------------------------------------------------------------------------


def parts(counts: list[int], *, twice: bool = False, is_trained: bool = True) -> SimpleNamespace:
    """`twice`: as many images again are for training."""
    labels = np.tile(np.repeat(np.arange(len(counts)), counts), 1 + twice)
    n_train = len(labels) // 2 if twice else None
    names = tuple(f"class{i}" for i in range(len(counts)))
    found = propose_parts(labels, names, n_train=n_train, is_trained=is_trained, seed=0)
    study = validated({"name": "x", **found.values})
    return SimpleNamespace(study=study, split=study.data.split.model_dump(), said=" | ".join(found.sentences))


def test_many_images_are_divided_as_usual():
    found = parts([500] * 10)
    assert found.split == {"train": 0.7, "fit": 0.1, "score": 0.1, "test": 0.1}
    assert (
        found.said == "split: train 3500, fit 500, score 500, test 500 images; every class has 350 or more for training"
    )


def test_of_few_images_more_are_for_the_probes():
    assert parts([100] * 5).split == {"train": 0.5, "fit": 0.2, "score": 0.2, "test": 0.1}
    assert parts([100] * 5, twice=True).split == {"train": 1.0, "fit": 0.4, "score": 0.4, "test": 0.2}


def test_no_more_images_than_help():
    assert parts([20_000] * 10).split == {"train": 170_000, "fit": 10_000, "score": 10_000, "test": 10_000}
    assert parts([20_000] * 10, is_trained=False).split["train"] == 5000
    assert parts([500] * 10, is_trained=False).split["train"] == 0.7


def test_classes_with_few_images_get_fewer_atoms_or_share_one_dictionary():
    few = parts([200, 200, 14])
    assert few.study.dictionary.atoms_per_class == 7
    assert "class class2 has only 7 training images: dictionary.atoms_per_class = 7" in few.said
    fewer = parts([200, 200, 4])
    assert (fewer.study.dictionary.scope, fewer.study.dictionary.atoms_per_class) == ("all", 30)
    assert 'class class2 has only 2 training images: dictionary.scope = "all", 30 atoms' in fewer.said


def test_few_images_to_score_make_fewer_groups():
    found = parts([20, 20])
    assert found.study.probe.groups == 8
    assert "only 8 images to score: probe.groups = 8" in found.said
    assert "few probe images" in found.said
    with pytest.raises(StudyError, match="wanted at least"):
        parts([2, 2])


# -- names of checkpoints ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "pattern", "epochs"),
    [
        ([f"epoch_{e}.pt" for e in (1, 2, 10)], "epoch_{epoch}.pt", [1, 2, 10]),
        ([f"resnet18_{e:03d}.pth" for e in range(4)], "resnet18_{epoch}.pth", [0, 1, 2, 3]),
        ([f"epoch={e}-step={e * 300}.ckpt" for e in (1, 2)], "epoch={epoch}-step=*.ckpt", [1, 2]),
        ([f"e{e}-loss0.{9 - e}1.pt" for e in (1, 2)], "e{epoch}-loss*.*.pt", [1, 2]),
        ([f"step-{e}/model.safetensors" for e in (5, 10)], "step-{epoch}/model.safetensors", [5, 10]),
        (["best.pt", "last.pt", "ep1.pt", "ep2.pt"], "ep{epoch}.pt", [1, 2]),
        (["run1/ep1.pt", "run1/ep2.pt", "run1/ep3.pt", "run2/ep1.pt"], "run1/ep{epoch}.pt", [1, 2, 3]),
        (["resnet18.pt"], "resnet18.pt", [1]),
        (["net_epoch7.pt"], "net_epoch{epoch}.pt", [7]),
        (["a20240131.pt", "a20240201.pt"], "a20240131.pt", [1]),
    ],
)
def test_the_pattern_of_names_is_guessed(tmp_path: Path, names: list[str], pattern: str, epochs: list[int]):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "log3.txt").touch()
    best = guess_patterns(tmp_path)[0]
    assert best.text == pattern
    assert sorted(best.files) == epochs
    assert {Path(tmp_path / name).is_file() for name in best.files.values()} == {True}


def test_a_folder_a_file_or_a_pattern(tmp_path: Path):
    (tmp_path / "x.pt").touch()
    assert split_place(str(tmp_path)) == (str(tmp_path), "")
    assert split_place(str(tmp_path / "x.pt")) == (str(tmp_path), "x.pt")
    assert split_place(f"{tmp_path}/run*/e{{epoch}}.pt") == (str(tmp_path), "run*/e{epoch}.pt")
    assert split_place("s3://mine/runs/e{epoch}.pt") == ("s3://mine/runs", "e{epoch}.pt")
    with pytest.raises(StudyError, match=r"no folder or file .*nosuch; wanted one, or FOLDER/epoch_\{epoch\}\.pt"):
        split_place(str(tmp_path / "nosuch"))
    with pytest.raises(
        StudyError, match=r"wanted a URL with \{epoch\} in it, for instance s3://mine/epoch_\{epoch\}\.pt"
    ):
        split_place("s3://mine/")


# -- the file ----------------------------------------------------------------------------------------------------------


def test_every_setting_is_in_the_file_once_with_an_explanation():
    text = commented(Study(name="x"), file="x.toml", notes={})
    lines = text.splitlines()
    for name, field in Study.model_fields.items():
        part = field.annotation
        for key in getattr(part, "model_fields", {}) if name != "checkpoints" else ():
            places = [i for i, line in enumerate(lines) if line.startswith(f"#{key} = ")]
            assert places, f"{name}.{key}"
            assert all(lines[i - 1].startswith("# ") for i in places)
    assert tomllib.loads(text) == {"name": "x"} | {part: {} for part in tomllib.loads(text) if part != "name"}
    assert max(map(len, lines)) <= 160


def test_a_default_that_is_uncommented_loads(tmp_path: Path):
    text = commented(Study(name="x"), file="x.toml", notes={"data.split": ("because", "of this")})
    assert "# because\n# of this\n# Sizes of the four disjoint parts\n#split = {train = 3500," in text
    path = tmp_path / "x.toml"
    path.write_text("\n".join(line[1:] if line[:1] == "#" and line[1:2] != " " else line for line in text.splitlines()))
    assert load_study(path) == Study(name="x")


def test_what_is_stated_stands_without_a_mark():
    study = validated({"name": "x", "data": {"split": {"train": 0.5}, "classes": 'a"b'}, "training": {"epochs": 12}})
    text = commented(study, file="x.toml", notes={})
    assert "\nsplit = {train = 0.5}\n" in text
    assert '\nclasses = "a\\"b"\n' in text
    assert "\nepochs = 12\n" in text
    assert "[checkpoints]" not in text


# -- all of it ---------------------------------------------------------------------------------------------------------


def test_a_study_to_be_trained(desk: Path):
    found = asked(desk)
    assert found.lacking == ()
    assert found.epochs == tuple(range(7))  # before training, four within the first of two epochs, and both ends
    assert found.anatomy is not None
    assert found.anatomy.n_classes == 3
    (desk / "mine.toml").write_text(found.text)
    assert 'source = "npz:tiny.npz"' in found.text
    assert load_study(desk / "mine.toml") == found.study
    assert found.found[0] == f"data: npz:{desk / 'tiny.npz'}: 270 images"
    assert not any("mean and std" in line for line in found.found)  # its own training's
    assert "  classes: 3: 0, 1, 2; 90 images each" in found.found
    assert "  head: fc, 3 outputs" in found.found
    assert "  8 units before the head: dictionary.atoms_per_class = 8" in found.found
    elsewhere = propose(Wishes("mine", data=str(desk / "tiny.npz")), file=desk / "studies" / "mine.toml")
    assert f'source = "npz:{desk / "tiny.npz"}"' in elsewhere.text


def test_images_of_several_sizes_in_grey_for_a_network_of_colour(tmp_path: Path):
    folder = pictures(tmp_path / "pics", sizes=[(40, 36), (36, 40)], mode="L")
    wishes = Wishes("mine", "torchvision:shufflenet_v2_x0_5", data=str(folder), epochs=1)
    found = propose(wishes, file=tmp_path / "mine.toml")
    assert found.lacking == ()
    assert found.study.data.transform.crop == 32
    assert found.study.data.transform.channels == 3
    assert "transform = {crop = 32, channels = 3}" in found.text
    assert "  input: 3 x 32 x 32; before the head: conv5, 1024 units" in found.found


def test_checkpoints_of_another_program(desk: Path):
    (desk / "runs").mkdir()
    for epoch in (0, 2, 5):
        state = {f"module.{name}": tensor for name, tensor in network(epoch).state_dict().items()}
        torch.save({"epoch": epoch, "state_dict": state}, desk / "runs" / f"epoch_{epoch}.pt")
    (desk / "runs" / "epoch_9.pt").write_bytes(b"broken")
    torch.save(network().state_dict(), desk / "runs" / "best.pt")
    found = asked(desk, checkpoints="runs")
    assert found.lacking == ()
    assert found.epochs == (0, 2, 5)
    assert found.study.checkpoints.pattern == "epoch_{epoch}.pt"
    assert f"checkpoints: {desk / 'runs'}, epoch_{{epoch}}.pt: 3 of 4 can be used" in found.found
    assert "  epochs: 0, 2, 5" in found.found
    assert "  in the files: weights of state_dict, without the prefix module." in found.found
    assert any(line.startswith(f"  bad: {desk / 'runs' / 'epoch_9.pt'}") for line in found.found)
    assert "# also there: best.pt: one file" in found.text
    (unknown,) = [line for line in found.found if line.startswith("  mean and std are of the images here (mean = [0.")]
    assert unknown.endswith(": state those in data.transform, or the network may guess")
    place = found.text.index("# In force: transform = {")
    assert "# mean and std are of the images here (mean = [0." in found.text[place:]
    in_force = tomllib.loads(found.text[place:].partition(": ")[2].partition("\n")[0])["transform"]
    assert in_force.keys() == Transform.model_fields.keys() - {"weights", "bgr"}
    assert (in_force["channels"], in_force["crop"], in_force["interpolation"]) == (1, "auto", "bilinear")
    assert 'folder = "runs"' in found.text
    assert "[training]" not in found.text


def test_the_files_that_fit_are_chosen_though_others_are_more(desk: Path):
    (desk / "runs").mkdir()
    for epoch in range(3):
        torch.save({"mean": torch.zeros(3)}, desk / "runs" / f"statistics{epoch}.pt")
    torch.save(network().state_dict(), desk / "runs" / "final.pth")
    found = asked(desk, checkpoints="runs")
    assert (found.study.checkpoints.pattern, found.epochs, found.lacking) == ("final.pth", (1,), ())
    one = asked(desk, checkpoints="runs/final.pth")
    assert one.study == found.study


def test_a_network_with_other_outputs_than_classes(desk: Path):
    (desk / "runs").mkdir()
    torch.save(network(n_classes=5).state_dict(), desk / "runs" / "e1.pt")
    found = asked(desk, checkpoints="runs", model=OWN, channels=1, n_classes=5, **NARROW)
    assert found.lacking == ()
    assert found.study.model.outputs == "none"
    assert 'outputs = "none"' in found.text
    assert (
        "# the network has 5 outputs, the data 3 classes; where each class is some of the outputs, state which"
        in found.text
    )
    trained = asked(desk, model=OWN, channels=1, n_classes=5, **NARROW)
    assert trained.lacking == (
        "model: the network has 5 outputs, the data 3 classes; to be trained it needs one a class, or a table model.outputs",
    )


def test_checkpoints_with_other_outputs_say_so(desk: Path):
    (desk / "runs").mkdir()
    torch.save({"model": network(n_classes=5).state_dict()}, desk / "runs" / "e1.pt")
    found = asked(desk, checkpoints="runs")
    assert (
        '  the checkpoints have 5 outputs, the data 3 classes: model.outputs = "none", so accuracy and loss stay empty'
        in (found.found)
    )


def test_a_network_by_name_gets_as_many_outputs_as_its_checkpoints_have(tmp_path: Path):
    from torchvision.models import shufflenet_v2_x0_5

    folder = pictures(tmp_path / "pics", sizes=[(40, 40)])
    torch.save(shufflenet_v2_x0_5(num_classes=7).state_dict(), tmp_path / "net.pth")
    wishes = Wishes("mine", "torchvision:shufflenet_v2_x0_5", data=str(folder), checkpoints=str(tmp_path / "net.pth"))
    found = propose(wishes, file=tmp_path / "mine.toml")
    assert found.lacking == ()
    assert found.study.model.outputs == "none"
    assert found.study.model.arguments == {"num_classes": 7}
    assert found.anatomy is not None
    assert found.anatomy.n_classes == 7
    assert found.epochs == (1,)


@pytest.mark.parametrize("zip_archive", [{}, {"_use_new_zipfile_serialization": False}])
def test_checkpoints_of_any_ending_are_found(desk: Path, zip_archive: dict[str, bool]):
    (desk / "runs").mkdir()
    for epoch in (1, 2):
        torch.save(network().state_dict(), desk / "runs" / f"m{epoch}.weights", **zip_archive)
    (desk / "runs" / "log3.txt").write_text("PK")
    found = asked(desk, checkpoints="runs")
    assert (found.lacking, found.epochs) == ((), (1, 2))
    assert found.study.checkpoints.pattern == "m{epoch}.weights"
    (desk / "runs" / "resnet20-12fca82f.th").write_bytes((desk / "runs" / "m1.weights").read_bytes())
    assert asked(desk, checkpoints="runs").study.checkpoints.pattern == "resnet20-12fca82f.th"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "",
            "checkpoints: no file with the ending .safetensors, .pt, .pth, .th, .ckpt, .bin, .tar, and none that torch.save wrote, in ",
        ),
        ("epoch_0.pt", "checkpoints: none of an epoch after 0 can be used"),
        ("other_1.pt", "it belongs to another network"),
    ],
)
def test_without_a_usable_checkpoint_the_epoch_to_follow_is_asked_for(desk: Path, name: str, wanted: str):
    (desk / "runs").mkdir()
    if name:
        torch.save(network().state_dict() if "0" in name else {"x": torch.zeros(2)}, desk / "runs" / name)
    found = asked(desk, checkpoints="runs")
    (lacking,) = found.lacking
    assert wanted in lacking
    assert lacking.endswith("; state probe.reference_epoch, the epoch to follow, if they are still to come")
    assert "# There is no checkpoint that can be used: state probe.reference_epoch" in found.text
    (desk / "mine.toml").write_text(found.text)
    assert load_study(desk / "mine.toml") == found.study


def test_images_or_a_network_that_cannot_be_used_are_lacking(desk: Path, tmp_path: Path):
    one = propose(
        Wishes("x", data=str(pictures(tmp_path / "one", sizes=[(8, 8)], classes=1))), file=tmp_path / "x.toml"
    )
    assert one.lacking[0].startswith("data.source: wanted at least two classes, got 1")
    assert one.anatomy is None
    (refused,) = asked(desk, model=OWN, channels=3, n_classes=3).lacking
    assert "refuses images of 1 x 12 x 12" in refused


@pytest.mark.parametrize(
    ("wishes", "wanted"),
    [
        (Wishes("a b"), "name: .*got 'a b'"),
        (Wishes("dagster"), "the name dagster is taken"),
        (Wishes("x", "torchvision:resnt18"), "torchvision has no model 'resnt18'; did you mean resnet18"),
        (Wishes("x", arguments={"depth": 3}), "model.*depth"),
        (Wishes("x", data="nosuch"), "data: wanted a folder"),
        (Wishes("x", checkpoints="nosuch"), "checkpoints: no folder or file"),
    ],
)
def test_what_is_not_there_is_refused(wishes: Wishes, wanted: str, tmp_path: Path):
    with pytest.raises(StudyError, match=wanted):
        propose(wishes, file=tmp_path / "x.toml")
