"""The claim on support features: complex concepts matter together (Fel et al. 2024, App. D)."""

import math

import numpy as np
import pandas as pd

from featcx_core.findings.claim import Claim, mark_of, mark_of_untrained, unmeasured
from featcx_core.findings.evidence import NOT_MEASURED, Estimate, in_percent, percent
from featcx_core.findings.rule import Mark, Marks, mark
from featcx_core.findings.selection import nearest_level, not_measured, of_kind
from featcx_core.findings.study_tables import StudyTables

LITTLE = 0.75  # of the mean importance: concepts that matter less than this are of little importance
NOTICEABLE = 0.05  # a smaller loss of accuracy is within three standard errors of an accuracy on a thousand images
N_BOOTSTRAP = 1000
_BEYOND = ("beyond_random_low", "beyond_random_high")


def complex_concepts_matter_together(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge the loss of accuracy without the more complex half: wanted noticeable.

    The removed concepts must be of little importance each; the loss must be more than without a random half, on
    average over the images and in every single order; and it must not be there before training.
    """
    statement = "Complex concepts, each of little importance, matter together (support features)."
    rows, column, level = _half(tables.support, reference_epoch)
    if math.isnan(level):
        return unmeasured(statement, not_measured(tables.support, epoch=reference_epoch))
    loss = 1 - rows.set_index("order")[column].astype(float)
    lost = _lost(rows, column)
    more = _loss(rows[rows["order"] == "complexity_descending"].iloc[0], "beyond_random", *_BEYOND)
    at_random = rows[rows["order"] == "random"].iloc[0]
    fewest, most = (1 - float(at_random[end]) for end in ("orders_high", "orders_low"))
    weight = _weight_of_removed(tables, rows, reference_epoch)
    marks = Marks(
        mark_of(_above(lost, NOTICEABLE), expected="positive"),
        {"each of little importance": mark_of(_above(weight, LITTLE), expected="negative")},
        _beyond_random(more, (lost.value - most, lost.value - fewest)),
        _learned(tables, reference_epoch),
    )
    share, unit = percent(1 - level), "of the accuracy" if column == "relative_accuracy" else "of the predictions"
    simplest, important = (percent(float(loss[order])) for order in ("complexity_ascending", "importance_descending"))
    by_chance = f"{percent(float(loss['random']))} % ({percent(fewest)} to {percent(most)} % in single orders)"
    numbers = (
        f"Without the {share} % most complex concepts {in_percent(lost)} {unit} are "
        f"lost, without {share} % at random {by_chance}, a difference of "
        f"{in_percent(more)}; without the simplest {simplest} %, without the most important {important} % "
        f"(epoch {reference_epoch}). Γ of the most complex, of those alive, is {weight} "
        f"times that of all (little: below {LITTLE}). A loss counts from {percent(NOTICEABLE)} % on; it is more than "
        "at random where no single random order costs as much."
    )
    numbers += _dead_among_removed(tables, rows, reference_epoch)
    return Claim(statement, marks, numbers, null="more than a random half")


def _beyond_random(more: Estimate, over_orders: tuple[float, float]) -> Mark:
    """Return whether a loss is more than without a random half, over images and over the random orders."""
    if math.isnan(more.low_images):
        return "missing"
    return mark([*more.intervals, over_orders], expected="positive")


def _half(support: pd.DataFrame, epoch: int) -> tuple[pd.DataFrame, str, float]:
    """Return an epoch's rows with about half of the concepts kept, the column of what is left, and the share kept."""
    at_epoch = support[support["epoch"] == epoch]
    has_classes = bool(at_epoch["relative_accuracy"].notna().any())
    column = "relative_accuracy" if has_classes else "predictions_kept_fraction"
    rows, level = nearest_level(at_epoch.dropna(subset=[column]), "kept_fraction", near=0.5)
    return rows, column, level


def _lost(rows: pd.DataFrame, column: str) -> Estimate:
    """Return what is lost without the more complex half."""
    return _loss(rows[rows["order"] == "complexity_descending"].iloc[0], column, "low", "high", whole=1)


def _learned(tables: StudyTables, reference_epoch: int) -> Mark | None:
    """Return whether the untrained network has no noticeable loss; None without an untrained checkpoint."""
    rows, column, level = _half(tables.support, 0)
    lost = NOT_MEASURED if math.isnan(level) else _above(_lost(rows, column), NOTICEABLE)
    return mark_of_untrained(tables, lost, expected="positive", reference_epoch=reference_epoch)


def _above(estimate: Estimate, threshold: float) -> Estimate:
    """Return an estimate less a threshold."""
    value, low, high, low_images, high_images = (
        part - threshold for part in (estimate.value, *estimate.intervals[0], *estimate.intervals[1])
    )
    return Estimate(value, low, high, estimate.n, low_images, high_images)


def _loss(row: "pd.Series[float]", *columns: str, whole: int = 0) -> Estimate:
    """Return `whole` minus what is left, with its interval over images; there is no interval over concepts."""
    value, low, high = (whole - float(row[column]) for column in columns)
    return Estimate(value, math.nan, math.nan, 0, high, low)


def _weight_of_removed(tables: StudyTables, rows: pd.DataFrame, epoch: int) -> Estimate:
    """Return mean Γ of the removed concepts that are alive, the most complex, over that of all alive; NaN: unknown.

    The interval is a bootstrap over the concepts that are alive.
    """
    scored = of_kind(tables.complexity[tables.complexity["epoch"] == epoch], "concept")
    gamma = tables.importance.loc[tables.importance["epoch"] == epoch, ["concept", "importance"]]
    living = scored.dropna(subset=["complexity"])  # the dead, of no weight and no complexity, are removed first
    n_removed = max(0, len(living) - int(rows["n_kept"].iloc[0]))
    ranked = living.merge(gamma, on="concept").sort_values("complexity", ascending=False)
    weights = ranked["importance"].to_numpy(dtype=float)
    if not n_removed or not weights.sum() > 0:
        return NOT_MEASURED
    is_removed = np.arange(len(weights)) < n_removed
    chance = np.random.default_rng(0)
    drawn = chance.integers(len(weights), size=(N_BOOTSTRAP, len(weights)))
    removed = np.where(is_removed[drawn], weights[drawn], 0).sum(axis=1) / np.maximum(is_removed[drawn].sum(axis=1), 1)
    low, high = np.quantile(removed / weights[drawn].mean(axis=1), [0.025, 0.975])
    value = weights[is_removed].mean() / weights.mean()
    return Estimate(float(value), float(low), float(high), len(weights))


def _dead_among_removed(tables: StudyTables, rows: pd.DataFrame, epoch: int) -> str:
    """Return a sentence on the dead among the removed, which go first in every order; empty where none is dead."""
    scored = tables.complexity[(tables.complexity["epoch"] == epoch) & (tables.complexity["kind"] == "concept")]
    n_removed, n_dead = len(scored) - int(rows["n_kept"].iloc[0]), int(scored["complexity"].isna().sum())
    removed = f" Of the {n_removed} removed, {min(n_dead, n_removed)} were dead, the same in every order."
    return removed if n_dead and n_removed > 0 else ""
