"""The steps that say what single concepts do, and on which images they are strongest."""

import numpy as np
import pytest

from featcx_core.analyses.concept_effects.make import read_effects
from featcx_core.store.places import Store, open_store
from tests.steps import arrays_of, reader, rows_of, table_of

EPOCH = 2


@pytest.fixture(scope="module")
def done(finished_home) -> Store:
    """The tiny study, all of it made; only read here."""
    return open_store(finished_home, "tiny")


@pytest.fixture(scope="module")
def codes(done: Store) -> np.ndarray:
    return np.asarray(arrays_of(done, "codes", epoch=EPOCH)["concept"])


@pytest.fixture(scope="module")
def logits(done: Store) -> np.ndarray:
    return np.asarray(arrays_of(done, "codes", epoch=EPOCH)["class_logit"], dtype=np.float64)


def effect_table(done: Store, name: str):
    return rows_of(done, "concept_effects", epoch=EPOCH, table=name)


def test_strongest_images_are_the_largest_codes_of_every_epoch(done: Store, codes: np.ndarray):
    rows, data = table_of(done, "strongest_images"), reader(done).data
    assert set(rows["epoch"]) == {0, 1, 2}
    for concept, part in rows[rows["epoch"] == EPOCH].groupby("concept"):
        order = np.argsort(-codes[:, concept], kind="stable")[:8]
        order = order[codes[order, concept] > 0]
        assert part["image"].tolist() == data.probe[order].tolist()
        assert part["label"].tolist() == data.labels[data.probe[order]].tolist()
        np.testing.assert_allclose(part["code_fraction"], codes[order, concept] / codes[order[0], concept], rtol=1e-6)
    assert set(rows["file"]) == {""}  # an .npz has no file an image


def test_removal_is_that_of_one_image_and_one_concept_at_a_time(done: Store, codes: np.ndarray, logits: np.ndarray):
    data, weights = reader(done).data, read_effects(reader(done), epoch=EPOCH).weights.astype(np.float64)
    labels, rows = data.labels[data.probe], effect_table(done, "concept_effects")
    flipped = effect_table(done, "concept_flips")
    for concept in range(codes.shape[1]):
        left = (logits - codes[:, [concept]].astype(np.float64) * weights[concept]).argmax(axis=1)
        row, changed = rows.iloc[concept], left != logits.argmax(axis=1)
        assert row["n_flipped"] == changed.sum()
        assert row["flipped_low"] - 1e-12 <= row["flipped_fraction"] <= row["flipped_high"]
        assert row["accuracy_without"] == pytest.approx((left == labels).mean())
        assert row["accuracy"] == pytest.approx((logits.argmax(axis=1) == labels).mean())
        assert row["n_gained"] - row["n_lost"] == pytest.approx(
            len(labels) * (row["accuracy_without"] - row["accuracy"]), abs=1e-9
        )
        found = flipped[flipped["concept"] == concept]
        assert len(found) == min(8, changed.sum())
        assert {*found["image"]} <= {*data.probe[changed]}
        assert (found["before"] != found["after"]).all()


def test_logits_and_names_are_those_of_atom_and_head(done: Store, codes: np.ndarray):
    rows, data = effect_table(done, "concept_logits"), reader(done).data
    weights = read_effects(reader(done), epoch=EPOCH).weights
    for _, row in rows.iterrows():
        weight, active = weights[row["concept"], row["output"]], codes[:, row["concept"]]
        assert row["logit_per_code"] == pytest.approx(weight)
        assert row["output_name"] == data.class_names[row["output"]]
        if active.any():
            assert row["logit_when_active"] == pytest.approx(weight * active[active > 0].mean(), rel=1e-5)
    assert len(rows) == (weights != 0).sum()  # three outputs: all of them


def test_an_images_logit_is_the_sum_of_its_parts(done: Store, codes: np.ndarray, logits: np.ndarray):
    rows, parts = effect_table(done, "image_logits"), effect_table(done, "image_concepts")
    data = reader(done).data
    assert rows["image"].tolist() == data.probe.tolist()
    np.testing.assert_allclose(rows["logit"], logits.max(axis=1), rtol=1e-6)
    np.testing.assert_allclose(rows["by_concepts"] + rows["by_rest"] + rows["bias"], rows["logit"], rtol=1e-9)
    assert (rows["is_right"].astype(bool) == (logits.argmax(axis=1) == data.labels[data.probe])).all()
    # at most twelve concepts here, so all are listed
    sums = parts.groupby("image")["contribution"].sum().reindex(rows["image"], fill_value=0.0)
    np.testing.assert_allclose(sums, rows["by_concepts"], atol=1e-9)
    assert len(parts) == (codes != 0).sum()


def test_histogram_and_examples_lie_in_the_range(done: Store, codes: np.ndarray):
    bins, examples = effect_table(done, "concept_histogram"), effect_table(done, "concept_examples")
    assert (bins.groupby("concept")["n_images"].sum() == len(codes)).all()
    assert set(examples["part"]) <= {"middle", "least"}
    assert examples["code_fraction"].between(0, 1).all()
    least = examples[examples["part"] == "least"].groupby("concept")["code"].min()
    for concept, code in least.items():
        assert code == pytest.approx(codes[codes[:, concept] > 0, concept].min(), rel=1e-6)
