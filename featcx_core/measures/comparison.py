"""Comparison of studies: the results of each, and their differences between the values of a field of the study.

Two kinds of interval answer two questions. Over the concepts of one study, from its own tables: would other concepts of
this network say the same? Over studies, Student's t: would another network, trained alike, say the same?
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from featcx_core.measures.intervals import NORMAL, t_half_width

END = -1
"""In place of an epoch: each study's own reference epoch."""
CONTROLS = "prevalence_fraction,variance"
"""Properties that the partial correlations hold fixed."""
COMPARED = ("importance", "decode_time_normalised", "decode_time")
"""Properties whose correlation with K is compared."""

Settings = Mapping[str, Mapping[str, str]]
"""Value in each study, of each field in which studies differ."""


class Means(NamedTuple):
    """Means over studies with their intervals."""

    mean: Float[np.ndarray, "row"]
    """Over the studies that have a value; NaN where none has."""
    low: Float[np.ndarray, "row"]
    """mean − t · s / √n, 95 %; NaN below two studies."""
    high: Float[np.ndarray, "row"]
    """mean + t · s / √n."""
    n: Int[np.ndarray, "row"]
    """Studies that have a value."""


def means(values: Float[np.ndarray, "row study"]) -> Means:
    """Return the mean of each row and its 95 % interval, Student's t with n − 1 degrees of freedom; NaN is no value.

    The interval treats the studies as independent draws. With two it is 12.7 standard errors to either side.

    >>> over_studies = means(np.array([[1.0, 3.0, np.nan], [2.0, np.nan, np.nan]]))
    >>> over_studies.mean.tolist(), over_studies.n.tolist(), over_studies.low.round(2).tolist()
    ([2.0, 2.0], [2, 1], [-10.71, nan])
    """
    has_value = ~np.isnan(values)
    n = has_value.sum(1)
    mean = np.divide(np.where(has_value, values, 0).sum(1), n, out=np.full(len(values), np.nan), where=n > 0)
    squares = np.where(has_value, values - mean[:, None], 0) ** 2
    is_known = n > 1
    freedom = np.where(is_known, n - 1, 1)
    error = np.sqrt(squares.sum(1) / freedom / np.maximum(n, 1))
    half = np.where(is_known, t_half_width(error, freedom=freedom), np.nan)
    return Means(mean, mean - half, mean + half, n)


def study_values(
    epochs: pd.DataFrame,
    sedimentation: pd.DataFrame,
    correlations: pd.DataFrame,
    v_information: pd.DataFrame,
    complexity: pd.DataFrame,
) -> pd.DataFrame:
    """Return the compared results of one study from its tables: rows (epoch, measure, value, low, high, n).

    The measures are `test_accuracy` and `train_accuracy`; `mean_complexity_…` of each group of sedimentation;
    `mean_complexity_extrapolated`, and `n_fit`, the images that a reader was fitted on, on which K depends;
    `complexity_importance`, `complexity_decode_time_normalised` and `complexity_decode_time`, Spearman's, all also with
    `_partial`; and `v_information_…`, the mean over alive concepts at each value of the column `place`. Intervals over
    concepts are those of the tables; of V-information mean ± 1.96 s / √n.
    """
    accuracy = epochs.melt("epoch", ["test_accuracy", "train_accuracy"], var_name="measure")
    curves = sedimentation.rename(columns={"mean_complexity": "value", "n_concepts": "n"})
    curves = curves.assign(measure="mean_complexity_" + curves["group_name"].astype(str))
    compared = (
        (correlations["kind"] == "concept")
        & (correlations["x"] == "complexity")
        & correlations["y"].isin(COMPARED)
        & correlations["controls"].isin(["", CONTROLS])
    )
    ranks = correlations[compared & (correlations["method"] == "spearman")]
    partial = np.where(ranks["controls"] == "", "", "_partial")
    ranks = ranks.assign(measure=ranks["x"].astype(str) + "_" + ranks["y"].astype(str) + partial)
    information = _over_concepts(v_information, "v_information", by=["epoch", "place"])
    information["measure"] = "v_information_" + information["place"].astype(str)
    extrapolated = _over_concepts(complexity, "complexity_extrapolated", by=["epoch"])
    extrapolated["measure"] = "mean_complexity_extrapolated"
    n_fit = complexity[["epoch", "n_fit"]].drop_duplicates("epoch").assign(measure="n_fit")
    counts = n_fit.rename(columns={"n_fit": "value"})
    columns = ["epoch", "measure", "value", "low", "high", "n"]
    kinds = {"value": "float64", "low": "float64", "high": "float64", "n": "Int64"}
    by_measure = (accuracy, curves, extrapolated, counts, ranks, information)
    parts = [part.reindex(columns=columns).astype(kinds) for part in by_measure]
    rows: pd.DataFrame = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return rows.dropna(subset=["value"]).reset_index(drop=True)


def _over_concepts(table: pd.DataFrame, column: str, *, by: list[str]) -> pd.DataFrame:
    """Return the mean over alive concepts of a column, with mean ± 1.96 s / √n."""
    alive = table[table["kind"] == "concept"].dropna(subset=[column])
    spread = alive.groupby(by)[column].agg(["mean", "std", "count"]).reset_index()
    half = NORMAL * spread["std"] / np.sqrt(spread["count"])
    ends = {"low": spread["mean"] - half, "high": spread["mean"] + half}
    return spread.rename(columns={"mean": "value", "count": "n"}).assign(**ends)


def compare(values: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return each measure's mean, and its differences, by the values of each field in which studies differ.

    Args:
        values: Rows (member, epoch, is_reference, measure, value), the members in the order of the comparison.
        settings: Fields in which the studies differ.

    Returns:
        Rows (field, together_with, value, against, epoch, measure, mean, low, high, n). The epoch is missing at the
        end, each study's own reference epoch. With `against` empty, the mean over the studies of that value. Otherwise
        the mean difference to the first study's value of the field, over pairs of studies that agree in all other
        fields, except those that divide the studies in the same way (`together_with`).
    """
    end = values[values["is_reference"]].assign(epoch=END)
    both = pd.concat([values, end], ignore_index=True)
    wide = both.pivot(index=["epoch", "measure"], columns="member", values="value")
    members = [member for member in dict.fromkeys(values["member"]) if member in wide]
    parts = [part for field in settings for part in _field(wide, members, settings, field)]
    columns = ["field", "together_with", "value", "against", "epoch", "measure", "mean", "low", "high", "n"]
    if not parts:
        return pd.DataFrame(columns=columns)
    rows: pd.DataFrame = pd.concat(parts, ignore_index=True)[columns]
    return rows.assign(epoch=rows["epoch"].astype("Int64").mask(rows["epoch"] == END))


def together(settings: Settings, field: str) -> list[str]:
    """Return the other fields that divide the studies as this one does, so their effects cannot be told apart."""
    return [other for other in settings if other != field and _parts(settings[other]) == _parts(settings[field])]


def _parts(by_member: Mapping[str, str]) -> list[int]:
    """Return each study's part by a field's value, numbered in the order of appearance."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(by_member.values()))}
    return [numbers[value] for value in by_member.values()]


def _field(wide: pd.DataFrame, members: Sequence[str], settings: Settings, field: str) -> Iterator[pd.DataFrame]:
    alike = together(settings, field)
    others = [other for other in settings if other not in (field, *alike)]
    cells: dict[str, dict[tuple[str, ...], list[str]]] = {}  # value -> all other settings -> studies
    for member in members:
        rest = tuple(settings[other][member] for other in others)
        cells.setdefault(settings[field][member], {}).setdefault(rest, []).append(member)
    first = next(iter(cells))
    for value, by_rest in cells.items():
        about = {"field": field, "together_with": ",".join(alike), "value": value}
        yield _rows(wide[[name for names in by_rest.values() for name in names]], {**about, "against": ""})
        if pairs := [rest for rest in by_rest if value != first and rest in cells[first]]:
            apart = [wide[by_rest[rest]].mean(axis=1) - wide[cells[first][rest]].mean(axis=1) for rest in pairs]
            yield _rows(pd.concat(apart, axis=1), {**about, "against": first})


def _rows(wide: pd.DataFrame, about: Mapping[str, str]) -> pd.DataFrame:
    rows = pd.DataFrame(means(wide.to_numpy(dtype=float))._asdict(), index=wide.index).reset_index()
    return rows[rows["n"] > 0].assign(**about)
