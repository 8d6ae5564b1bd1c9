"""The networks of several studies, compared on the same images."""

import numpy as np
import pandas as pd
import pytest

from featcx_core.analyses.activations.make import record_activations
from featcx_core.analyses.comparison import SEPARATION_TABLE, SIMILARITY_WITHIN_TABLE
from featcx_core.analyses.comparison.alike import alike_by_field, field_of_groups, with_groups
from featcx_core.analyses.comparison.similarity import different_images, similarity_between
from featcx_core.analyses.similarity import SIMILARITY_TABLE
from featcx_core.analyses.training.make import train
from featcx_core.artefacts.given import StudyReader
from featcx_core.measures.similarity_nulls import calibrated
from featcx_core.measures.study_groups import groups_of
from featcx_core.store.parquet import write_rows
from featcx_core.store.places import Store
from featcx_core.study.fields import Activations, SimilaritySettings, Study
from tests.references import similarity as reference
from tests.steps import arrays_of, reader

FEW = SimilaritySettings(measures=("cka",), centrings=("plain",), permutations=3, draws=1)


def network(
    tiny: Study, home: object, name: str, *, split_seed: int = 0, layers: tuple[str, ...] = ("stem",), **fields: object
) -> Store:
    """A trained study of that name, with the activations of its reference epoch."""
    update = {
        "name": name,
        "similarity": FEW,
        "data": tiny.data.model_copy(update={"split_seed": split_seed}),
        "training": tiny.training.model_copy(update={"epochs": 1}),
        "activations": Activations(layers=layers),
    }
    store = train(tiny.model_copy(update=update | fields), home=home, device="cpu")
    record_activations(store, epoch=1, device="cpu")
    return store


def final(store: Store, layer: str) -> np.ndarray:
    return np.asarray(arrays_of(store, "activations", epoch=1, layer=layer)[:], dtype=np.float64)


@pytest.fixture(scope="module")
def networks(tiny: Study, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """Two seeds on the same images, a third on others, and a network of one more layer."""
    home = tmp_path_factory.mktemp("networks")
    return {
        "first": network(tiny, home, "first", seed=0),
        "second": network(tiny, home, "second", seed=1),
        "elsewhere": network(tiny, home, "elsewhere", split_seed=5),
        "deeper": network(tiny, home, "deeper", layers=("stem", "layer2.0")),
    }


def readers(networks: dict[str, Store], *names: str) -> list[StudyReader]:
    return [reader(networks[name]) for name in names]


def test_networks_of_the_same_layers_are_compared_layer_by_layer(networks):
    between = similarity_between(readers(networks, "first", "second"))
    assert between.left_out == []
    assert between.rows[["study_a", "study_b"]].drop_duplicates().to_numpy().tolist() == [["first", "second"]]
    assert between.rows["layer_a"].tolist() == between.rows["layer_b"].tolist() == ["stem", "layer3.2"]
    for row in between.rows.itertuples():
        x, y = (final(networks[name], row.layer_a) for name in ("first", "second"))
        assert row.value == pytest.approx(reference.cka(x, y), abs=1e-6)
        assert row.calibrated == pytest.approx(
            float(calibrated(np.array([row.value]), np.array([row.null_permuted]))[0])
        )
    assert (between.rows[["epoch_a", "epoch_b"]] == 1).all(axis=None)


def test_networks_of_other_layers_are_compared_each_layer_with_each(networks):
    between = similarity_between(readers(networks, "first", "deeper"))
    pairs = [*zip(between.rows["layer_a"], between.rows["layer_b"], strict=True)]
    assert pairs == [(a, b) for a in ("stem", "layer3.2") for b in ("stem", "layer2.0", "layer3.2")]
    value = reference.cka(final(networks["first"], "stem"), final(networks["deeper"], "layer2.0"))
    assert between.rows["value"].iloc[1] == pytest.approx(value, abs=1e-6)


def test_studies_of_other_images_are_one_line(networks):
    one, other = readers(networks, "first", "elsewhere")
    line = "first and elsewhere: wanted the same probe images, got others; try one data.split_seed"
    assert different_images(one, other).startswith(line)
    assert different_images(one, one) == ""
    between = similarity_between([one, other, *readers(networks, "second")])
    assert [reason.partition(":")[0] for reason in between.left_out] == ["first and elsewhere", "elsewhere and second"]
    assert set(between.rows["study_b"]) == {"second"}


def test_a_study_without_activations_is_one_line(networks, tiny, tmp_path):
    bare = train(tiny.model_copy(update={"name": "bare"}), home=tmp_path, device="cpu")
    between = similarity_between([*readers(networks, "first"), reader(bare)])
    assert between.left_out == ["bare: no activations of layer stem at its reference epoch"]
    assert between.rows.empty


def pairs(similarities: dict[tuple[str, str], float]) -> pd.DataFrame:
    about = {"layer_a": "head", "layer_b": "head", "measure": "cka", "centring": "plain"}
    return pd.DataFrame([{"study_a": a, "study_b": b, "calibrated": s, **about} for (a, b), s in similarities.items()])


def test_groups_by_hand(tmp_path):
    settings = {"labels": {"a": "true", "b": "true", "c": "random", "d": "random", "e": "half"}}
    similarities = {("a", "b"): 0.9, ("c", "d"): 0.3}
    similarities |= {(x, y): 0.1 for x in "ab" for y in "cde"} | {(x, "e"): 0.2 for x in "cd"}
    within, apart = alike_by_field(pairs(similarities), settings, dict.fromkeys("abcde", "0"))
    assert within[["value", "mean", "n_pairs", "n_studies"]].to_numpy().tolist() == [
        ["true", 0.9, 1, 2],
        ["random", 0.3, 1, 2],
    ]
    row, over_layers = apart.to_dict("records")
    assert (row["layer"], over_layers["layer"]) == ("head", "")
    assert over_layers["auprc"] == row["auprc"]
    assert np.isnan(over_layers["auprc_low"])  # one seed leaves nothing to leave out
    assert (row["auprc"], row["violation_rate"], row["n_studies"]) == (1, 0, 4)
    assert row["auprc_chance"] == pytest.approx(0.2)
    for table, rows in ((SIMILARITY_WITHIN_TABLE, within), (SEPARATION_TABLE, apart)):
        write_rows(tmp_path / f"{table.name}.parquet", table, rows, study="both", fingerprint="0")


def test_a_pair_that_is_missing_leaves_its_group_unknown():
    settings = {"labels": dict.fromkeys("abc", "true")}
    within, apart = alike_by_field(pairs({("a", "b"): 0.9, ("a", "c"): 0.8}), settings, {})
    assert within["mean"].isna().all()
    assert apart.empty


def test_the_mean_over_layers_has_an_interval_by_leaving_out_seeds():
    chance, members = np.random.default_rng(0), [(kind, seed) for kind in "ab" for seed in range(4)]
    names = [f"{kind}{seed}" for kind, seed in members]
    places = [(i, j) for i in range(8) for j in range(i + 1, 8)]
    layers, matrices = [], []
    for layer in ("stem", "head"):
        matrix = np.zeros((8, 8))
        for i, j in places:
            matrix[i, j] = matrix[j, i] = 0.5 * (members[i][0] == members[j][0]) + chance.random()
        frame = pairs({(names[i], names[j]): matrix[i, j] for i, j in places})
        layers.append(frame.assign(layer_a=layer, layer_b=layer))
        matrices.append(matrix)
    seeds = {name: str(seed) for name, (_, seed) in zip(names, members, strict=True)}
    _, apart = alike_by_field(pd.concat(layers), {"kind": {name: name[0] for name in names}}, seeds)
    row = apart[apart["layer"] == ""].iloc[0]

    def mean(left_out):
        kept = [place for place, (_, seed) in enumerate(members) if seed != left_out]
        groups = [members[place][0] for place in kept]
        return np.mean([reference.separation(matrix[np.ix_(kept, kept)], groups) for matrix in matrices], axis=0)

    without = np.array([mean(seed) for seed in range(4)])
    error = np.sqrt(3 / 4 * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    for column, value, each in zip(("auprc", "violation_rate"), mean(None), error, strict=True):
        assert row[column] == pytest.approx(value)
        half = 3.182446305 * each  # t(3)
        assert row[f"{column}_low"] == pytest.approx(max(0, value - half))
        assert row[f"{column}_high"] == pytest.approx(min(1, value + half))


def test_groups_stand_beside_the_fields_where_no_field_has_them():
    labels = {"a": "0.0", "b": "0.5", "c": "0.0"}
    one = {"data.corruption.labels": labels, "seed": {"a": "0", "b": "0", "c": "1"}}
    assert with_groups(one, groups_of(one)) == one
    assert field_of_groups(one, groups_of(one)) == "data.corruption.labels"
    two = {**one, "training.shift": {"a": "0", "b": "0", "c": "2"}}
    groups = groups_of(two)
    assert with_groups(two, groups) == {"group": groups.of, **two}
    assert field_of_groups(two, groups) == "group"


def test_the_rows_fit_the_table(networks, tmp_path):
    rows = similarity_between(readers(networks, "first", "second")).rows
    write_rows(tmp_path / "rows.parquet", SIMILARITY_TABLE, rows, study="both", fingerprint="0")
