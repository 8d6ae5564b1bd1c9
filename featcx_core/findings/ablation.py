"""Claims on single directions (Morcos et al. 2018), held against the ablations of one study."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from featcx_core.findings.claim import MARGIN_OF_CORRELATION, Claim, mark_of, unmeasured
from featcx_core.findings.evidence import Estimate, number
from featcx_core.findings.rule import Marks
from featcx_core.measures.correlations import correlation
from featcx_core.measures.intervals import jackknife_interval

MARGIN_OF_AREA = 0.1
"""Differences of the area under a curve below it count as none: a tenth of the accuracy, on average over shares."""
PROPERTIES = {"selectivity": "selectivity", "mutual_information_bits": "mutual information with the class"}
_SEED = 0  # of the resamples of units


def ablation_claims(tables: Mapping[str, pd.DataFrame]) -> list[Claim]:
    """Return the claims of Morcos et al. that one study can decide, at its last measured epoch."""
    return [
        selectivity_is_no_guide(tables["ablated_units"]),
        selective_units_go_unnoticed(tables["ablation_area"]),
    ]


def selectivity_is_no_guide(units: pd.DataFrame) -> Claim:
    """Judge Spearman of selectivity and the rise of the held-out loss over units: wanted within ±0.3.

    Ranks are those within each layer. Mutual information with the class stands beside, as a control.
    """
    statement = "How selective a unit is, is no guide to how important it is."
    epoch, rows = _last(units)
    estimates = {name: rank_correlation(rows, name) for name in PROPERTIES}
    first = estimates["selectivity"]
    if np.isnan(first.value):
        return unmeasured(statement, "not measured: fewer than four units have a selectivity.")
    marks = {
        name: mark_of(estimate, expected="zero", margin=MARGIN_OF_CORRELATION) for name, estimate in estimates.items()
    }
    information = PROPERTIES["mutual_information_bits"]
    numbers = (
        f"Spearman of selectivity and the rise of the held-out loss when the unit alone is ablated: {first} "
        f"({first.n} units, ranked within their layers, epoch {epoch}); of {information}: "
        f"{estimates['mutual_information_bits']}."
    )
    return Claim(statement, Marks(marks["selectivity"], {f"{information} neither": marks["mutual_information_bits"]}),
                 numbers)  # fmt: skip


def selective_units_go_unnoticed(areas: pd.DataFrame) -> Claim:
    """Judge the area of the curve by falling selectivity less that of random orders: wanted within ±0.1.

    It is the mean over layers, on held-out images.
    """
    statement = "Ablating the most selective units first costs about as much as ablating units in random order."
    epoch, rows = _last(areas)
    wanted = (rows["kind"] == "unit") & (rows["split"] == "test")
    if not wanted.any():
        return unmeasured(statement, "not measured: units are not among ablation.kinds.")
    rows = rows[wanted]
    by_selectivity = mean_beyond_random(rows, "selectivity")
    if np.isnan(by_selectivity.value):
        return unmeasured(statement, "not measured: the network classifies no image rightly.")
    numbers = (
        f"Area less that of random orders, mean over {by_selectivity.n} layers, held-out images, epoch {epoch}: "
        f"{by_selectivity}; by importance on training images "
        f"{number(mean_beyond_random(rows, 'importance').value)}."
    )
    return Claim(statement, Marks(mark_of(by_selectivity, expected="zero", margin=MARGIN_OF_AREA)), numbers)


def rank_correlation(units: pd.DataFrame, column: str) -> Estimate:
    """Return the correlation of a property's and the importance's ranks, each within its layer, over all units.

    Intervals over units (bootstrap) and over held-out images (jackknife of the rise of the loss).
    """
    rows = units.dropna(subset=[column])
    if len(rows) < 4:
        return Estimate(np.nan, np.nan, np.nan, len(rows))
    layer = rows["layer"]
    x = _ranks(rows[column], layer)
    found = correlation(x, _ranks(rows["loss_rise"], layer), method="pearson", seed=_SEED)
    left_out = np.stack([np.asarray(cell, dtype=np.float64) for cell in rows["jackknife"]], axis=1)
    without = [np.corrcoef(x, _ranks(pd.Series(group, index=rows.index), layer))[0, 1] for group in left_out]
    low, high = jackknife_interval(np.array([found.value]), np.array([without]), within=(-1.0, 1.0))
    return Estimate(found.value, found.low, found.high, found.n, float(low[0]), float(high[0]))


def mean_beyond_random(areas: pd.DataFrame, order: str) -> Estimate:
    """Return an order's area less that of random orders, mean over layers, with its interval over images."""
    first, random = (
        areas[areas["order"] == name].sort_values(["layer", "clamp"]).reset_index(drop=True)
        for name in (order, "random")
    )
    if first.empty or first["area"].isna().any():
        return Estimate(np.nan, np.nan, np.nan, 0)
    value = float((first["area"] - random["area"]).mean())
    cells = [np.stack([np.asarray(cell, dtype=np.float64) for cell in rows["jackknife"]]) for rows in (first, random)]
    low, high = jackknife_interval(np.array([value]), (cells[0] - cells[1]).mean(axis=0)[None])
    return Estimate(value, np.nan, np.nan, first["layer"].nunique(), float(low[0]), float(high[0]))


def _last(rows: pd.DataFrame) -> tuple[int, pd.DataFrame]:
    """Return the last epoch that was measured, and its rows."""
    epoch = int(rows["epoch"].max())
    return epoch, rows[rows["epoch"] == epoch]


def _ranks(values: pd.Series, layer: pd.Series) -> np.ndarray:
    """Return ranks within each layer, from 0 to 1."""
    groups = values.groupby(layer)
    ranks: np.ndarray = ((groups.rank() - 0.5) / groups.transform("size")).to_numpy(dtype=np.float64)
    return ranks
