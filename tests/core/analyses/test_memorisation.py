"""Memorisation of a finished study's training images, and of one whose labels are corrupted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from featcx_core.analyses.memorisation.sheet import memorised_sheet
from featcx_core.analyses.training.make import train
from featcx_core.artefacts.making import make
from featcx_core.features.forward import Network
from featcx_core.figures.memorisation import memorisation_figures, most_memorised
from featcx_core.findings.memorisation import memorisation_claims
from featcx_core.images.data import normalised
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Study
from tests.core.figures.drawn import is_drawn, texts
from tests.references import memorisation as reference
from tests.steps import reader, refresh, rows_of, table_of


@pytest.fixture(scope="module")
def stored(finished_home: Path) -> Store:
    return open_store(finished_home, "tiny")


@pytest.fixture(scope="module")
def noisy(tiny: Study, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The tiny study with a third of its training labels drawn at random."""
    corruption = tiny.data.corruption.model_copy(update={"labels": 0.3})
    data = tiny.data.model_copy(update={"corruption": corruption})
    training = tiny.training.model_copy(update={"epochs": 12})
    study = tiny.model_copy(update={"name": "noisy", "data": data, "training": training})
    store = train(study, home=tmp_path_factory.mktemp("noisy"), device="cpu")
    make(store, "image_losses", device="cpu")
    make(store, "memorisation")
    refresh(store)
    return store


def test_losses_are_those_of_the_network(stored: Store):
    rows = rows_of(stored, "image_losses", epoch=2)
    network = Network.load(stored, epoch=2, device="cpu")
    images = network.data.split["train"]
    assert rows["image"].tolist() == images.tolist()  # fewer than memorisation.images
    with torch.inference_mode():
        logits = network.model(normalised(torch.from_numpy(network.data.images[images]), network.data)).double()
    targets = torch.from_numpy(network.data.labels[images])
    np.testing.assert_allclose(rows["loss"], cross_entropy(logits, targets, reduction="none"), atol=1e-5)
    assert rows["is_correct"].tolist() == (logits.argmax(1) == targets).tolist()


def test_images_were_learned_as_their_losses_say(stored: Store):
    rows = table_of(stored, "memorisation")
    parts = [rows_of(stored, "image_losses", epoch=epoch).sort_values("image") for epoch in (1, 2)]
    loss, correct = (np.stack([part[column].to_numpy() for part in parts]) for column in ("loss", "is_correct"))
    expected = reference.memorisation(loss, correct, [1, 2])
    np.testing.assert_allclose(rows["cumulative_loss"], [total for total, _, _ in expected])
    assert rows["n_forgotten"].tolist() == [forgotten for _, forgotten, _ in expected]
    learned = [None if np.isnan(epoch) else epoch for epoch in rows["epoch_learned"]]
    assert learned == [epoch for _, _, epoch in expected]
    assert (rows["label"] == rows["label_before"]).all()
    assert table_of(stored, "memorisation_detection").empty
    assert set(rows["n_checkpoints"]) == {2}


def test_corrupted_labels_stand_in_the_rows_and_are_told_apart(noisy: Store):
    rows, detection = table_of(noisy, "memorisation"), table_of(noisy, "memorisation_detection").set_index("score")
    data = reader(noisy).data
    assert data.drawn is not None
    assert rows["label_before"].tolist() == data.labels_before[rows["image"]].tolist()
    wrong = (rows["label"] != rows["label_before"]).to_numpy()
    assert 0.1 < wrong.mean() < 0.3  # a third of the drawn ones are as before
    assert set(detection["n_noisy"]) == {wrong.sum()}
    for score, sign in (("cumulative_loss", 1), ("final_loss", 1), ("margin", -1)):
        assert detection["roc_auc"][score] == pytest.approx(roc_auc_score(wrong, sign * rows[score]))
    assert detection["roc_auc"]["cumulative_loss"] > 0.7
    (claim,) = memorisation_claims({"memorisation_detection": detection.reset_index()})
    assert claim.verdict == "holds"
    assert f"{wrong.sum()} wrong labels among 120 images: cumulative loss " in claim.finding


def test_only_training_labels_are_corrupted(noisy: Store):
    data = reader(noisy).data
    others = np.concatenate([data.split[part] for part in ("fit", "score", "test")])
    assert data.drawn is not None
    assert (data.labels[others] == data.labels_before[others]).all()


def test_figures_show_images_and_say_which_labels_were_wrong(stored: Store, noisy: Store):
    for store in (stored, noisy):
        (figure,) = memorisation_figures({"memorisation": table_of(store, "memorisation")}).values()
        assert is_drawn(figure)
        assert ("wrong label" in texts(figure)) is (store is noisy)
    sheet = memorised_sheet(reader(noisy))
    assert sheet is not None
    assert "(was " in texts(sheet)
    assert is_drawn(sheet)
    plain = memorised_sheet(reader(stored))
    assert plain is not None
    assert "(was " not in texts(plain)
    assert memorisation_claims({"memorisation_detection": table_of(stored, "memorisation_detection")}) == []


def test_a_sheet_of_nothing_says_so_and_labels_must_be_as_many():
    assert "no training image was followed" in texts(most_memorised(np.zeros((0, 1, 4, 4)), labels=[]))
    with pytest.raises(ValueError, match="a label for each of 2 images, got 1; try the same images"):
        most_memorised(np.zeros((2, 1, 4, 4)), labels=["a"])


def test_without_a_trained_checkpoint_there_are_no_rows(trained: Store):
    for epoch in (1, 2):
        trained.checkpoint(epoch).unlink()
    make(trained, "image_losses", epoch=0, device="cpu")
    make(trained, "memorisation")
    refresh(trained)
    assert table_of(trained, "memorisation").empty
    assert memorised_sheet(reader(trained)) is None
