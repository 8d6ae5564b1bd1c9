"""Correlations of complexity with another property, read from the table of correlations."""

import math

import pandas as pd

from featcx_core.findings.evidence import NOT_MEASURED, Estimate, estimate

CONTROLS = "prevalence_fraction,variance"
"""Controls of the partial correlations: both raise importance and I_V alike, so a raw correlation may be theirs."""


def correlation(
    correlations: pd.DataFrame,
    *,
    epoch: int,
    y: str,
    kind: str = "concept",
    level: float | None = None,
    controls: str = "",
    method: str = "spearman",
) -> Estimate:
    """Return the stored correlation of complexity with `y` at an epoch (and a level); NaN where the table has none."""
    at_level = correlations["level"].isna() if level is None else correlations["level"] == level
    rows = correlations[
        (correlations["epoch"] == epoch)
        & (correlations["kind"] == kind)
        & (correlations["x"] == "complexity")
        & (correlations["y"] == y)
        & at_level
        & (correlations["method"] == method)
        & (correlations["controls"] == controls)
    ]
    return NOT_MEASURED if rows.empty else estimate(rows.iloc[0], "value", "n")


def raw_and_partial(
    correlations: pd.DataFrame, *, epoch: int, y: str, level: float | None = None, method: str = "spearman"
) -> tuple[Estimate, Estimate]:
    """Return the correlation of complexity with `y`, raw and with prevalence and variance held fixed."""
    raw, partial = (
        correlation(correlations, epoch=epoch, y=y, level=level, method=method, controls=controls)
        for controls in ("", CONTROLS)
    )
    return raw, partial


def correlations_in_words(raw: Estimate, partial: Estimate, epoch: int) -> str:
    """Return a raw and a partial correlation of an epoch as a sentence."""
    if raw == NOT_MEASURED or math.isnan(raw.value):
        return f"No correlation at epoch {epoch}."
    return f"Spearman {raw}, partial {partial} (epoch {epoch}, {raw.n} concepts)."
