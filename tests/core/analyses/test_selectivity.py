"""Selectivity of a finished study's units, against what its stored activations give."""

from pathlib import Path

import numpy as np
import pytest

from featcx_core.analyses.selectivity.checks import units_know_more_than_chance
from featcx_core.figures.selectivity import selectivity_figures, shown_epochs
from featcx_core.measures.mutual_information import bin_edges
from featcx_core.store.places import Store, open_store
from tests.core.figures.drawn import is_drawn, texts
from tests.references import selectivity as reference
from tests.steps import altered, arrays_of, reader, rows_of, table_of

EPOCH, LAYER = 2, "layer3.2"


@pytest.fixture(scope="module")
def stored(finished_home: Path) -> Store:
    return open_store(finished_home, "tiny")


def test_rows_are_those_of_the_stored_activations(stored: Store):
    rows = rows_of(stored, "selectivity", epoch=EPOCH)
    assert rows["layer"].unique().tolist() == stored.anatomy.names
    of_layer = rows[rows["layer"] == LAYER].reset_index(drop=True)
    acts = np.asarray(arrays_of(stored, "activations", epoch=EPOCH, layer=LAYER)[:], dtype=np.float64)
    data = reader(stored).data
    labels = data.labels[data.probe]
    assert set(of_layer["n_images"]) == {len(labels)}
    active = acts.max(axis=0) > 0
    assert of_layer.loc[~active, "selectivity"].isna().all()
    expected = reference.selectivity(acts[:, active], labels)
    np.testing.assert_allclose(of_layer.loc[active, "selectivity"], [index for index, _ in expected], atol=1e-6)
    assert of_layer.loc[active, "class_id"].tolist() == [class_id for _, class_id in expected]
    edges = bin_edges(acts.astype(np.float32), n_bins=stored.study.selectivity.bins).numpy()
    for unit in np.flatnonzero(active)[:3]:
        bits = reference.mutual_information(acts[:, unit], labels, edges[unit].tolist())
        assert of_layer["mutual_information_bits"][unit] == pytest.approx(bits, abs=1e-6)


def test_chance_stands_beside(stored: Store):
    rows = table_of(stored, "selectivity").dropna(subset=["selectivity"])
    trained = rows[(rows["epoch"] == EPOCH) & (rows["layer"] == LAYER)]
    assert trained["selectivity"].median() > 3 * trained["selectivity_by_chance"].median()
    by_chance = trained["mutual_information_by_chance_bits"]
    assert (by_chance < trained["mutual_information_bits"]).mean() > 0.5
    assert (by_chance > 0).any()


def test_units_that_know_nothing_are_pointed_at(small: Store):
    sound = units_know_more_than_chance(reader(small))
    assert sound.passed
    assert sound.numbers["least_bits_beyond_chance"] > 0
    altered(small, "selectivity", "000002", lambda rows: rows.assign(mutual_information_bits=0.0))
    finding = units_know_more_than_chance(reader(small))
    assert (finding.passed, finding.is_error) == (False, False)
    assert finding.says.startswith("epoch 2: -0.")


def test_the_figure_shows_layers_epochs_and_chance(stored: Store):
    rows = table_of(stored, "selectivity")
    (figure,) = selectivity_figures(rows).values()
    for wanted in ("before training", "epoch 2", "by chance", "layer3.2", "bits"):
        assert wanted in texts(figure)
    assert is_drawn(figure)
    nothing = rows.assign(selectivity=np.nan, mutual_information_bits=np.nan)
    assert "no unit is active" in texts(selectivity_figures(nothing)["selectivity_by_layer"])
    assert shown_epochs([3]) == [3]
    assert shown_epochs([0]) == [0]
