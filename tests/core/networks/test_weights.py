from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision import models

from featcx_core.analyses.training.make import train
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.networks.models import build_model
from featcx_core.store.places import Store
from featcx_core.study.fields import Model, Study, StudyError, Training
from featcx_core.study.files import load_study, study_text
from tests.conftest import TINY, write_tiny
from tests.core.networks.small import COLOUR, GREY

ONE_EPOCH = Training(epochs=1, batch_size=32)


def changed(study: Study, **fields: object) -> Study:
    return study.model_copy(update=fields)


def of_seed(study: Study, seed: int, *, n_classes: int = 3) -> dict[str, torch.Tensor]:
    """Weights of the tiny network that follow from another seed."""
    return build_model(changed(study, seed=seed), n_classes=n_classes, image_shape=GREY).state_dict()


@pytest.fixture
def weights(tiny: Study, tmp_path: Path) -> Path:
    """Weights of another seed in a file."""
    save_file(of_seed(tiny, 7), tmp_path / "start.safetensors")
    return tmp_path / "start.safetensors"


def test_a_network_starts_from_a_file(tiny: Study, weights: Path):
    study = changed(tiny, model=Model(weights=str(weights)))
    saved = load_file(weights)
    model = build_model(study, n_classes=3, image_shape=GREY)
    assert all(torch.equal(tensor, saved[name]) for name, tensor in model.state_dict().items())
    torch.save(saved, weights.with_suffix(".pt"))
    study = changed(tiny, model=Model(weights=str(weights.with_suffix(".pt"))))
    model = build_model(study, n_classes=3, image_shape=GREY)
    assert all(torch.equal(tensor, saved[name]) for name, tensor in model.state_dict().items())


def test_epoch_0_is_these_weights_and_training_goes_on_from_them(tiny: Study, weights: Path, tmp_path: Path):
    store = train(changed(tiny, model=Model(weights=str(weights)), training=ONE_EPOCH), home=tmp_path, device="cpu")
    saved, zero, one = (load_file(path) for path in (weights, store.checkpoint(0), store.checkpoint(1)))
    assert all(torch.equal(tensor, saved[name]) for name, tensor in zero.items())
    assert not torch.equal(one["fc.weight"], zero["fc.weight"])


def training_fingerprint(store: Store) -> str:
    return Snapshot(store).fingerprint(Partition("training"))


def test_other_weights_in_the_file_are_another_training(tiny: Study, weights: Path, tmp_path: Path):
    store = register(changed(tiny, model=Model(weights=str(weights))), home=tmp_path)
    before = training_fingerprint(store)
    assert before != training_fingerprint(register(tiny, home=tmp_path / "plain"))
    store.checkpoints.mkdir()
    save_file(of_seed(tiny, 8), store.checkpoint(1))
    of_epoch = Snapshot(store).fingerprint(Partition("checkpoint", 1))
    save_file(of_seed(tiny, 8), weights)
    assert training_fingerprint(store) != before
    assert Snapshot(store).fingerprint(Partition("checkpoint", 1)) == of_epoch  # its own digest says what it holds


def test_studies_without_weights_keep_their_fingerprints(tiny: Study, trained: Store):
    plain = training_fingerprint(trained)
    same = changed(tiny, model=Model(weights="", outputs="classes"))
    assert training_fingerprint(Store(trained.home, same)) == plain
    assert tiny.model.digested().keys() == {"source", "arguments"}


def test_a_path_to_weights_is_relative_to_the_study_file(tmp_path: Path):
    text = TINY.replace(
        'source = "builtin:small_resnet"', 'source = "builtin:small_resnet"\nweights = "w/start.pt" # w'
    )
    study = load_study(write_tiny(tmp_path, text=text))
    assert study.model.weights == str(tmp_path / "w" / "start.pt")
    assert study_text(study, text=text).count(f'weights = "{tmp_path}/w/start.pt" # w') == 1
    named = Model(weights="ResNet18_Weights.IMAGENET1K_V1")
    assert named.weights_path == ""
    for path in ("start.th", "a.b/start", "model_best.pth.tar", "W.ckpt"):
        assert Model(weights=path).weights_path == path


class Dangerous:
    """Runs something when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.trace,)


def test_weights_that_cannot_be_used(tiny: Study, weights: Path, tmp_path: Path):
    def register_with(path: Path) -> None:
        register(changed(tiny, model=Model(weights=str(path))), home=tmp_path / "home")

    with pytest.raises(StudyError, match=r"model\.weights: cannot read .*nowhere\.pt: No such file"):
        register_with(tmp_path / "nowhere.pt")
    narrow = changed(tiny, model=Model(arguments={"widths": [4, 8, 16]}))
    save_file(of_seed(narrow, 0), weights)
    with pytest.raises(StudyError, match=r"model\.weights: .*start\.safetensors.*\[16.*\[4"):
        register_with(weights)
    torch.save(Dangerous(tmp_path / "was_run"), tmp_path / "object.pt")
    with pytest.raises(StudyError, match=r"model\.weights: .*object\.pt"):
        register_with(tmp_path / "object.pt")
    assert not (tmp_path / "was_run").exists()
    (tmp_path / "page.pth").write_text("<html>not found</html>")
    with pytest.raises(StudyError, match=r"model\.weights: .*page\.pth"):
        register_with(tmp_path / "page.pth")
    assert not list((tmp_path / "home").rglob("*.toml"))


RESNET = "ResNet18_Weights.IMAGENET1K_V1"


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which torch looks for what it downloaded; asking the network is an error."""

    def refuse(*_: object, **__: object) -> None:
        raise URLError("no network in tests")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def of_torchvision(name: str, weights: str, **fields: object) -> Study:
    return Study(name="x", model=Model(source=f"torchvision:{name}", weights=weights, **fields))


def test_a_network_starts_from_torchvisions_weights(downloads: Path):
    resnet = models.resnet18()
    torch.save(resnet.state_dict(), downloads / models.ResNet18_Weights.IMAGENET1K_V1.url.rpartition("/")[2])
    for name in (RESNET, "IMAGENET1K_V1"):
        study = of_torchvision("resnet18", name, outputs={"cat": 281})
        built = build_model(study, n_classes=1, image_shape=COLOUR)
        assert all(torch.equal(built.state_dict()[key], tensor) for key, tensor in resnet.state_dict().items())


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_what_torchvision_builds_otherwise_for_weights_is_built_so(name: str, downloads: Path, monkeypatch):
    weights = models.get_model_weights(name).DEFAULT
    whole = models.get_model(name, weights=None, init_weights=False, transform_input=False)
    torch.save(whole.state_dict(), downloads / weights.url.rpartition("/")[2])
    theirs = models.get_model(name, weights=weights).eval()
    study, image = of_torchvision(name, str(weights), outputs={"cat": 281}), torch.rand(1, 3, 96, 96)
    filled = build_model(study, n_classes=1, image_shape=COLOUR, is_filled=True)
    filled.load_state_dict(build_model(study, n_classes=1, image_shape=COLOUR).state_dict())
    assert torch.equal(filled.eval()(image), theirs(image))


def test_torchvisions_weights_that_cannot_be_used(downloads: Path):
    def build(name: str, weights: str, n_classes: int = 1000, **fields: object) -> nn.Module:
        return build_model(of_torchvision(name, weights, **fields), n_classes=n_classes, image_shape=COLOUR)

    with pytest.raises(StudyError, match=r"no weights 'ResNet18_Weights.V1'; .*; did you mean ResNet\d+_Weights"):
        build("resnet18", "ResNet18_Weights.V1")
    with pytest.raises(StudyError, match=r"no weights 'resnet18'; .* or a file, such as weights\.pth"):
        build("resnet18", "resnet18")
    with pytest.raises(StudyError, match=r"have 1000 outputs, the data 3 classes; state in model\.outputs"):
        build("resnet18", RESNET, n_classes=3)
    with pytest.raises(
        StudyError, match=r"cannot be fetched from https://.*resnet18-.* \(URLError: .*no network in te"
    ):
        build("resnet18", RESNET)
    torch.save(models.resnet18().state_dict(), downloads / models.ResNet18_Weights.IMAGENET1K_V1.url.rpartition("/")[2])
    with pytest.raises(
        StudyError, match=r"wanted layer1\.0\.conv1\.weight \[64, 64, 1, 1\], got \[64, 64, 3, 3\]; they"
    ):
        build("resnet50", RESNET)
    with pytest.raises(StudyError, match=r"are of a network of torchvision, model\.source is builtin:small_resnet"):
        build_model(Study(name="x", model=Model(weights=RESNET)), n_classes=3, image_shape=GREY)
    with pytest.raises(
        StudyError, match=r"model\.arguments: weights is not to be chosen here; name them in model\.wei"
    ):
        build("resnet18", "", arguments={"weights": "DEFAULT"})
