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
    x: str = "complexity",
    kind: str = "concept",
    level: float | None = None,
    controls: str = "",
    method: str = "spearman",
) -> Estimate:
    """Return the stored correlation of `x` with `y` at an epoch (and a level); NaN where the table has none."""
    at_level = correlations["level"].isna() if level is None else correlations["level"] == level
    rows = correlations[
        (correlations["epoch"] == epoch)
        & (correlations["kind"] == kind)
        & (correlations["x"] == x)
        & (correlations["y"] == y)
        & at_level
        & (correlations["method"] == method)
        & (correlations["controls"] == controls)
    ]
    return NOT_MEASURED if rows.empty else estimate(rows.iloc[0], "value", "n")


def with_dictionaries(correlations: pd.DataFrame, over_dictionaries: pd.DataFrame) -> pd.DataFrame:
    """Return the table of correlations with the ends of the interval over dictionaries; NaN where not measured.

    Random directions do not come from a dictionary, and have none.
    """
    keys, ends = ["epoch", "x", "y", "level", "method", "controls"], ["low_dictionaries", "high_dictionaries"]
    concepts = over_dictionaries[[*keys, *ends]].assign(kind="concept")
    return correlations.merge(concepts.astype({"level": float}), how="left", on=[*keys, "kind"])


def raw_and_partial(
    correlations: pd.DataFrame, *, epoch: int, y: str, level: float | None = None, method: str = "spearman"
) -> tuple[Estimate, Estimate]:
    """Return the correlation of complexity with `y`, raw and with prevalence and variance held fixed."""
    raw, partial = (
        correlation(correlations, epoch=epoch, y=y, level=level, method=method, controls=controls)
        for controls in ("", CONTROLS)
    )
    return raw, partial


def by_controls(correlations: pd.DataFrame, *, epoch: int, y: str, level: float | None = None) -> dict[str, Estimate]:
    """Return Spearman's correlation of complexity with `y` with each of the table's controls held fixed.

    The key names the control in words. Prevalence and variance together are always there; NaN where not measured.
    """
    of_complexity = correlations[(correlations["x"] == "complexity") & (correlations["y"] == y)]
    rows = of_complexity[(of_complexity["epoch"] == epoch) & (of_complexity["controls"] != "")]
    return {
        held_fixed(controls): correlation(correlations, epoch=epoch, y=y, level=level, controls=controls)
        for controls in dict.fromkeys([CONTROLS, *rows["controls"]])
    }


def held_fixed(controls: str) -> str:
    """Return the controls of a partial correlation in words.

    >>> held_fixed("prevalence_fraction,variance"), held_fixed("class_information")
    ('prevalence and variance held fixed', 'class information held fixed')
    """
    names = [name.removesuffix("_fraction").replace("_", " ") for name in controls.split(",")]
    return f"{' and '.join(names)} held fixed"


def correlations_in_words(raw: Estimate, controlled: dict[str, Estimate], epoch: int) -> str:
    """Return a correlation of an epoch, raw and with controls held fixed, as a sentence."""
    if raw == NOT_MEASURED or math.isnan(raw.value):
        return f"No correlation at epoch {epoch}."
    partial = "".join(f"; with {name} {estimate}" for name, estimate in controlled.items())
    return f"Spearman {raw}{partial}; epoch {epoch}, {raw.n} concepts."
