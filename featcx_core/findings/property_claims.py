"""The paper's claims on what complex concepts are like (Fel et al. 2024, App. D, E, F and I)."""

import math

import pandas as pd

from featcx_core.features.quality import random_hoyer
from featcx_core.findings.evidence import (
    NOT_LEARNED,
    NOT_OF_CONCEPTS,
    Claim,
    Estimate,
    Expected,
    Status,
    correlation,
    not_measured,
    number,
    of_kind,
    raw_and_partial,
    weigh,
)
from featcx_core.findings.study_tables import StudyTables

LITTLE = 0.75  # of the mean importance: concepts that matter less than this are of little importance
NOTICEABLE = 0.05  # a smaller loss of accuracy is within three standard errors of an accuracy on a thousand images


def property_claims(tables: StudyTables, *, reference_epoch: int) -> list[Claim]:
    """What the tables of redundancy, sensitivity, support and of the atoms' sparsity say at the reference epoch."""
    return [
        complex_is_less_redundant(tables, reference_epoch=reference_epoch),
        complex_is_less_robust(tables, reference_epoch=reference_epoch),
        sparsity_has_no_trend(tables, reference_epoch=reference_epoch),
        complex_concepts_matter_together(tables, reference_epoch=reference_epoch),
    ]


def complex_is_less_redundant(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Spearman of K and redundancy at the middle share: wanted negative, where concepts differ beyond the masks.

    And not in random directions as well, nor before training.
    """
    statement = "Complex concepts are less redundant: K and redundancy go against each other."
    rows, level = _at(tables.redundancy, reference_epoch, "masked_fraction", near=0.5)
    if math.isnan(level):
        return Claim(statement, "missing", not_measured(tables.redundancy, epoch=reference_epoch))
    status, said, numbers = _weighed(tables, reference_epoch, "redundancy", level, expected="negative")
    printed, _ = _both(tables, reference_epoch, "redundancy_as_printed", level)
    control, beside = _control(tables, rows, reference_epoch, "redundancy", level)
    doubts = [NOT_OF_CONCEPTS] if control.high < 0 else []
    untrained, before = _before_training(tables, "redundancy", level)
    if reference_epoch > 0 and untrained.high < 0:
        doubts.append(NOT_LEARNED)
    if status in ("seen", "partly") and doubts:
        status, said = "partly", f"{said}, but {'; and '.join(doubts)}"
    own = of_kind(rows, "concept")
    spread = float(own["redundancy"].var())
    masks = float((own["standard_deviation"] ** 2 / (own["n_masks"] - 1).clip(lower=1)).mean())
    share = masks / spread if spread > 0 else math.nan
    about = f"{level:.0%} of the units masked; with the paper's formula {printed}"
    finding = f"{said}. {numbers} ({about}).{before}{beside}"
    if share > 0.5:
        if status in ("seen", "partly"):
            status, finding = "undecided", f"not decided, since masks may have made it; the correlations: {finding}"
        finding += (
            f" The choice of masks makes up to {_percent(min(share, 1.0))} % of the differences between concepts, so "
            "other masks may rank them otherwise: in expectation every mask leaves the same share of each. It is an "
            "upper bound, because the deviation over masks includes what a mask does to all concepts alike."
        )
    return Claim(statement, status, finding)


def complex_is_less_robust(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Spearman of K and sensitivity at the level nearest 0.1: wanted positive, not before training already.

    And not in random directions as well.
    """
    statement = "Complex concepts are less robust: noise in the image moves them more."
    rows, level = _at(tables.sensitivity, reference_epoch, "sigma", near=0.1)
    if math.isnan(level):
        return Claim(statement, "missing", not_measured(tables.sensitivity, epoch=reference_epoch))
    status, said, numbers = _weighed(tables, reference_epoch, "sensitivity", level, expected="positive")
    untrained, before = _before_training(tables, "sensitivity", level)
    control, beside = _control(tables, rows, reference_epoch, "sensitivity", level)
    doubts = [NOT_OF_CONCEPTS] if control.low > 0 else []
    if reference_epoch > 0 and untrained.low > 0:
        doubts.append(NOT_LEARNED)
    if status in ("seen", "partly") and doubts:
        status, said = "partly", f"{said}, but {'; and '.join(doubts)}"
    printed, _ = _both(tables, reference_epoch, "sensitivity_as_printed", level)
    own = tables.sensitivity[tables.sensitivity["epoch"] == reference_epoch]
    others = [
        f"{_both(tables, reference_epoch, 'sensitivity', sigma)[0]} at σ = {sigma:g}"
        for sigma in sorted(own["sigma"].unique())
        if sigma != level
    ]
    more = f" Raw {' and '.join(others)}." if others else ""
    variance = f" The variance alone, as the paper has it: {printed}."
    return Claim(
        statement, status, f"{said}. {numbers} (σ = {level:g} on pixels in [0, 1]).{before}{beside}{more}{variance}"
    )


def sparsity_has_no_trend(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Spearman of K and the atom's Hoyer sparsity: wanted indistinguishable from zero, raw and partial."""
    statement = "Whether a concept is encoded by one unit or by many has nothing to do with its complexity."
    rows = tables.concepts[tables.concepts["epoch"] == reference_epoch].dropna(subset=["hoyer"])
    status, said, numbers = _weighed(tables, reference_epoch, "hoyer", None, expected="zero")
    units, beside = tables.layers.loc[tables.layers["role"] == "penultimate", "units"].dropna(), ""
    if len(rows) and len(units):
        by_chance = number(random_hoyer(int(units.iloc[0])))
        beside = f" The mean atom has {number(float(rows['hoyer'].mean()))}, the mean random direction {by_chance}."
    return Claim(statement, status, f"{said}. {numbers} (Hoyer sparsity of the atom).{beside}")


def complex_concepts_matter_together(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Loss of accuracy without the more complex half: wanted noticeable, and larger than that of a random half."""
    statement = "Complex concepts, each of little importance, matter together (support features)."
    own = tables.support[tables.support["epoch"] == reference_epoch]
    has_classes = bool(own["relative_accuracy"].notna().any())
    column = "relative_accuracy" if has_classes else "predictions_kept_fraction"
    rows, level = _at(own.dropna(subset=[column]), reference_epoch, "kept_fraction", near=0.5)
    if math.isnan(level):
        return Claim(statement, "missing", not_measured(tables.support, epoch=reference_epoch))
    loss = 1 - rows.set_index("order")[column].astype(float)
    complex_half = rows[rows["order"] == "complexity_descending"].iloc[0]
    lost = _loss(complex_half, column, "low", "high", whole=1)
    more = _loss(complex_half, "beyond_random", "beyond_random_low", "beyond_random_high")
    at_random = rows[rows["order"] == "random"].iloc[0]
    fewest, most = (1 - float(at_random[end]) for end in ("orders_high", "orders_low"))
    status, said = _support_seen(lost, more, of_any_order=(fewest, most))
    weight = _weight_of_removed(tables, rows, reference_epoch)
    if status == "seen" and not weight < LITTLE:
        status, said = "partly", "there is such a loss, but the complex concepts are not of little importance"
    share, what = _percent(1 - level), "of the accuracy" if has_classes else "of the predictions"
    simplest, important = (_percent(float(loss[name])) for name in ("complexity_ascending", "importance_descending"))
    by_chance = f"{_percent(float(loss['random']))} % ({_percent(fewest)} to {_percent(most)} % in single orders)"
    finding = (
        f"{said}: without the {share} % most complex concepts {_percent(lost.value)} % {_images(lost)} {what} are "
        f"lost, without {share} % at random {by_chance}, a difference of {_percent(more.value)} % "
        f"{_images(more)}; without the simplest {simplest} %, without the most important {important} % "
        f"(epoch {reference_epoch}, {{ }} over images). Γ of the most complex, of those alive, is {number(weight)} "
        f"times that of all (little: below {LITTLE}). A loss counts from {_percent(NOTICEABLE)} % on; it is more than "
        "at random where no single random order costs as much."
    )
    return Claim(statement, status, finding + _dead_among_removed(tables, rows, reference_epoch))


def _support_seen(lost: Estimate, more: Estimate, *, of_any_order: tuple[float, float]) -> tuple[Status, str]:
    """From what is lost, and how much more than without a random half; an unknown interval decides nothing.

    of_any_order: least and most that is lost without a random half, over the orders.
    """
    if lost.high_images < NOTICEABLE:
        return "absent", "does not hold here"
    if not lost.low_images >= NOTICEABLE:
        return "undecided", f"not decided: the interval of the loss includes {_percent(NOTICEABLE)} % or is not known"
    fewest, most = of_any_order
    if more.high_images < 0 and lost.value < fewest:
        return "partly", "there is such a loss, but a random half costs more"
    if more.low_images > 0 and lost.value <= most:
        return "undecided", "there is such a loss, more than at random on average, but not than in every random order"
    if not more.low_images > 0:
        return "undecided", "there is such a loss; whether a random half costs less is not decided"
    return "seen", "holds here"


def _loss(row: "pd.Series[float]", *columns: str, whole: int = 0) -> Estimate:
    """What is lost, with its interval over images, from what is left; there is no interval over concepts."""
    value, low, high = (whole - float(row[column]) for column in columns)
    return Estimate(value, math.nan, math.nan, 0, high, low)


def _images(lost: Estimate) -> str:
    return f"{{{_percent(lost.low_images)}, {_percent(lost.high_images)}}}"


def _weight_of_removed(tables: StudyTables, rows: pd.DataFrame, epoch: int) -> float:
    """Mean Γ of the living concepts that are removed, the most complex, over that of all living; NaN: not known."""
    scored = of_kind(tables.complexity[tables.complexity["epoch"] == epoch], "concept")
    gamma = tables.importance.loc[tables.importance["epoch"] == epoch, ["concept", "importance"]]
    living = scored.dropna(subset=["complexity"])  # the dead, of no weight and no complexity, are removed first
    n_removed = max(0, len(living) - int(rows["n_kept"].iloc[0]))
    ranked = living.merge(gamma, on="concept").sort_values("complexity", ascending=False)
    of_all = float(ranked["importance"].mean())
    return float(ranked["importance"].head(n_removed).mean()) / of_all if of_all > 0 else math.nan


def _dead_among_removed(tables: StudyTables, rows: pd.DataFrame, epoch: int) -> str:
    """How many of the removed concepts are dead, in words; empty where none is. They go first in every order."""
    scored = tables.complexity[(tables.complexity["epoch"] == epoch) & (tables.complexity["kind"] == "concept")]
    n_removed, n_dead = len(scored) - int(rows["n_kept"].iloc[0]), int(scored["complexity"].isna().sum())
    removed = f" Of the {n_removed} removed, {min(n_dead, n_removed)} were dead, the same in every order."
    return removed if n_dead and n_removed > 0 else ""


def _at(table: pd.DataFrame, epoch: int, column: str, *, near: float) -> tuple[pd.DataFrame, float]:
    """The epoch's rows at the level that is nearest; NaN where there are none."""
    own = table[table["epoch"] == epoch]
    if own.empty:
        return own, math.nan
    level = min(own[column].astype(float).unique(), key=lambda value: (abs(value - near), value))
    return own[own[column] == level], float(level)


def _both(tables: StudyTables, epoch: int, y: str, level: float | None) -> tuple[Estimate, Estimate]:
    return raw_and_partial(tables.correlations, epoch=epoch, y=y, level=level)


def _before_training(tables: StudyTables, y: str, level: float) -> tuple[Estimate, str]:
    """The raw correlation at epoch 0, and a sentence of it."""
    raw, partial = _both(tables, 0, y, level)
    if not raw.n:
        return raw, " Epoch 0 was not measured, so whether the relation is learned is not known."
    return raw, f" Before training (epoch 0): {raw}, partial {partial}."


def _control(tables: StudyTables, rows: pd.DataFrame, epoch: int, column: str, level: float) -> tuple[Estimate, str]:
    """The correlation of K with a property over random directions, and a sentence of it; empty without any."""
    found = correlation(tables.correlations, epoch=epoch, y=column, level=level, kind="random_direction")
    middle, of_concepts = (
        f"{of_kind(rows, kind)[column].astype(float).median():.2g}" for kind in ("random_direction", "concept")
    )
    medians = f"; their median is {middle}, that of the concepts {of_concepts}"
    return found, f" Random directions have {found}{medians}." if found.n else ""


def _weighed(
    tables: StudyTables, epoch: int, y: str, level: float | None, *, expected: Expected
) -> tuple[Status, str, str]:
    raw, partial = _both(tables, epoch, y, level)
    status, said = weigh(raw, partial, expected=expected)
    if raw.n and math.isnan(raw.value):
        said = "not defined: fewer than four concepts, or K or the property is the same for all"
    return status, said, f"Spearman {raw}, partial {partial}, epoch {epoch}, {raw.n} concepts"


def _percent(share: float) -> str:
    return number(100 * share, digits=0)
