"""The claim on when concepts are learned (Fel et al. 2024, §4)."""

import math

import pandas as pd

from featcx_core.findings.claim import Claim, mark_of, unmeasured
from featcx_core.findings.correlations import by_controls, correlation, correlations_in_words
from featcx_core.findings.evidence import NOT_MEASURED, Estimate, percent
from featcx_core.findings.rule import Mark, Marks, mark
from featcx_core.findings.study_tables import StudyTables
from featcx_core.measures.correlations import correlation as correlate

NORMALISED = "decode_time_normalised"
DECODE_TIME = 0.5  # the paper: the correlation of K and Λ is "nearing 0.5"
NEAR = 0.25  # distance from it that still counts as near
HOW_WELL = -0.8  # from this rank correlation with the final I_V on, normalised Λ says little else


def complex_is_late(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge Spearman of K and normalised Λ: wanted positive, with each control held fixed, and within 0.25 of 0.5.

    Λ is taken relative to what is read in the end, so that it says when, not how well; Λ itself stands beside it. It
    takes two trained checkpoints or more, and normalised Λ must not be readability in the end by another name. Random
    directions have no Λ, and Λ is over all epochs: two marks do not apply.
    """
    statement = "Complex concepts are learned later: the correlation of K and Λ is near 0.5."
    if tables.epochs["epoch"].between(1, reference_epoch).sum() == 1:
        return unmeasured(statement, "not measured: with one trained checkpoint Λ cannot tell when.")
    raw = correlation(tables.correlations, epoch=reference_epoch, y=NORMALISED)
    controlled = by_controls(tables.correlations, epoch=reference_epoch, y=NORMALISED)
    sign = {name: mark_of(estimate, expected="positive") for name, estimate in {"": raw, **controlled}.items()}
    how_well, meaning = _how_well(tables, reference_epoch)
    marks = Marks(sign.pop(""), {**sign, f"near {DECODE_TIME}": _near(raw), **_says_when(how_well)})
    shared = (
        " Λ is relative to the I_V in the end, which is a term of K, too: errors of it push the two apart."
        f"{_not_normalised(tables, reference_epoch)}"
    )
    numbers = correlations_in_words(raw, controlled, reference_epoch)
    return Claim(statement, marks, f"{numbers}{shared}{meaning}")


def _not_normalised(tables: StudyTables, reference_epoch: int) -> str:
    """Return a sentence on K and Λ as it is; empty where the table has none."""
    plain = correlation(tables.correlations, epoch=reference_epoch, y="decode_time")
    if not plain.n:
        return ""
    of_final = _rank_with_final(tables, reference_epoch, "decode_time")
    final = f" (Λ and that I_V: {of_final})" if of_final.n else ""
    return f" Not normalised, Λ is high also for what is never read well{final}: {plain}."


def _near(raw: Estimate) -> Mark:
    """Return whether a correlation is within 0.25 of 0.5."""
    shifted = [(low - DECODE_TIME, high - DECODE_TIME) for low, high in raw.intervals]
    return mark(shifted, expected="zero", margin=NEAR)


def _says_when(how_well: Estimate) -> dict[str, Mark]:
    """Return whether Λ is less than a restatement of the final I_V; no mark where that is not known."""
    if math.isnan(how_well.value):
        return {}
    above = how_well._replace(low=how_well.low - HOW_WELL, high=how_well.high - HOW_WELL)
    return {"by when rather than how well": mark_of(above, expected="positive")}


def _how_well(tables: StudyTables, reference_epoch: int) -> tuple[Estimate, str]:
    """Return Spearman of normalised Λ and the final I_V over concepts, and sentences on it."""
    between = _rank_with_final(tables, reference_epoch, NORMALISED)
    if math.isnan(between.value):
        return between, ""
    late = tables.decode_time[tables.decode_time["reference_epoch"] == reference_epoch]
    return between, f" Its rank correlation with the final I_V is {between}.{_half_by(tables, late)}"


def _rank_with_final(tables: StudyTables, reference_epoch: int, column: str) -> Estimate:
    """Return Spearman of a column of `decode_time` and the final I_V of the layer before the head, over concepts."""
    penultimate = set(tables.layers.loc[tables.layers["role"] == "penultimate", "layer"])
    final = tables.v_information[
        (tables.v_information["epoch"] == reference_epoch)
        & (tables.v_information["dictionary_epoch"] == reference_epoch)
        & (tables.v_information["kind"] == "concept")
        & tables.v_information["layer"].isin(penultimate)
    ]
    late = tables.decode_time[tables.decode_time["reference_epoch"] == reference_epoch]
    both = late.merge(final[["concept", "v_information"]], on="concept").dropna(subset=[column, "v_information"])
    columns = (both[name].to_numpy(dtype=float) for name in (column, "v_information"))
    return Estimate(*correlate(*columns, seed=0)) if len(both) > 3 else NOT_MEASURED


def _half_by(tables: StudyTables, late: pd.DataFrame) -> str:
    """Return a sentence on when the median concept, and how many after the second checkpoint, reach half."""
    first = late["first_epoch"].dropna().astype(float)
    trained = sorted(int(epoch) for epoch in tables.epochs["epoch"] if epoch > 0)
    if not len(first):
        return ""
    after = f", {percent((first > trained[1]).mean())} % of all after the second" if len(trained) > 1 else ""
    return f" The median concept reaches half of its final I_V by checkpoint {first.median():.0f}{after}."
