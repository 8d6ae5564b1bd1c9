"""Studies side by side: the numbers."""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from featcx_core.measures.comparison import compare, means, study_values, together
from tests.references import comparison as reference

FIELDS = {"schedule": ("one_cycle", "constant"), "decay": ("0.0", "0.5"), "seed": ("0", "1", "2")}


def grid() -> dict[str, dict[str, str]]:
    """Settings of twelve studies, all combinations."""
    members = {"__".join(values): values for values in itertools.product(*FIELDS.values())}
    return {field: {name: values[i] for name, values in members.items()} for i, field in enumerate(FIELDS)}


def measured(
    settings: Mapping[str, Mapping[str, str]], *, n_epochs: int = 3, without: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Values of two measures; the schedule changes the first by 0.3, nothing changes the second."""
    chance = np.random.default_rng(0)
    rows = [
        {
            "member": member,
            "epoch": epoch,
            "is_reference": epoch == n_epochs - 1,
            "measure": measure,
            "value": chance.normal(0, 0.01) + 0.3 * (measure == "test_accuracy" and schedule == "constant"),
            "low": -0.1,
            "high": 0.1,
            "n": 10,
        }
        for member, schedule in settings["schedule"].items()
        for epoch in range(n_epochs)
        for measure in ("test_accuracy", "mean_complexity_all")
        if member not in without
    ]
    return pd.DataFrame(rows)


def test_means_by_hand():
    found = means(np.array([[1.0, 2.0, 3.0], [4.0, np.nan, np.nan], [np.nan] * 3]))
    np.testing.assert_allclose(found.mean, [2, 4, np.nan])
    assert found.n.tolist() == [3, 1, 0]
    half = 4.302653 / np.sqrt(3)  # t of two degrees of freedom, s = 1
    np.testing.assert_allclose(found.low, [2 - half, np.nan, np.nan], rtol=1e-6)
    np.testing.assert_allclose(found.high, [2 + half, np.nan, np.nan], rtol=1e-6)


def test_an_interval_covers_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(size=(4000, 4))
    found = means(draws)
    covered = ((found.low <= 0) & (found.high >= 0)).mean()
    assert covered == pytest.approx(0.95, abs=0.015)


def test_every_row_is_that_of_the_reference():
    settings = grid()
    values = measured(settings, without=("one_cycle__0.0__1",))  # the grid has a hole
    found = compare(values, settings)
    for row in found.itertuples():
        at = values["is_reference"] if pd.isna(row.epoch) else values["epoch"] == row.epoch
        part = values[at & (values["measure"] == row.measure)]
        value_of = dict(zip(part["member"], part["value"], strict=True))
        if row.against:
            numbers = reference.differences(value_of, settings, field=row.field, value=row.value, against=row.against)
        else:
            numbers = [v for member, v in value_of.items() if settings[row.field][member] == row.value]
        assert row.n == len(numbers)
        np.testing.assert_allclose((row.mean, row.low, row.high), reference.interval(numbers), atol=1e-12)
    assert not found.duplicated(["field", "value", "against", "epoch", "measure"]).any()
    # 2 + 2 + 3 values, 1 + 1 + 2 differences, 3 epochs and the end, 2 measures
    assert len(found) == (7 + 4) * 4 * 2


def test_a_planted_effect_is_found_and_none_where_there_is_none():
    settings = grid()
    found = compare(measured(settings), settings)
    apart = (
        found[(found["against"] != "") & found["epoch"].isna()].set_index(["field", "value", "measure"]).sort_index()
    )
    effect = apart.loc[("schedule", "constant", "test_accuracy")]
    assert effect["low"] < 0.3 < effect["high"]
    assert effect["low"] > 0.25
    assert (apart.drop(index=[effect.name])["mean"].abs() < 0.02).all()


def test_pairs_take_out_what_the_other_fields_do():
    """The seed moves all studies alike: means say little about the schedule, pairs much."""
    settings = grid()
    values = measured(settings)
    values["value"] += values["member"].map(lambda member: 5.0 * int(settings["seed"][member]))
    found = compare(values, settings)
    rows = found[(found["field"] == "schedule") & found["epoch"].isna() & (found["measure"] == "test_accuracy")]
    mean, pair = rows[rows["value"].eq("constant") & rows["against"].eq("")], rows[rows["against"] != ""]
    assert float((mean["high"] - mean["low"]).iloc[0]) > 5
    assert float((pair["high"] - pair["low"]).iloc[0]) < 0.1


def test_fields_that_part_the_studies_alike_are_not_told_apart():
    settings = {"seed": {"a": "0", "b": "1", "c": "0"}, "data.source": {"a": "x", "b": "y", "c": "x"}}
    settings["probe.groups"] = {"a": "20", "b": "20", "c": "5"}
    assert together(settings, "seed") == ["data.source"]
    assert together(settings, "probe.groups") == []
    values = measured({"schedule": dict.fromkeys("abc", "constant")})
    found = compare(values, settings)
    seed = found[(found["field"] == "seed") & (found["against"] != "") & found["epoch"].isna()]
    assert set(seed["together_with"]) == {"data.source"}
    assert set(seed["n"]) == {1}  # a and b: c has other groups
    assert seed["low"].isna().all()


def test_the_end_is_each_studys_own():
    settings = {"training.epochs": {"short": "2", "long": "4"}, "schedule": {"short": "x", "long": "x"}}
    parts = [
        measured({"schedule": {"short": "x"}}, n_epochs=3),
        measured({"schedule": {"long": "x"}}, n_epochs=5),
    ]
    values = pd.concat(parts, ignore_index=True)
    del settings["schedule"]
    found = compare(values, settings)
    end = found[found["epoch"].isna() & (found["against"] == "") & (found["measure"] == "test_accuracy")]
    wanted = values[values["is_reference"] & (values["measure"] == "test_accuracy")]
    np.testing.assert_allclose(end["mean"], wanted["value"])
    assert set(found.loc[found["epoch"] == 4, "value"]) == {"4"}


def tables() -> dict[str, pd.DataFrame]:
    epochs = pd.DataFrame({"epoch": [0, 1], "test_accuracy": [0.1, 0.9], "train_accuracy": [0.1, 0.95]})
    group = {"epoch": 1, "group_name": "top_10pct", "n_concepts": 10, "mean_complexity": 0.4, "low": 0.3, "high": 0.5}
    rank = {
        "epoch": 1,
        "kind": "concept",
        "x": "complexity",
        "y": "importance",
        "value": -0.5,
        "low": -0.6,
        "high": -0.4,
        "n": 20,
    }
    ways = [("spearman", ""), ("spearman", "prevalence_fraction,variance"), ("pearson", ""), ("spearman", "variance")]
    correlations = [{**rank, "method": m, "controls": c, "level": np.nan} for m, c in ways]
    others = [{**correlations[0], "y": "redundancy", "level": share} for share in (0.1, 0.5)]  # not compared
    information = pd.DataFrame({"kind": "concept", "v_information": [0.2, 0.4, np.nan], "epoch": 1})
    information = pd.concat([information, information.assign(kind="shuffled", v_information=0.0)])
    return {
        "epochs": epochs,
        "sedimentation": pd.DataFrame([group]),
        "correlations": pd.DataFrame([*correlations, *others]),
        "v_information": information.assign(place="first_layer"),
        "complexity": pd.DataFrame(
            {"epoch": 1, "kind": "concept", "complexity_extrapolated": [0.2, 0.4, np.nan], "n_fit": 250}
        ),
    }


def test_what_is_compared_of_a_study():
    found = study_values(**tables()).set_index(["epoch", "measure"])
    assert set(found.loc[1].index) == {
        "test_accuracy",
        "train_accuracy",
        "mean_complexity_top_10pct",
        "mean_complexity_extrapolated",
        "n_fit",
        "complexity_importance",
        "complexity_importance_partial",
        "v_information_first_layer",
    }
    assert set(found.loc[0].index) == {"test_accuracy", "train_accuracy"}
    row = found.loc[(1, "v_information_first_layer")]
    assert (row["value"], row["n"]) == (pytest.approx(0.3), 2)
    assert row["high"] - row["value"] == pytest.approx(1.96 * np.std([0.2, 0.4], ddof=1) / np.sqrt(2))
    assert tuple(found.loc[(1, "mean_complexity_top_10pct")][["value", "low", "high", "n"]]) == (0.4, 0.3, 0.5, 10)
    assert tuple(found.loc[(1, "mean_complexity_extrapolated")][["value", "n"]]) == (pytest.approx(0.3), 2)
    assert found.loc[(1, "n_fit"), "value"] == 250
    assert found.loc[(1, "test_accuracy")][["low", "high", "n"]].isna().all()


def test_a_study_of_which_little_is_made():
    full = tables()
    empty = {name: frame.head(0) for name, frame in full.items()}
    assert len(study_values(**empty)) == 0
    assert set(study_values(**{**empty, "epochs": full["epochs"]})["measure"]) == {"test_accuracy", "train_accuracy"}
