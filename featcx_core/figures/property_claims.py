"""The paper's claims on what complex concepts are like (Fel et al. 2024, App. D, E, F and I)."""

import math

import pandas as pd

from featcx_core.figures.evidence import Claim, Estimate, Expected, Status, number, weigh, with_complexity
from featcx_core.figures.gallery import StudyTables

NOTICEABLE = 0.05  # a fall of accuracy below this is within three standard errors of an accuracy on a thousand images


def property_claims(tables: StudyTables, *, reference_epoch: int) -> list[Claim]:
    """What the tables of redundancy, sensitivity, support and of the atoms' sparsity say at the reference epoch."""
    return [
        complex_is_less_redundant(tables, reference_epoch=reference_epoch),
        complex_is_less_robust(tables, reference_epoch=reference_epoch),
        sparsity_has_no_trend(tables, reference_epoch=reference_epoch),
        complex_concepts_matter_together(tables.support, reference_epoch=reference_epoch),
    ]


def complex_is_less_redundant(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Spearman of K and redundancy at the middle share: wanted negative, where concepts differ beyond the masks."""
    statement = "Complex concepts are less redundant: K and redundancy go against each other."
    rows, level = _at(tables.redundancy, reference_epoch, "masked_fraction", near=0.5)
    if math.isnan(level):
        return Claim(statement, "missing", "not measured.")
    status, said, numbers = _weighed(tables, rows, reference_epoch, "redundancy", expected="negative")
    printed, _ = _both(tables, rows, reference_epoch, "redundancy_as_printed")
    spread = float(rows["redundancy"].var())
    masks = float((rows["standard_deviation"] ** 2 / (rows["n_masks"] - 1).clip(lower=1)).mean())
    share = masks / spread if spread > 0 else math.nan
    about = f"{level:.0%} of the units masked; with the paper's formula {printed}"
    finding = f"{said}. {numbers} ({about})."
    if share > 0.5:
        status = "undecided" if status in ("seen", "partly") else status
        finding += (
            f" The choice of masks alone makes {_percent(min(share, 1.0))} % of the differences between "
            "concepts: in expectation every mask leaves the same share of each, and other masks rank them otherwise."
        )
    return Claim(statement, status, finding)


def complex_is_less_robust(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Spearman of K and sensitivity at the level nearest 0.1: wanted positive; the other levels beside it."""
    statement = "Complex concepts are less robust: noise in the image moves them more."
    rows, level = _at(tables.sensitivity, reference_epoch, "sigma", near=0.1)
    if math.isnan(level):
        return Claim(statement, "missing", "not measured.")
    status, said, numbers = _weighed(tables, rows, reference_epoch, "sensitivity", expected="positive")
    printed, _ = _both(tables, rows, reference_epoch, "sensitivity_as_printed")
    own = tables.sensitivity[tables.sensitivity["epoch"] == reference_epoch]
    others = [
        f"{_both(tables, group, reference_epoch, 'sensitivity')[0]} at σ = {sigma:g}"
        for sigma, group in own.groupby("sigma")
        if sigma != level
    ]
    more = f" Raw {' and '.join(others)}." if others else ""
    variance = f" The variance alone, as the paper has it: {printed}."
    return Claim(statement, status, f"{said}. {numbers} (σ = {level:g} on pixels in [0, 1]).{more}{variance}")


def sparsity_has_no_trend(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Spearman of K and the atom's Hoyer sparsity: wanted indistinguishable from zero, raw and partial."""
    statement = "Whether a concept is encoded by one unit or by many has nothing to do with its complexity."
    rows = tables.concepts[tables.concepts["epoch"] == reference_epoch].dropna(subset=["hoyer"])
    status, said, numbers = _weighed(tables, rows, reference_epoch, "hoyer", expected="zero")
    return Claim(statement, status, f"{said}. {numbers} (Hoyer sparsity of the atom).")


def complex_concepts_matter_together(support: pd.DataFrame, *, reference_epoch: int) -> Claim:
    """Relative accuracy without the more complex half: wanted a noticeable fall; other halves beside it."""
    statement = "Complex concepts, each of little importance, matter together (support features)."
    own = support[support["epoch"] == reference_epoch]
    has_classes = bool(own["relative_accuracy"].notna().any())
    column = "relative_accuracy" if has_classes else "predictions_kept_fraction"
    rows, level = _at(own.dropna(subset=[column]), reference_epoch, "kept_fraction", near=0.5)
    if math.isnan(level):
        return Claim(statement, "missing", "not measured.")
    left = rows.set_index("order")[column].astype(float)
    halves = {
        "the simplest": "complexity_ascending",
        "the most important": "importance_descending",
        "random ones": "random",
    }
    fall = 1 - float(left["complexity_descending"])
    what = "of the accuracy" if has_classes else "of the predictions"
    others = ", ".join(f"without {name} {_percent(float(left[order]))} %" for name, order in halves.items())
    finding = (
        f"without the {_percent(1 - level)} % most complex concepts {_percent(1 - fall)} % {what} are left; {others} "
        f"(epoch {reference_epoch}). Noticeable is a fall of {_percent(NOTICEABLE)} % or more."
    )
    said = "seen here" if fall >= NOTICEABLE else "absent here"
    return Claim(statement, "seen" if fall >= NOTICEABLE else "absent", f"{said}: {finding}")


def _at(table: pd.DataFrame, epoch: int, column: str, *, near: float) -> tuple[pd.DataFrame, float]:
    """The epoch's rows at the level that is nearest; NaN where there are none."""
    own = table[table["epoch"] == epoch]
    if own.empty:
        return own, math.nan
    level = min(own[column].astype(float).unique(), key=lambda value: (abs(value - near), value))
    return own[own[column] == level], float(level)


def _both(tables: StudyTables, rows: pd.DataFrame, epoch: int, column: str) -> tuple[Estimate, Estimate]:
    return with_complexity(tables.complexity, rows, tables.concepts, epoch=epoch, column=column)


def _weighed(
    tables: StudyTables, rows: pd.DataFrame, epoch: int, column: str, *, expected: Expected
) -> tuple[Status, str, str]:
    raw, partial = _both(tables, rows, epoch, column)
    status, said = weigh(raw, partial, expected=expected)
    return status, said, f"Spearman {raw}, partial {partial}, epoch {epoch}, {raw.n} concepts"


def _percent(share: float) -> str:
    return number(100 * share, digits=0)
