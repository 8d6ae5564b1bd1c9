import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from featcx_core.analyses.dictionary_activations.make import class_positions
from featcx_core.analyses.training.make import train
from featcx_core.artefacts.given import Tools
from featcx_core.artefacts.register import register
from featcx_core.checkpoints.survey import read_metrics, write_checkpoint
from featcx_core.checkpoints.training import evaluate
from featcx_core.images.data import load_data
from featcx_core.networks.models import build_model
from featcx_core.store.places import open_store
from featcx_core.study.fields import Checkpoints, Model, Study, StudyError, Training
from featcx_core.study.files import load_study
from tests.conftest import TINY, write_tiny
from tests.core.networks.small import GREY
from tests.steps import reader, remake

ONE_EPOCH = Training(epochs=1, batch_size=32)


FIVE = {"0": 3, "1": 0, "2": 4}
"""The three classes of the tiny study among five outputs."""


def changed(study: Study, **fields: object) -> Study:
    return study.model_copy(update=fields)


def with_five_outputs(tiny: Study, **fields: object) -> Study:
    arguments = {"n_classes": 5, "widths": [4, 8], "blocks": 1}
    return changed(tiny, model=Model(arguments=arguments, outputs=FIVE), training=ONE_EPOCH, **fields)


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
    loss, accuracy = evaluate(Always(), data, rows, outputs=((3,), (0,), (4,)))
    assert accuracy == (data.labels[rows] == 1).mean()
    assert loss == pytest.approx(np.log(np.exp(2) + 4) - 2 / 3, rel=1e-6)


def test_training_teaches_the_stated_outputs(tiny: Study, tmp_path: Path):
    study = with_five_outputs(tiny)
    training = Training.model_validate({"epochs": 3, "save": [], "batch_size": 32, "optimizer": {"lr": 0.05}})
    study = changed(study, model=Model(arguments={"n_classes": 5}, outputs=FIVE), training=training)
    store = train(study, home=tmp_path, device="cpu")
    assert read_metrics(store, epoch=3)["test_accuracy"] > 0.8
    model, data = build_model(study, n_classes=3, image_shape=GREY), load_data(study)
    model.load_state_dict(load_file(store.checkpoint(3)))
    rows = data.split["test"]
    found = evaluate(model, data, rows, outputs=((3,), (0,), (4,)))
    assert found.accuracy == pytest.approx(read_metrics(store, epoch=3)["test_accuracy"])
    assert evaluate(model, data, rows).accuracy < 0.2


def test_other_outputs_than_classes_have_a_dictionary_for_each_class(tiny: Study, tmp_path: Path):
    store = register(with_five_outputs(tiny), home=tmp_path)
    assert store.anatomy.n_classes == 5
    weights = build_model(store.study, n_classes=3, image_shape=GREY).state_dict()
    write_checkpoint(store.checkpoint(1), weights, metrics={}, made_by="")
    remake(store, "dictionary_activations", epoch=1)
    kept = list(class_positions(reader(store), epoch=1, tools=Tools("cpu")))
    assert [part.shape[1] for part in kept] == [8, 8, 8]


def test_without_an_output_of_a_class_nothing_is_measured(tiny: Study, tmp_path: Path):
    study = with_five_outputs(tiny, checkpoints=Checkpoints(folder=str(tmp_path), pattern="{epoch}.safetensors"))
    study = changed(study, model=study.model.model_copy(update={"outputs": "none"}))
    save_file(build_model(study, n_classes=3, image_shape=GREY).state_dict(), tmp_path / "1.safetensors")
    store = register(study, home=tmp_path / "home")
    row = remake(store, "checkpoint", epoch=1).iloc[0]
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
