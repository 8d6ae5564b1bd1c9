"""What a network starts from, and which of its outputs is which class."""

import json
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision import models

from featcx_core.analyses.training.make import train
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.survey import read_metrics, write_checkpoint
from featcx_core.checkpoints.training import evaluate
from featcx_core.images.classes import class_outputs, refuse_other_outputs
from featcx_core.images.data import load_data
from featcx_core.networks.models import build_model
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Checkpoints, Model, Study, StudyError, Training
from featcx_core.study.files import load_study, study_text
from tests.conftest import TINY, write_tiny
from tests.steps import remake

GREY, COLOUR = (1, 12, 12), (3, 64, 64)
ONE_EPOCH = Training(epochs=1, batch_size=32)
FIVE = {"0": 3, "1": 0, "2": 4}
"""The three classes of the tiny study among five outputs."""


def changed(study: Study, **fields: object) -> Study:
    return study.model_copy(update=fields)


def of_seed(study: Study, seed: int, *, n_classes: int = 3) -> dict[str, torch.Tensor]:
    """Weights of the tiny network that follow from another seed."""
    return build_model(changed(study, seed=seed), n_classes=n_classes, image_shape=GREY).state_dict()


# -- weights of a file ---------------------------------------------------------------------------------------------------


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


# -- weights of torchvision ----------------------------------------------------------------------------------------------


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
    with pytest.raises(StudyError, match=r"no weights 'resnet18.ckpt'; .* a file that ends in \.safetensors, \.pt or"):
        build("resnet18", "resnet18.ckpt")
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


# -- outputs -------------------------------------------------------------------------------------------------------------


def with_five_outputs(tiny: Study, **fields: object) -> Study:
    arguments = {"n_classes": 5, "widths": [4, 8], "blocks": 1}
    return changed(tiny, model=Model(arguments=arguments, outputs=FIVE), training=ONE_EPOCH, **fields)


def test_a_class_is_the_output_that_the_study_says():
    names = ("cat", "dog")
    assert class_outputs(Model(), names) == (0, 1)
    assert class_outputs(Model(outputs={"dog": 3, "cat": 9}), names) == (9, 3)
    assert class_outputs(Model(outputs="none"), names) == ()
    for message, outputs in {
        "no class 'dgo'; did you mean dog": {"cat": 1, "dgo": 2},
        r"wanted the output of every class, got none of 'dog' \(1 of 2 classes have theirs\)": {"cat": 1},
        "dog = 5, but the network has 5 outputs, 0 to 4": {"cat": 1, "dog": 5},
    }.items():
        with pytest.raises(StudyError, match=message):
            refuse_other_outputs(Model(outputs=outputs), names, n_outputs=5)
    refuse_other_outputs(Model(outputs="none"), names, n_outputs=5)
    with pytest.raises(StudyError, match=r"wanted 2 outputs, one a class of the data, got 5; .* model\.outputs"):
        refuse_other_outputs(Model(), names, n_outputs=5)


def test_the_number_of_outputs_is_free_where_they_are_not_the_classes(tiny: Study):
    def outputs(source: str, stated: object, **arguments: object) -> int:
        model = Model(source=source, outputs=stated, arguments=arguments)
        built = build_model(changed(tiny, model=model), n_classes=3, image_shape=GREY)
        return [module for module in built.modules() if isinstance(module, nn.Linear)][-1].out_features

    for source, argument, own in (
        ("builtin:small_resnet", "n_classes", 3),
        ("torchvision:resnet18", "num_classes", 1000),
    ):
        assert outputs(source, "classes") == 3
        assert outputs(source, FIVE) == own
        assert outputs(source, "none", **{argument: 7}) == 7
        with pytest.raises(
            StudyError, match=rf"model\.arguments: {argument} is not to be chosen here; it is the number"
        ):
            outputs(source, "classes", **{argument: 7})


def test_loss_and_accuracy_are_over_all_outputs(tiny: Study):
    data = load_data(tiny)

    class Always(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logits = nn.Parameter(torch.tensor([2.0, 0.0, 0.0, 0.0, 0.0]))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.logits.expand(len(images), 5)

    rows = data.split["test"]
    loss, accuracy = evaluate(Always(), data, rows, outputs=(3, 0, 4))
    assert accuracy == (data.labels[rows] == 1).mean()
    assert loss == pytest.approx(np.log(np.exp(2) + 4) - 2 / 3, rel=1e-6)


def test_training_teaches_the_stated_outputs(tiny: Study, tmp_path: Path):
    study = with_five_outputs(tiny)
    training = Training.model_validate({"epochs": 3, "batch_size": 32, "optimizer": {"lr": 0.05}})
    study = changed(study, model=Model(arguments={"n_classes": 5}, outputs=FIVE), training=training)
    store = train(study, home=tmp_path, device="cpu")
    assert read_metrics(store, epoch=3)["test_accuracy"] > 0.8
    model, data = build_model(study, n_classes=3, image_shape=GREY), load_data(study)
    model.load_state_dict(load_file(store.checkpoint(3)))
    rows = data.split["test"]
    found = evaluate(model, data, rows, outputs=(3, 0, 4))
    assert found.accuracy == pytest.approx(read_metrics(store, epoch=3)["test_accuracy"])
    assert evaluate(model, data, rows).accuracy < 0.2


def test_other_outputs_than_classes_have_a_dictionary_for_each_class(tiny: Study, tmp_path: Path):
    store = register(with_five_outputs(tiny), home=tmp_path)
    assert store.anatomy.n_classes == 5
    weights = build_model(store.study, n_classes=3, image_shape=GREY).state_dict()
    write_checkpoint(store.checkpoint(1), weights, metrics={}, made_by="")
    assert remake(store, "dictionary_activations", epoch=1, device="cpu")
    kept = list(class_positions(store, epoch=1, device="cpu"))
    assert [part.shape[1] for part in kept] == [8, 8, 8]


def test_without_an_output_of_a_class_nothing_is_measured(tiny: Study, tmp_path: Path):
    study = with_five_outputs(tiny, checkpoints=Checkpoints(folder=str(tmp_path), pattern="{epoch}.safetensors"))
    study = changed(study, model=study.model.model_copy(update={"outputs": "none"}))
    save_file(build_model(study, n_classes=3, image_shape=GREY).state_dict(), tmp_path / "1.safetensors")
    store = register(study, home=tmp_path / "home")
    row = remake(store, "checkpoint", epoch=1, device="cpu").iloc[0]
    assert row[["train_loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate"]].isna().all()
    assert row["digest"]


def test_what_has_no_output_of_a_class_is_not_trained():
    with pytest.raises(ValueError, match=r'model\.outputs = "none" cannot be trained; state the output of each class'):
        Study(name="x", model=Model(outputs="none"))


def test_a_table_of_outputs_is_registered_as_it_stands(tmp_path: Path):
    text = TINY.replace(
        '"builtin:small_resnet"', '"builtin:small_resnet"\narguments = {n_classes = 5}\n[model.outputs]'
    )
    text = text.replace("[model.outputs]", "[model.outputs]\n0 = 3\n1 = 0\n2 = 4")
    study = load_study(write_tiny(tmp_path, text=text))
    assert study.model.outputs == FIVE
    assert json.loads(study.model_dump_json())["model"]["outputs"] == FIVE
    store = register(study, home=tmp_path / "home", text=text)
    assert open_store(tmp_path / "home", "tiny").study == study == store.study
    assert store.anatomy.n_classes == 5
