"""Similarities, directions and projections of a trained study against the definitions on its stored activations."""

import numpy as np
import pandas as pd
import pytest
import torch

import featcx_core as fx
from featcx_core.analyses.activations.make import record_activations
from featcx_core.analyses.report.make import _further
from featcx_core.analyses.similarity.checks import layers_equal_themselves
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.register import register
from featcx_core.features.forward import Network
from featcx_core.images.data import load_data
from featcx_core.measures.projection import most_active_units, project
from featcx_core.networks.anatomy import read_anatomy
from featcx_core.store.places import Store
from featcx_core.study.fields import Activations, Analyses, SimilaritySettings, Study, StudyError
from tests.references import similarity as reference
from tests.steps import altered, arrays_of, reader, refresh, remake, rows_of, table_of

MADE = ("similarity", "similarity_to_end", "direction_paths", "projection")
SETTINGS = SimilaritySettings(measures=("cka", "procrustes"), permutations=5, draws=2, kept=(1, 4), unit_draws=2)


def recorded(trained: Store, *epochs: int, settings: SimilaritySettings = SETTINGS, **fields: object) -> Store:
    """The tiny study, recorded at few layers: stem (16 units), layer2.0 (32) and layer3.2 (64)."""
    update = {"analyses": Analyses(run=MADE), "activations": Activations(layers=("stem", "layer2.0"))}
    store = register(trained.study.model_copy(update=update | {"similarity": settings} | fields), home=trained.home)
    for epoch in epochs:
        record_activations(store, epoch=epoch, device="cpu")
    return store


def acts(store: Store, epoch: int, layer: str) -> np.ndarray:
    return np.asarray(arrays_of(store, "activations", epoch=epoch, layer=layer)[:], dtype=np.float64)


def only(rows: pd.DataFrame, **values: object) -> pd.Series:
    """The one row with these values."""
    for name, value in values.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_layers_of_an_epoch_are_compared_with_each_other(trained: Store):
    store = recorded(trained, 2)
    rows = remake(store, "similarity", epoch=2)
    assert len(rows) == 2 * 2 * 9
    assert (rows["study_a"] == "").all()
    labels = load_data(store.study).labels[load_data(store.study).probe]
    for a, b in (("stem", "layer3.2"), ("layer2.0", "stem"), ("layer3.2", "layer3.2")):
        x, y = acts(store, 2, a), acts(store, 2, b)
        plain = only(rows, layer_a=a, layer_b=b, centring="plain", measure="cka")
        assert plain["value"] == pytest.approx(reference.cka(x, y), abs=1e-6)
        within = only(rows, layer_a=a, layer_b=b, centring="within_classes", measure="cka")
        assert within["value"] == pytest.approx(reference.cka_within(x, y, labels), abs=1e-6)
        procrustes = only(rows, layer_a=a, layer_b=b, centring="plain", measure="procrustes")
        assert procrustes["value"] == pytest.approx(reference.procrustes(x, y), abs=1e-6)
        kept = np.arange(120) % 7 != 3
        assert plain["jackknife"][3] == pytest.approx(reference.cka(x[kept], y[kept]), abs=1e-6)
    inside = rows["low"].le(rows["value"] + 1e-9) & rows["value"].le(rows["high"] + 1e-9)
    assert inside.all()
    null = rows["null_permuted"]
    np.testing.assert_allclose(rows["calibrated"], (rows["value"] - null) / (1 - null))
    assert (rows["n_images"] == 120).all()


def test_each_layer_is_compared_with_its_end(trained: Store):
    store = recorded(trained, 0, 2)
    rows = remake(store, "similarity_to_end", epoch=0)
    assert len(rows) == 2 * 2 * 3
    assert (rows["epoch_b"] == 2).all()
    for layer in ("stem", "layer2.0", "layer3.2"):
        row = only(rows, layer_a=layer, layer_b=layer, centring="plain", measure="cka")
        assert row["value"] == pytest.approx(reference.cka(acts(store, 0, layer), acts(store, 2, layer)), abs=1e-6)
    # the null of Gaussian data is that of the shape, whichever layer came first
    assert only(rows, layer_a="stem", centring="plain", measure="procrustes")["null_gaussian"] == pytest.approx(
        only(
            remake(store, "similarity", epoch=2), layer_a="stem", layer_b="stem", centring="plain", measure="procrustes"
        )["null_gaussian"]
    )


def test_few_of_many_images_are_spread_evenly(trained: Store):
    store = recorded(trained, 2, settings=SETTINGS.model_copy(update={"images": 60, "centrings": ("plain",)}))
    rows = remake(store, "similarity", epoch=2)
    chosen = np.linspace(0, 119, 60).round().astype(int)
    row = only(rows, layer_a="stem", layer_b="layer3.2", measure="cka")
    value = reference.cka(acts(store, 2, "stem")[chosen], acts(store, 2, "layer3.2")[chosen])
    assert row["value"] == pytest.approx(value, abs=1e-6)
    assert row["n_images"] == 60


def test_the_check_finds_a_layer_that_is_not_itself(trained: Store):
    store = recorded(trained, 2)
    remake(store, "similarity", epoch=2)
    refresh(store)
    assert layers_equal_themselves(reader(store)).passed

    def less(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(value=rows["value"].where(rows["layer_a"] != "stem", -0.5))

    altered(store, "similarity", "000002", less)
    finding = layers_equal_themselves(reader(store))
    assert not finding.passed
    assert "epoch 2, stem, cka plain: -0.500" in finding.says


def test_directions_are_followed_where_images_suffice(trained: Store):
    store = recorded(trained, 0, 1, 2)
    rows = remake(store, "direction_paths")
    assert set(rows["layer"]) == {"stem"}  # 120 images are fewer than 5 for each of 32 units
    assert set(rows["epoch"]) == {0, 1, 2}
    assert (rows["chosen_at"] == 1).all()
    end = rows[rows["epoch"] == 2]
    np.testing.assert_allclose(end[["signal", "noise"]], 1, atol=1e-6)
    chosen = rows[rows["epoch"] == 1]
    assert chosen["signal"].min() >= chosen["noise"].max() - 1e-9
    assert rows["chance"].iloc[0] == pytest.approx((16 / 119) ** 0.5, abs=0.02)


def test_an_epoch_that_is_not_there_is_one_line(trained: Store):
    settings = SETTINGS.model_copy(update={"directions_from": 7})
    store = recorded(trained, 0, 1, 2, settings=settings)
    with pytest.raises(StudyError, match="an epoch before the reference epoch 2, got 7; there are 0, 1"):
        remake(store, "direction_paths")


def test_projections_are_those_of_the_network_cut_by_hand(trained: Store):
    store = recorded(trained, 1, 2)
    remake(store, "checkpoint", epoch=2)
    rows = remake(store, "projection")
    assert set(rows["basis"]) == {"svcca", "most_active_units", "random_units"}
    assert set(rows.loc[rows["basis"] == "svcca", "layer"]) == {"stem"}
    network, layer = Network.load(store, epoch=2, device="cpu"), "layer2.0"
    test = network.data.split["test"]
    kept = most_active_units(acts(store, 2, layer), n_units=4)

    def cut(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        return project(output.movedim(1, -1), type(kept)(*map(torch.from_numpy, kept))).movedim(-1, 1)

    handle = network.model.get_submodule(layer).register_forward_hook(cut)
    from featcx_core.images.data import batches

    with torch.inference_mode():
        (images,) = batches(network.data, test, batch_size=len(test), device=network.device)
        right = network.model(images).argmax(1).numpy() == network.data.labels[test]
    handle.remove()
    row = only(rows, layer=layer, basis="most_active_units", n_directions=4)
    assert row["accuracy"] == pytest.approx(right.mean())
    assert row["jackknife"][2] == pytest.approx(right[np.arange(len(right)) % 7 != 2].mean(), abs=1e-6)
    assert row["low"] <= row["accuracy"] <= row["high"]


def test_projection_of_pooled_parts_is_one_line(trained: Store):
    activations = Activations(layers=("stem", "layer2.0"), pooling="grid:2")
    store = recorded(trained, 1, 2, activations=activations, analyses=Analyses(run=("projection",)))
    remake(store, "checkpoint", epoch=2)
    with pytest.raises(ValueError, match=r"wanted activations\.pooling = .gap., got 'grid:2'"):
        remake(store, "projection")


def test_a_measure_that_lacks_images_is_refused_at_once(trained: Store):
    few = SETTINGS.model_copy(update={"measures": ("svcca",), "images": 60})
    with pytest.raises(StudyError, match=r"svcca needs more probe images than units, got 51 .* and 64 units"):
        recorded(trained, settings=few)


def test_everything_is_read_by_a_notebook(trained: Store):
    store = recorded(trained, 2)
    remake(store, "similarity", epoch=2)
    refresh(store)
    frame = fx.open_study("tiny", home=str(store.home)).table("similarity")
    assert len(frame) == len(table_of(store, "similarity")) == len(rows_of(store, "similarity", epoch=2))
    assert isinstance(store.study, Study)
    assert read_anatomy(store.layers_path).penultimate == "layer3.2"


def test_what_shares_a_table_is_told_apart(trained: Store):
    store = recorded(trained, 0, 2)
    remake(store, "similarity", epoch=2)
    refresh(store)
    assert [reader(store).is_made(catalogue()[name]) for name in ("similarity", "similarity_to_end")] == [True, False]
    assert "similarity_to_end" not in [analysis.name for analysis in _further(reader(store), {})]
    remake(store, "similarity_to_end", epoch=0)
    refresh(store)
    named = {analysis.name: analysis for analysis in _further(reader(store), {})}
    assert named.keys() == {"similarity", "similarity_to_end"}
    assert [claim.verdict for claim in named["similarity_to_end"].claims] == ["not measured"]
