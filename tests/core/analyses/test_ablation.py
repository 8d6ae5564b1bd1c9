"""Ablations of a small study, against whole forward passes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from featcx_core.analyses.ablation.checks import nothing_ablated_is_the_whole_network
from featcx_core.analyses.ablation.refusals import refuse_unusable_ablation
from featcx_core.features.forward import Network
from featcx_core.figures.ablation import ablation_figures
from featcx_core.findings.ablation import ablation_claims
from featcx_core.images.data import load_data, normalised
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import StudyError
from tests.core.figures.drawn import is_drawn, texts
from tests.references import ablation as reference
from tests.steps import altered, reader, rows_of

EPOCH, LAYER = 2, "layer2.0"


@pytest.fixture(scope="module")
def stored(small_home: Path) -> Store:
    return open_store(small_home, "tiny")


@pytest.fixture(scope="module")
def tables(stored: Store) -> dict[str, pd.DataFrame]:
    names = ("ablation", "ablation_area", "ablated_units", "ablation_noise")
    return {name: rows_of(stored, "ablation", epoch=EPOCH, table=name) for name in names}


class Whole:
    """The network with some images of a split, run whole for every ablation."""

    def __init__(self, store: Store, split: str) -> None:
        network = Network.load(store, epoch=EPOCH, device="cpu")
        rows = network.data.split[split][:14]
        self.model, self.labels = network.model, torch.from_numpy(network.data.labels[rows])
        self.images = normalised(torch.from_numpy(network.data.images[rows]), network.data)

    def logits(self, units: list[int], value: float = 0.0) -> torch.Tensor:
        return reference.logits(self.model, self.images, LAYER, reference.clamped(units, torch.full((99,), value)))

    def accuracy(self, units: list[int]) -> float:
        return float((self.logits(units).argmax(1) == self.labels).float().mean())

    def loss(self, units: list[int]) -> float:
        return float(cross_entropy(self.logits(units).double(), self.labels))


def test_every_layer_kind_order_clamp_and_split_is_there(stored: Store, tables):
    areas = tables["ablation_area"]
    assert areas["layer"].unique().tolist() == stored.anatomy.names
    for layer, of_layer in areas.groupby("layer"):
        found = {*of_layer[["kind", "order"]].drop_duplicates().itertuples(index=False, name=None)}
        units = {("unit", order) for order in ("random", "selectivity", "mutual_information", "importance")}
        concepts = {("concept", "random"), ("concept", "importance")} if layer == stored.anatomy.penultimate else set()
        assert found == units | concepts | {("random_direction", "random")}
        assert len(of_layer) == 2 * 2 * len(found)
    assert sorted(tables["ablation"]["ablated_fraction"].unique()) == [0, 0.5, 1]
    assert set(tables["ablation_noise"]["scale"]) == {0, 1}


@pytest.mark.parametrize("split", ["train", "test"])
def test_curves_are_those_of_whole_forward_passes(stored: Store, tables, split: str):
    whole, units = Whole(stored, split), tables["ablated_units"]
    of_layer = units[units["layer"] == LAYER].reset_index(drop=True)
    n_units = len(of_layer)
    for order, column in (("selectivity", "selectivity"), ("importance", "loss_rise_train")):
        keys = of_layer[column].fillna(np.inf).to_numpy()
        ranked = np.argsort(-keys, kind="stable")
        curves = tables["ablation"]
        rows = curves[(curves["layer"] == LAYER) & (curves["kind"] == "unit") & (curves["order"] == order)]
        rows = rows[(rows["clamp"] == "zero") & (rows["split"] == split)].sort_values("ablated_fraction")
        expected = [whole.accuracy(ranked[:n].tolist()) for n in (0, n_units // 2, n_units)]
        assert rows["n_ablated"].tolist() == [0, n_units // 2, n_units]
        np.testing.assert_allclose(rows["accuracy"], expected, atol=1e-6)


def test_single_units_are_those_of_whole_forward_passes(stored: Store, tables):
    units = tables["ablated_units"]
    of_layer = units[units["layer"] == LAYER].reset_index(drop=True)
    for split, column in (("test", "loss_rise"), ("train", "loss_rise_train")):
        whole = Whole(stored, split)
        for unit in (0, 5):
            assert of_layer[column][unit] == pytest.approx(whole.loss([unit]) - whole.loss([]), abs=1e-5)
    selectivity = rows_of(stored, "selectivity", epoch=EPOCH)
    expected = selectivity.loc[selectivity["layer"] == LAYER, "selectivity"].to_numpy()
    np.testing.assert_array_equal(of_layer["selectivity"], expected)


def test_areas_and_their_differences_follow_from_the_curves(tables):
    keys = ["layer", "kind", "order", "clamp", "split"]
    curves = tables["ablation"].sort_values("ablated_fraction").groupby(keys)["relative_accuracy"]
    expected = curves.apply(lambda y: float(np.trapezoid(y, [0, 0.5, 1])))
    areas = tables["ablation_area"].set_index(keys)
    np.testing.assert_allclose(areas["area"], expected.loc[areas.index], atol=1e-9)
    random = areas.xs("random", level="order")["area"]
    for (layer, kind, order, clamp, split), row in areas.iterrows():
        beyond = row["area"] - random[layer, kind, clamp, split]
        assert row["beyond_random"] == pytest.approx(beyond)
        assert row["beyond_random_low"] <= beyond <= row["beyond_random_high"]
        if order == "random":
            assert row["beyond_random_low"] == row["beyond_random_high"] == 0


def test_figures_and_claims_come_of_the_tables(tables):
    figures = ablation_figures(tables)
    assert figures.keys() == {
        "ablation_curves",
        "ablation_area_by_layer",
        "selectivity_against_importance",
        "accuracy_under_noise",
    }
    assert all(is_drawn(figure) for figure in figures.values())
    assert "concepts, most important first" in texts(figures["ablation_curves"])
    assert [claim.statement[:3] for claim in ablation_claims(tables)] == ["How", "Abl"]
    no_noise = {**tables, "ablation_noise": tables["ablation_noise"].query("scale == 0")}
    assert "accuracy_under_noise" not in ablation_figures(no_noise)
    guessing = {**tables, "ablation": tables["ablation"].assign(relative_accuracy=np.nan)}
    assert "classifies no image rightly" in texts(ablation_figures(guessing)["ablation_curves"])


def test_curves_that_start_apart_are_pointed_at(small: Store):
    assert nothing_ablated_is_the_whole_network(reader(small)).passed

    def apart(rows: pd.DataFrame) -> pd.DataFrame:
        first = (rows["ablated_fraction"] == 0) & (rows["layer"] == LAYER)
        return rows.assign(accuracy=rows["accuracy"].mask(first, 0.0))

    altered(small, "ablation", f"{EPOCH:06d}", apart)
    finding = nothing_ablated_is_the_whole_network(reader(small))
    assert not finding.passed
    assert finding.says.startswith(f"epoch {EPOCH}, test: 0.000 to ")


def test_what_cannot_be_ablated_is_refused(stored: Store):
    study, data = stored.study, load_data(stored.study)
    grid = study.model_copy(update={"activations": study.activations.model_copy(update={"pooling": "grid:2"})})
    with pytest.raises(StudyError, match=r'wanted activations\.pooling = "gap", got \'grid:2\''):
        refuse_unusable_ablation(grid, stored.anatomy, data)
    few = study.model_copy(update={"ablation": study.ablation.model_copy(update={"images": 5})})
    with pytest.raises(
        StudyError, match=r"at least 7 images of data\.split\.train, one for each of probe\.groups, got 5"
    ):
        refuse_unusable_ablation(few, stored.anatomy, data)
