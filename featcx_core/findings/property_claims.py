"""The paper's claims on redundancy, robustness and sparsity of complex concepts (Fel et al. 2024, App. E, F and I)."""

import math
from typing import NamedTuple

import pandas as pd

from featcx_core.findings.claim import (
    MARGIN_OF_CORRELATION,
    Claim,
    mark_of,
    mark_of_untrained,
    unmeasured,
    yes_if,
)
from featcx_core.findings.correlations import by_controls, correlation, correlations_in_words
from featcx_core.findings.evidence import Estimate, difference, number, percent
from featcx_core.findings.properties import hoyer_by_chance
from featcx_core.findings.rule import Expected, Mark, Marks
from featcx_core.findings.selection import nearest_level, not_measured, of_kind
from featcx_core.findings.study_tables import StudyTables

MOST_OF_MASKS = 0.5
"""Share of the differences between concepts from which on the choice of masks may have made them."""


class Evidence(NamedTuple):
    """A correlation of K with a property, its controls, its null and its value before training."""

    marks: Marks
    """The marks that follow from them."""
    numbers: str
    """The sentences with their numbers."""


def complex_is_less_redundant(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge Spearman of K and redundancy at the middle share: wanted negative, where concepts differ beyond the masks.

    It must be more than in random directions, and not there before training.
    """
    statement = "Complex concepts are less redundant: K and redundancy go against each other."
    rows, level = _at_level(tables.redundancy, reference_epoch, "masked_fraction", near=0.5)
    if math.isnan(level):
        return unmeasured(statement, not_measured(tables.redundancy, epoch=reference_epoch))
    marks, numbers = _evidence(tables, rows, "redundancy", level, epoch=reference_epoch, expected="negative")
    printed = correlation(tables.correlations, epoch=reference_epoch, y="redundancy_as_printed", level=level)
    share = _share_of_masks(of_kind(rows, "concept"))
    if not math.isnan(share):
        marks = marks._replace(
            controls={**marks.controls, "beyond the choice of masks": yes_if(share <= MOST_OF_MASKS)}
        )
    numbers = f"{level:.0%} of the units masked; with the paper's formula {printed}. {numbers}"
    if share > MOST_OF_MASKS:
        numbers += (
            f" The choice of masks makes up to {percent(min(share, 1.0))} % of the differences between concepts, so "
            "other masks may rank them otherwise: in expectation every mask leaves the same share of each. It is an "
            "upper bound, because the deviation over masks includes what a mask does to all concepts alike."
        )
    return Claim(statement, marks, numbers)


def _share_of_masks(rows: pd.DataFrame) -> float:
    """Return the mean squared standard error over masks, as a share of the variance over concepts; NaN without any."""
    spread = float(rows["redundancy"].var())
    masks = float((rows["standard_deviation"] ** 2 / (rows["n_masks"] - 1).clip(lower=1)).mean())
    return masks / spread if spread > 0 else math.nan


def complex_is_less_robust(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge Spearman of K and sensitivity at the level nearest 0.1: wanted positive.

    It must be more than in random directions, and not there before training.
    """
    statement = "Complex concepts are less robust: noise in the image moves them more."
    rows, level = _at_level(tables.sensitivity, reference_epoch, "sigma", near=0.1)
    if math.isnan(level):
        return unmeasured(statement, not_measured(tables.sensitivity, epoch=reference_epoch))
    marks, numbers = _evidence(tables, rows, "sensitivity", level, epoch=reference_epoch, expected="positive")
    at_epoch = tables.sensitivity[tables.sensitivity["epoch"] == reference_epoch]
    others = [
        f"{correlation(tables.correlations, epoch=reference_epoch, y='sensitivity', level=sigma)} at σ = {sigma:g}"
        for sigma in sorted(at_epoch["sigma"].unique())
        if sigma != level
    ]
    more = f" Raw {' and '.join(others)}." if others else ""
    printed = correlation(tables.correlations, epoch=reference_epoch, y="sensitivity_as_printed", level=level)
    variance = f" The variance alone, as the paper has it: {printed}."
    return Claim(statement, marks, f"σ = {level:g} on pixels in [0, 1]. {numbers}{more}{variance}")


def sparsity_has_no_trend(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge Spearman of K and the atom's Hoyer sparsity: wanted within ±0.3, with each control held fixed.

    Random directions have no correlation in the tables, and nothing is said to be learned: two marks do not apply.
    """
    statement = "Whether a concept is encoded by one unit or by many has nothing to do with its complexity."
    rows = tables.concepts[tables.concepts["epoch"] == reference_epoch].dropna(subset=["hoyer"])
    raw, controls, numbers = _raw(tables, "hoyer", None, epoch=reference_epoch, expected="zero")
    by_chance, beside = hoyer_by_chance(tables.layers), ""
    if len(rows) and math.isfinite(by_chance):
        mean = number(float(rows["hoyer"].mean()))
        beside = f" Hoyer sparsity of the mean atom: {mean}; of the mean random direction: {number(by_chance)}."
    return Claim(statement, Marks(raw, controls), f"{numbers}{beside}")


def _evidence(
    tables: StudyTables, rows: pd.DataFrame, y: str, level: float, *, epoch: int, expected: Expected
) -> Evidence:
    """Return the marks of a correlation of K with a property, and the sentences with their numbers.

    The mark against random directions is that of the difference between the two correlations.
    """
    raw, controls, numbers = _raw(tables, y, level, epoch=epoch, expected=expected)
    of_concepts = correlation(tables.correlations, epoch=epoch, y=y, level=level)
    control = correlation(tables.correlations, epoch=epoch, y=y, level=level, kind="random_direction")
    untrained = correlation(tables.correlations, epoch=0, y=y, level=level)
    beyond = difference(control, of_concepts)
    marks = Marks(
        raw,
        controls,
        mark_of(beyond, expected=expected) if control.n else None,
        mark_of_untrained(tables, untrained, expected=expected, margin=MARGIN_OF_CORRELATION, reference_epoch=epoch),
    )
    numbers += f" Before training (epoch 0): {untrained}." if untrained.n else " Epoch 0 was not measured."
    if control.n:
        numbers += f" Random directions have {control}; the difference is {beyond}; {_medians(rows, y)}."
    return Evidence(marks, numbers)


def _raw(
    tables: StudyTables, y: str, level: float | None, *, epoch: int, expected: Expected
) -> tuple[Mark, dict[str, Mark], str]:
    """Return the mark of the raw correlation, those with each control held fixed, and a sentence of numbers."""
    raw = correlation(tables.correlations, epoch=epoch, y=y, level=level)
    controlled = by_controls(tables.correlations, epoch=epoch, y=y, level=level)

    def answer(estimate: Estimate) -> Mark:
        return mark_of(estimate, expected=expected, margin=MARGIN_OF_CORRELATION)

    numbers = correlations_in_words(raw, controlled, epoch)
    if raw.n and math.isnan(raw.value):
        numbers = "Not defined: fewer than four concepts, or K or the property is the same for all."
    return answer(raw), {name: answer(estimate) for name, estimate in controlled.items()}, numbers


def _medians(rows: pd.DataFrame, column: str) -> str:
    """Return the medians of a property over random directions and over concepts in words."""
    of_directions, of_concepts = (
        f"{of_kind(rows, kind)[column].astype(float).median():.2g}" for kind in ("random_direction", "concept")
    )
    return f"their median is {of_directions}, that of the concepts {of_concepts}"


def _at_level(table: pd.DataFrame, epoch: int, column: str, *, near: float) -> tuple[pd.DataFrame, float]:
    return nearest_level(table[table["epoch"] == epoch], column, near=near)
