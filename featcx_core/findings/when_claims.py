"""The claim on when concepts are learned (Fel et al. 2024, §4)."""

import math

import pandas as pd

from featcx_core.findings.claim import Claim, mark_of, unmeasured
from featcx_core.findings.correlations import by_controls, correlation, correlations_in_words
from featcx_core.findings.evidence import NOT_MEASURED, Estimate
from featcx_core.findings.rule import Mark, Marks, mark
from featcx_core.findings.study_tables import StudyTables
from featcx_core.measures.correlations import correlation as correlate

DECODE_TIME = 0.5  # the paper: the correlation of K and Λ is "nearing 0.5"
NEAR = 0.25  # distance from it that still counts as near
HOW_WELL = -0.8  # from this rank correlation with the final I_V on, Λ says little else


def complex_is_late(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge Spearman of K and Λ: wanted positive, with each control held fixed, and within 0.25 of 0.5.

    Λ must tell when: it takes two trained checkpoints or more, and Λ must not be readability in the end by another
    name. Random directions have no Λ, and Λ is over all epochs: two marks do not apply.
    """
    statement = "Complex concepts are learned later: the correlation of K and Λ is near 0.5."
    if tables.epochs["epoch"].between(1, reference_epoch).sum() == 1:
        return unmeasured(statement, "not measured: with one trained checkpoint Λ cannot tell when.")
    raw = correlation(tables.correlations, epoch=reference_epoch, y="decode_time")
    controlled = by_controls(tables.correlations, epoch=reference_epoch, y="decode_time")
    sign = {name: mark_of(estimate, expected="positive") for name, estimate in {"": raw, **controlled}.items()}
    how_well, meaning = _how_well(tables, reference_epoch)
    marks = Marks(sign.pop(""), {**sign, f"near {DECODE_TIME}": _near(raw), **_says_when(how_well)})
    shared = " K and Λ share one term (the penultimate layer at the reference epoch), which pulls them together."
    numbers = correlations_in_words(raw, controlled, reference_epoch)
    return Claim(statement, marks, f"{numbers}{shared}{meaning}")


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
    """Return Spearman of Λ and the final I_V over concepts, and sentences on it."""
    penultimate = set(tables.layers.loc[tables.layers["role"] == "penultimate", "layer"])
    final = tables.v_information[
        (tables.v_information["epoch"] == reference_epoch)
        & (tables.v_information["dictionary_epoch"] == reference_epoch)
        & (tables.v_information["kind"] == "concept")
        & tables.v_information["layer"].isin(penultimate)
    ]
    late = tables.decode_time[tables.decode_time["reference_epoch"] == reference_epoch]
    both = late.merge(final[["concept", "v_information"]], on="concept").dropna(subset=["decode_time", "v_information"])
    columns = (both[name].to_numpy(dtype=float) for name in ("decode_time", "v_information"))
    between = Estimate(*correlate(*columns, seed=0)) if len(both) > 3 else NOT_MEASURED
    if math.isnan(between.value):
        return between, ""
    return between, (
        " Λ is high for what is read late, and also for what is never read well: its rank correlation with the final "
        f"I_V is {between}.{_half_by(both['first_epoch'])}"
    )


def _half_by(first_epoch: "pd.Series[float]") -> str:
    """Return a sentence on the epoch by which half of the concepts reach half of their final I_V."""
    first = first_epoch.dropna()
    return f" The median concept reaches half of its final I_V by epoch {first.median():.0f}." if len(first) else ""
