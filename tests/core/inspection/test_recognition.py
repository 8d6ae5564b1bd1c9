"""Weights that are recognised, preparations that are tried, networks of Hugging Face, outputs by their names."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from featcx_core.inspection import weights
from featcx_core.inspection.draft import Wishes
from featcx_core.inspection.outputs import propose_outputs
from featcx_core.inspection.preparation import Trial
from featcx_core.inspection.proposal import Proposal, propose
from featcx_core.networks.layers import resolve_anatomy
from featcx_core.networks.models import build_model
from featcx_core.study.fields import Study, StudyError
from tests.core.inspection.colours import Colours

COLOURS = "tests.core.inspection.colours:colours"
SMALL_VIT = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 32, "num_heads": 2}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with 80 images of 32 x 32, every second one reddish, the others bluish."""
    chance = np.random.default_rng(0)
    images, labels = chance.integers(60, 180, (80, 3, 32, 32), dtype=np.uint8), np.arange(80) % 2
    images[labels == 1, 0] += 60
    images[labels == 0, 2] += 60
    np.savez(tmp_path / "d.npz", images=images, labels=labels, class_names=np.array(["blue", "red"]))
    return tmp_path


def asked(desk: Path, model: str, checkpoints: str = "", **wishes: object) -> Proposal:
    place = str(desk / checkpoints) if checkpoints else ""
    given = Wishes("mine", model, data=str(desk / "d.npz"), checkpoints=place, **wishes)
    return propose(given, file=desk / "mine.toml")


# -- preparations ------------------------------------------------------------------------------------------------------


def test_a_network_that_takes_blue_first_is_found_out(desk: Path):
    torch.save(Colours(blue_first=True).state_dict(), desk / "net.pt")
    found = asked(desk, COLOURS, "net.pt")
    assert found.lacking == ()
    assert found.study.data.transform.bgr
    tried = [line for line in found.found if "%  " in line]
    assert tried[0].startswith("    100%  ")
    assert tried[0].endswith(", blue first")
    assert tried[-1] == "      0%  mean and std of the images here"
    model = build_model(found.study, n_classes=2, image_shape=(3, 32, 32))
    model.load_state_dict(torch.load(desk / "net.pt"))
    red = torch.zeros(1, 3, 32, 32)
    red[:, 0] = 1
    assert model(red).argmax() == 1  # as it was trained


def test_a_network_that_knows_the_images_stays_as_it_is(desk: Path):
    torch.save(Colours().state_dict(), desk / "net.pt")
    found = asked(desk, COLOURS, "net.pt")
    assert found.study.data.transform.bgr is False
    assert "  preparations tried, by accuracy on 32 images:" in found.found


def test_agreement_tells_a_network_that_guesses(desk: Path):
    torch.save(Colours().state_dict(), desk / "net.pt")
    study = asked(desk, COLOURS, "net.pt").study
    anatomy = resolve_anatomy(build_model(study, n_classes=2, image_shape=(3, 32, 32)), study, image_shape=(3, 32, 32))
    unsure = study.model_copy(update={"model": study.model.model_copy(update={"outputs": "none"})})
    trial = Trial(unsure, anatomy, desk / "net.pt")
    assert trial.measure == "agreement"
    assert trial.score("", {}).score > 0.95
    with torch.no_grad():
        trial.model.head.weight.zero_()
    assert trial.score("", {}).score == pytest.approx(0.5)  # two outputs, alike


# -- weights -----------------------------------------------------------------------------------------------------------


def test_torchvisions_weights_by_digest_by_name_and_by_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "renamed.bin"
    path.write_bytes(b"x")
    of_digest = {"source": "torchvision:resnet18", "n_outputs": 1000}
    guessed = weights.recognise(path, **of_digest)
    assert guessed is not None
    assert guessed.by == "the network's name and its 1,000 outputs"
    assert weights.recognise(path, source="torchvision:resnet18", n_outputs=10) is None
    assert weights.recognise(path, source="builtin:small_resnet", n_outputs=1000) is None
    named = tmp_path / "resnet18-f37072fd.pth"
    named.write_bytes(b"x")
    assert weights.recognise(named, **of_digest).by == "the name of the file, whose bytes are others"
    monkeypatch.setattr(weights, "_sha256", lambda path: "f37072fd" + 56 * "0")
    found = weights.recognise(path, source="package.module:factory", n_outputs=1000)
    assert found == (
        "ResNet18_Weights.IMAGENET1K_V1",
        "the digest of the file",
        {"weights": "ResNet18_Weights.IMAGENET1K_V1"},
    )


def test_timms_weights_by_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights, "_sha256", lambda path: "14fe96d1" + 56 * "0")
    found = weights.recognise(tmp_path / "x.pth", source="timm:resnet50", n_outputs=1000)
    assert found.name == "timm's resnet50.a1_in1k"
    assert found.transform["interpolation"] == "bicubic"
    assert (found.transform["resize"], found.transform["crop"]) == (235, 224)


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "resample": 3},
         {"resize": 256, "crop": 224, "interpolation": "bicubic"}),
        ({"size": {"height": 224, "width": 224}, "resample": 2}, {"resize": 224, "crop": 224, "fit": "squash", "interpolation": "bilinear"}),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, {"resize": 256, "crop": 224, "interpolation": "bilinear"}),
        ({"size": 224, "resample": 0}, {"resize": 224, "crop": 224, "fit": "squash", "interpolation": "nearest"}),
    ],
)  # fmt: skip
def test_image_processors_of_transformers(tmp_path: Path, about: dict[str, object], wanted: dict[str, object]):
    values = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, **about}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(values))
    found = weights.recognise(tmp_path / "model.safetensors", source="transformers:x/y", n_outputs=1000)
    assert found.transform == {**wanted, "mean": [0.5] * 3, "std": [0.25] * 3}


# -- outputs -----------------------------------------------------------------------------------------------------------


def test_classes_that_are_named_after_imagenets():
    assert propose_outputs(["n01440764", "n02099601"], n_outputs=1000) == {"n01440764": 0, "n02099601": 207}
    assert propose_outputs(["golden_retriever", "Tabby"], n_outputs=1000) == {"golden_retriever": 207, "Tabby": 281}
    for names in (["0", "1"], ["tabby", "nosuch"], ["n00000000"], ["tabby", "tabby"]):
        assert propose_outputs(names, n_outputs=1000) == {}
    assert propose_outputs(["tabby"], n_outputs=999) == {}


# -- Hugging Face ------------------------------------------------------------------------------------------------------


@pytest.fixture
def timms(desk: Path) -> Path:
    import timm

    folder = desk / "timms"
    folder.mkdir()
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=2, **SMALL_VIT)
    save_file(network.state_dict(), folder / "model.safetensors")
    prepared = {
        "input_size": [3, 32, 32],
        "interpolation": "bicubic",
        "crop_pct": 0.9,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    about = {"architecture": "vit_tiny_patch16_224", "num_classes": 2, "model_args": SMALL_VIT}
    (folder / "config.json").write_text(json.dumps({**about, "pretrained_cfg": {"num_classes": 2, **prepared}}))
    return folder


def test_a_folder_of_timm_as_on_the_hub(desk: Path, timms: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(desk)
    found = asked(desk, "hf-hub:timms")
    assert found.lacking == ()
    assert found.study.model.source == f"hf-hub:{timms}"
    assert found.study.checkpoints.pattern == "model.safetensors"
    assert (found.study.data.transform.crop, found.study.data.transform.mean) == (32, (0.5, 0.5, 0.5))
    assert (
        "weights: vit_tiny_patch16_224 in timms, by the configuration beside the file: its preparation is taken"
        in found.found
    )
    (timms / "model.safetensors").unlink()
    with pytest.raises(StudyError, match=r"holds no weights; wanted model\.safetensors or pytorch_model\.bin"):
        asked(desk, "hf-hub:timms")
    (timms / "config.json").unlink()
    with pytest.raises(StudyError, match=r"no config\.json in .*timms; wanted a folder as on the hub"):
        asked(desk, "hf-hub:timms")


def test_a_folder_of_transformers(desk: Path):
    transformers = pytest.importorskip("transformers", reason="extra transformers")
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8, num_labels=2
    )  # fmt: skip
    torch.manual_seed(0)
    network = transformers.ViTForImageClassification(config).eval()
    network.save_pretrained(desk / "vit")
    found = asked(desk, f"transformers:{desk / 'vit'}")
    assert found.lacking == ()
    assert found.anatomy is not None
    assert (found.anatomy.head, found.anatomy.n_classes, found.anatomy.n_units) == ("classifier", 2, 32)
    assert [row.layout for row in found.anatomy.layers][-1] == "class_token"
    built = build_model(found.study, n_classes=2, image_shape=(3, 32, 32), is_filled=True).eval()
    trial = Trial(found.study, found.anatomy, Path(found.study.checkpoints.folder) / found.study.checkpoints.pattern)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(trial.model(images), network(images).logits)
    assert built(images).shape == (2, 2)


def test_a_hub_that_cannot_be_reached(desk: Path, monkeypatch: pytest.MonkeyPatch):
    import huggingface_hub

    def unreachable(*_: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    with pytest.raises(
        StudyError, match=r"the weights of org/name cannot be fetched \(OSError: no network.*; name a local folder"
    ):
        asked(desk, "hf-hub:org/name")


def test_a_study_of_a_folder_is_read_from_beside_it(tmp_path: Path):
    study = Study.model_validate({"name": "x", "model": {"source": "transformers:./vit"}})
    assert study.model.hub_folder == "./vit"
    assert not study.model.is_imported
    assert Study.model_validate({"name": "x", "model": {"source": "hf-hub:timm/resnet18"}}).model.hub_folder == ""
