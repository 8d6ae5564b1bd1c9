"""Networks, weights and images that cannot be used: `featcx run` says so in one line and leaves nothing behind."""

import re
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from featcx_core.images.data import load_data
from featcx_core.networks.models import build_model
from featcx_core.study.fields import Model, Study, StudyError
from featcx_core.study.files import load_study
from tests.assets.command import featcx, refused

NETWORKS = """
import torch
from torch import nn

class Small(nn.Sequential):
    def __init__(self, outputs=2):
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs))

class Thirsty(Small):
    def forward(self, images):
        return super().forward({"images": images}["pixels"])

class Unready(Small):
    def forward(self, images):
        return self.missing(images)

def raises(path="weights.bin"):
    raise KeyError(path)

def gives_names():
    return ["conv", "fc"]

number = 3
"""
STUDY = """
name = "own"
[data]
source = "folder:images"
split = {train = 20, fit = 6, score = 6, test = 4}
[model]
source = "own_networks:Small"
[training]
epochs = 1
save = []
batch_size = 8
[dictionary]
atoms_per_class = 2
[probe]
groups = 2
[analyses]
bootstrap = 100
"""


class Danger:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.trace,)


@pytest.fixture
def desk(empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study file, a module of networks and a folder of images, all of which can be used."""
    (tmp_path / "own_networks.py").write_text(NETWORKS)
    (tmp_path / "own_broken.py").write_text("import torch\nwidths = [8, 16\n")
    for name in ("own_networks", "own_broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)  # of another test's folder
    monkeypatch.setattr(sys, "path", [*sys.path])
    chance = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(20):
            pixels = chance.integers(0, 256, (10, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{i:02}.png")
    (tmp_path / "own.toml").write_text(STUDY)
    return tmp_path


def refused_with(desk: Path, old: str = "", new: str = "") -> str:
    """The one line of a run of the study with a change; nothing was registered."""
    text = (desk / "own.toml").read_text()
    assert old in text
    (desk / "own.toml").write_text(text.replace(old, new))
    line = refused("run", str(desk / "own.toml"))
    assert not list((desk / "empty").rglob("*.toml"))
    return line


MODEL = "own_networks:Small"


@pytest.mark.parametrize(
    ("new", "wanted"),
    [
        ("torchvision:resnet81", r"model\.source: torchvision has no model 'resnet81'; did you mean resnet18"),
        ("own_networks:Smal", r"model\.source: own_networks:Smal: there is no 'Smal'; did you mean Small"),
        ("own_netwrks:Small", r"own_netwrks:Small: ModuleNotFoundError: No module named 'own_netwrks'; is the package"),
        ("own_broken:Small", r"own_broken:Small: SyntaxError: .*own_broken\.py, line 2"),
        ("own_networks:raises", r"model: own_networks:raises with arguments {} raised KeyError: .*own_networks\.py, line 18"),
        ("own_networks:number", r"model\.source: wanted own_networks:number to be a function, got int"),
        ("own_networks:gives_names", r"wanted own_networks:gives_names to give a torch\.nn\.Module, got list"),
        ("own_networks:Thirsty", r"model: Thirsty refuses images of 3 x 10 x 12 .*: KeyError: .*own_networks\.py, line 11"),
        ("own_networks:Unready", r"model: Unready refuses images of .*: AttributeError: .* no attribute 'missing'"),
        ('own_networks:Small"\narguments = {depth = 3}#', r"raised TypeError: .*'depth'"),
        ('own_networks:Small"\narguments = {outputs = 5}#', r"model: wanted 2 outputs, one a class of the data, got 5; whe"),
        ('own_networks:Small"\noutputs = {cat = 0, dgo = 1}#', r"model\.outputs: the data have no class 'dgo'; did you mean dog"),
        ('own_networks:Small"\noutputs = {cat = 0}#', r"model\.outputs: wanted the output of every class, got none of 'dog'"),
        ('own_networks:Small"\noutputs = {cat = 0, dog = 2}#', r"model\.outputs: dog = 2, but the network has 2 outputs, 0"),
        ('own_networks:Small"\noutputs = "none"#', r'model\.outputs = "none" cannot be trained'),
        ('own_networks:Small"\nweights = "lost.pt"#', r"model\.weights: cannot read .*lost\.pt: No such file"),
        ('own_networks:Small"\nweights = "ResNet18_Weights.V9"#', r"no weights 'ResNet18_Weights\.V9'; .*did you mean ResNet18"),
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_used(desk: Path, new: str, wanted: str):
    line = refused_with(desk, MODEL, new)
    assert re.search(wanted, line), line


def test_weights_of_another_architecture(desk: Path):
    wide = build_model(Study(name="x", model=Model(source="own_networks:Small", arguments={"outputs": 7}, folder=str(desk))), n_classes=7, image_shape=(3, 10, 12))  # fmt: skip
    save_file(wide.state_dict(), desk / "other.safetensors")
    line = refused_with(desk, MODEL, 'own_networks:Small"\nweights = "other.safetensors"#')
    assert re.search(r"model\.weights: .*other\.safetensors.*4\.weight.*\[2, 4\].*\[7, 4\]", line), line


def test_a_pickle_that_is_not_tensors_is_never_executed(desk: Path):
    torch.save({"0.weight": Danger(desk / "was_run")}, desk / "object.pt")
    line = refused_with(desk, MODEL, 'own_networks:Small"\nweights = "object.pt"#')
    assert re.search(r"model\.weights: .*object\.pt", line), line
    assert not (desk / "was_run").exists()


def test_images_of_unequal_size(desk: Path):
    Image.new("RGB", (20, 20)).save(desk / "images" / "dog" / "00.png")
    line = refused_with(desk)
    assert re.search(r"wanted images of one size, got 12 x 10 .* 20 x 20 .*transform = \{crop = 224\}", line), line


def test_one_class_only(desk: Path):
    for file in (desk / "images" / "dog").iterdir():
        file.unlink()
    (desk / "images" / "dog").rmdir()
    assert "data.source: wanted at least two classes, got 1 in folder:" in refused_with(desk)


def test_an_empty_folder(desk: Path):
    (desk / "nothing").mkdir()
    line = refused_with(desk, "folder:images", "folder:nothing")
    assert re.search(r"data\.source: no image files in .*nothing; wanted CLASS/\*\.jpg", line), line


@pytest.mark.parametrize("part", ["train", "score", "test"])
def test_a_file_whose_header_is_whole_and_whose_pixels_are_not(desk: Path, part: str):
    data = load_data(load_study(desk / "own.toml"))
    row = int(data.split[part][0])
    broken = desk / "images" / data.class_names[data.labels[row]] / f"{row % 20:02}.png"
    content, start = broken.read_bytes(), broken.read_bytes().index(b"IDAT")
    length = int.from_bytes(content[start - 4 : start])
    damaged = b"IDAT" + content[start + 4 : start + 6] + bytes(length - 2)
    checksum = zlib.crc32(damaged).to_bytes(4)  # right, so that only decoding shows it
    broken.write_bytes(content[:start] + damaged + checksum + content[start + 8 + length :])
    command = ("run", str(desk / "own.toml"), "--only", "complexity")  # by then all images are read
    result = featcx(*command)
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if broken.name in line]
    assert 1 <= len(lines) <= 2, lines  # for each of the two epochs, where the network's own training had no need of it
    assert all(re.search(rf"{broken} cannot be decoded \(.*\); replace or delete it", line) for line in lines), lines
    assert "Traceback" not in result.output
    broken.unlink()
    assert featcx(*command).exit_code == 0


def test_a_factory_beside_the_study_file_is_found(desk: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch):
    assert featcx("run", str(desk / "own.toml"), "--only", "activations", "--device", "cpu").exit_code == 0
    kept = empty_home / "own" / "study.toml"
    assert f'[model]\nsource = "own_networks:Small"\nfolder = "{desk}" # of the study file\n' in kept.read_text()
    assert load_study(kept) == load_study(desk / "own.toml")  # from anywhere, as the web UI does
    (desk / "parts").mkdir()
    (desk / "own_networks.py").rename(desk / "parts" / "own_networks.py")
    text = (desk / "own.toml").read_text()
    (desk / "own.toml").write_text(text.replace('"own_networks:Small"', '"own_networks:Small"\nfolder = "parts"'))
    assert load_study(desk / "own.toml").model.folder == str(desk / "parts")


def test_layers_and_new_look_beside_them(desk: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(desk)
    assert featcx("layers", "own_networks:Small", "--image", "3x10x12", "--classes", "2").exit_code == 0
    result = featcx(
        "new", "fresh", "--model", "own_networks:Small", "--data", "images", "--epochs", "1", "--no-dry-run"
    )
    assert result.exit_code == 0, result.output
    assert "\nfolder" not in (desk / "fresh.toml").read_text()
    assert load_study(empty_home / "fresh" / "study.toml").model.folder == str(desk)


def test_a_module_of_another_folder_is_not_taken_for_it(desk: Path, tmp_path: Path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "own_networks.py").write_text(NETWORKS)
    build_model(load_study(desk / "own.toml"), n_classes=2, image_shape=(3, 10, 12))
    other = Study(name="x", model=Model(source="own_networks:Small", folder=str(tmp_path / "other")))
    wanted = rf"model\.source: own_networks lies in {tmp_path}/other and is imported from {desk}/own_networks\.py, which Python finds first; rename"
    with pytest.raises(StudyError, match=wanted):
        build_model(other, n_classes=2, image_shape=(3, 10, 12))
