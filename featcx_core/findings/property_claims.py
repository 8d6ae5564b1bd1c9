"""The paper's claims on redundancy, robustness and sparsity of complex concepts (Fel et al. 2024, App. E, F and I)."""

import math

import pandas as pd

from featcx_core.findings.correlations import correlation, raw_and_partial
from featcx_core.findings.evidence import Estimate, number, percent
from featcx_core.findings.properties import hoyer_by_chance
from featcx_core.findings.selection import nearest_level, not_measured, of_kind
from featcx_core.findings.study_tables import StudyTables
from featcx_core.findings.verdicts import (
    NOT_LEARNED,
    NOT_OF_CONCEPTS,
    Claim,
    Expected,
    Status,
    weigh,
    with_doubts,
)


def complex_is_less_redundant(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge Spearman of K and redundancy at the middle share: wanted negative, where concepts differ beyond the masks.

    It must not hold for random directions, nor before training.
    """
    statement = "Complex concepts are less redundant: K and redundancy go against each other."
    rows, level = _at_level(tables.redundancy, reference_epoch, "masked_fraction", near=0.5)
    if math.isnan(level):
        return Claim(statement, "missing", not_measured(tables.redundancy, epoch=reference_epoch))
    status, sentence, numbers = _weigh(tables, reference_epoch, "redundancy", level, expected="negative")
    printed, _ = _raw_and_partial(tables, reference_epoch, "redundancy_as_printed", level)
    control, on_control = _control(tables, rows, reference_epoch, "redundancy", level)
    untrained, on_untrained = _before_training(tables, "redundancy", level)
    doubts = [NOT_OF_CONCEPTS] if control.high < 0 else []
    if reference_epoch > 0 and untrained.high < 0:
        doubts.append(NOT_LEARNED)
    status, sentence = with_doubts(status, sentence, doubts)
    about = f"{level:.0%} of the units masked; with the paper's formula {printed}"
    finding = f"{sentence}. {numbers} ({about}).{on_untrained}{on_control}"
    share = _share_of_masks(of_kind(rows, "concept"))
    if share > 0.5:
        if status in ("seen", "partly"):
            status, finding = "undecided", f"not decided, since masks may have made it; the correlations: {finding}"
        finding += (
            f" The choice of masks makes up to {percent(min(share, 1.0))} % of the differences between concepts, so "
            "other masks may rank them otherwise: in expectation every mask leaves the same share of each. It is an "
            "upper bound, because the deviation over masks includes what a mask does to all concepts alike."
        )
    return Claim(statement, status, finding)


def _share_of_masks(rows: pd.DataFrame) -> float:
    """Return the mean squared standard error over masks, as a share of the variance over concepts; NaN without any."""
    spread = float(rows["redundancy"].var())
    masks = float((rows["standard_deviation"] ** 2 / (rows["n_masks"] - 1).clip(lower=1)).mean())
    return masks / spread if spread > 0 else math.nan


def complex_is_less_robust(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge Spearman of K and sensitivity at the level nearest 0.1: wanted positive.

    It must not hold for random directions, nor before training.
    """
    statement = "Complex concepts are less robust: noise in the image moves them more."
    rows, level = _at_level(tables.sensitivity, reference_epoch, "sigma", near=0.1)
    if math.isnan(level):
        return Claim(statement, "missing", not_measured(tables.sensitivity, epoch=reference_epoch))
    status, sentence, numbers = _weigh(tables, reference_epoch, "sensitivity", level, expected="positive")
    untrained, on_untrained = _before_training(tables, "sensitivity", level)
    control, on_control = _control(tables, rows, reference_epoch, "sensitivity", level)
    doubts = [NOT_OF_CONCEPTS] if control.low > 0 else []
    if reference_epoch > 0 and untrained.low > 0:
        doubts.append(NOT_LEARNED)
    status, sentence = with_doubts(status, sentence, doubts)
    printed, _ = _raw_and_partial(tables, reference_epoch, "sensitivity_as_printed", level)
    at_epoch = tables.sensitivity[tables.sensitivity["epoch"] == reference_epoch]
    others = [
        f"{_raw_and_partial(tables, reference_epoch, 'sensitivity', sigma)[0]} at σ = {sigma:g}"
        for sigma in sorted(at_epoch["sigma"].unique())
        if sigma != level
    ]
    more = f" Raw {' and '.join(others)}." if others else ""
    variance = f" The variance alone, as the paper has it: {printed}."
    about = f"σ = {level:g} on pixels in [0, 1]"
    finding = f"{sentence}. {numbers} ({about}).{on_untrained}{on_control}{more}{variance}"
    return Claim(statement, status, finding)


def sparsity_has_no_trend(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge Spearman of K and the atom's Hoyer sparsity: wanted indistinguishable from zero, raw and partial."""
    statement = "Whether a concept is encoded by one unit or by many has nothing to do with its complexity."
    rows = tables.concepts[tables.concepts["epoch"] == reference_epoch].dropna(subset=["hoyer"])
    status, sentence, numbers = _weigh(tables, reference_epoch, "hoyer", None, expected="zero")
    by_chance, beside = hoyer_by_chance(tables.layers), ""
    if len(rows) and math.isfinite(by_chance):
        mean = number(float(rows["hoyer"].mean()))
        beside = f" The mean atom has {mean}, the mean random direction {number(by_chance)}."
    return Claim(statement, status, f"{sentence}. {numbers} (Hoyer sparsity of the atom).{beside}")


def _at_level(table: pd.DataFrame, epoch: int, column: str, *, near: float) -> tuple[pd.DataFrame, float]:
    return nearest_level(table[table["epoch"] == epoch], column, near=near)


def _raw_and_partial(tables: StudyTables, epoch: int, y: str, level: float | None) -> tuple[Estimate, Estimate]:
    return raw_and_partial(tables.correlations, epoch=epoch, y=y, level=level)


def _before_training(tables: StudyTables, y: str, level: float) -> tuple[Estimate, str]:
    """Return the raw correlation at epoch 0, and a sentence on it."""
    raw, partial = _raw_and_partial(tables, 0, y, level)
    if not raw.n:
        return raw, " Epoch 0 was not measured, so whether the relation is learned is not known."
    return raw, f" Before training (epoch 0): {raw}, partial {partial}."


def _control(tables: StudyTables, rows: pd.DataFrame, epoch: int, column: str, level: float) -> tuple[Estimate, str]:
    """Return the correlation of K with a property over random directions, and a sentence on it; empty without any."""
    control = correlation(tables.correlations, epoch=epoch, y=column, level=level, kind="random_direction")
    of_directions, of_concepts = (
        f"{of_kind(rows, kind)[column].astype(float).median():.2g}" for kind in ("random_direction", "concept")
    )
    medians = f"; their median is {of_directions}, that of the concepts {of_concepts}"
    return control, f" Random directions have {control}{medians}." if control.n else ""


def _weigh(
    tables: StudyTables, epoch: int, y: str, level: float | None, *, expected: Expected
) -> tuple[Status, str, str]:
    """Return status, sentence and numbers of the correlation of K with a property."""
    raw, partial = _raw_and_partial(tables, epoch, y, level)
    status, sentence = weigh(raw, partial, expected=expected)
    if raw.n and math.isnan(raw.value):
        sentence = "not defined: fewer than four concepts, or K or the property is the same for all"
    return status, sentence, f"Spearman {raw}, partial {partial}, epoch {epoch}, {raw.n} concepts"
