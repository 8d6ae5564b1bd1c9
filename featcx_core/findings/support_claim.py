"""The claim on support features: complex concepts matter together (Fel et al. 2024, App. D)."""

import math

import pandas as pd

from featcx_core.findings.evidence import Estimate, number, percent
from featcx_core.findings.selection import nearest_level, not_measured, of_kind
from featcx_core.findings.study_tables import StudyTables
from featcx_core.findings.verdicts import Claim, Status

LITTLE = 0.75  # of the mean importance: concepts that matter less than this are of little importance
NOTICEABLE = 0.05  # a smaller loss of accuracy is within three standard errors of an accuracy on a thousand images


def complex_concepts_matter_together(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge the loss of accuracy without the more complex half: wanted noticeable, and above that of a random half."""
    statement = "Complex concepts, each of little importance, matter together (support features)."
    at_epoch = tables.support[tables.support["epoch"] == reference_epoch]
    has_classes = bool(at_epoch["relative_accuracy"].notna().any())
    column = "relative_accuracy" if has_classes else "predictions_kept_fraction"
    rows, level = nearest_level(at_epoch.dropna(subset=[column]), "kept_fraction", near=0.5)
    if math.isnan(level):
        return Claim(statement, "missing", not_measured(tables.support, epoch=reference_epoch))
    loss = 1 - rows.set_index("order")[column].astype(float)
    complex_half = rows[rows["order"] == "complexity_descending"].iloc[0]
    lost = _loss(complex_half, column, "low", "high", whole=1)
    more = _loss(complex_half, "beyond_random", "beyond_random_low", "beyond_random_high")
    at_random = rows[rows["order"] == "random"].iloc[0]
    fewest, most = (1 - float(at_random[end]) for end in ("orders_high", "orders_low"))
    status, sentence = _weigh_loss(lost, more, of_any_order=(fewest, most))
    weight = _weight_of_removed(tables, rows, reference_epoch)
    if status == "seen" and not weight < LITTLE:
        status, sentence = "partly", "there is such a loss, but the complex concepts are not of little importance"
    share, unit = percent(1 - level), "of the accuracy" if has_classes else "of the predictions"
    simplest, important = (percent(float(loss[order])) for order in ("complexity_ascending", "importance_descending"))
    by_chance = f"{percent(float(loss['random']))} % ({percent(fewest)} to {percent(most)} % in single orders)"
    finding = (
        f"{sentence}: without the {share} % most complex concepts {percent(lost.value)} % {_images(lost)} {unit} are "
        f"lost, without {share} % at random {by_chance}, a difference of {percent(more.value)} % "
        f"{_images(more)}; without the simplest {simplest} %, without the most important {important} % "
        f"(epoch {reference_epoch}, {{ }} over images). Γ of the most complex, of those alive, is {number(weight)} "
        f"times that of all (little: below {LITTLE}). A loss counts from {percent(NOTICEABLE)} % on; it is more than "
        "at random where no single random order costs as much."
    )
    return Claim(statement, status, finding + _dead_among_removed(tables, rows, reference_epoch))


def _weigh_loss(lost: Estimate, more: Estimate, *, of_any_order: tuple[float, float]) -> tuple[Status, str]:
    """Return status and sentence; an unknown interval decides nothing.

    lost: without the complex half. more: than without a random half. of_any_order: the least and the most that is
    lost without a random half, over the orders.
    """
    if lost.high_images < NOTICEABLE:
        return "absent", "does not hold here"
    if not lost.low_images >= NOTICEABLE:
        return "undecided", f"not decided: the interval of the loss includes {percent(NOTICEABLE)} % or is not known"
    fewest, most = of_any_order
    if more.high_images < 0 and lost.value < fewest:
        return "partly", "there is such a loss, but a random half costs more"
    if more.low_images > 0 and lost.value <= most:
        return "undecided", "there is such a loss, more than at random on average, but not than in every random order"
    if not more.low_images > 0:
        return "undecided", "there is such a loss; whether a random half costs less is not decided"
    return "seen", "holds here"


def _loss(row: "pd.Series[float]", *columns: str, whole: int = 0) -> Estimate:
    """Return `whole` minus what is left, with its interval over images; there is no interval over concepts."""
    value, low, high = (whole - float(row[column]) for column in columns)
    return Estimate(value, math.nan, math.nan, 0, high, low)


def _images(lost: Estimate) -> str:
    return f"{{{percent(lost.low_images)}, {percent(lost.high_images)}}}"


def _weight_of_removed(tables: StudyTables, rows: pd.DataFrame, epoch: int) -> float:
    """Return mean Γ of the removed concepts that are alive, the most complex, over that of all alive; NaN: unknown."""
    scored = of_kind(tables.complexity[tables.complexity["epoch"] == epoch], "concept")
    gamma = tables.importance.loc[tables.importance["epoch"] == epoch, ["concept", "importance"]]
    living = scored.dropna(subset=["complexity"])  # the dead, of no weight and no complexity, are removed first
    n_removed = max(0, len(living) - int(rows["n_kept"].iloc[0]))
    ranked = living.merge(gamma, on="concept").sort_values("complexity", ascending=False)
    of_all = float(ranked["importance"].mean())
    return float(ranked["importance"].head(n_removed).mean()) / of_all if of_all > 0 else math.nan


def _dead_among_removed(tables: StudyTables, rows: pd.DataFrame, epoch: int) -> str:
    """Return a sentence on the dead among the removed, which go first in every order; empty where none is dead."""
    scored = tables.complexity[(tables.complexity["epoch"] == epoch) & (tables.complexity["kind"] == "concept")]
    n_removed, n_dead = len(scored) - int(rows["n_kept"].iloc[0]), int(scored["complexity"].isna().sum())
    removed = f" Of the {n_removed} removed, {min(n_dead, n_removed)} were dead, the same in every order."
    return removed if n_dead and n_removed > 0 else ""
