"""Studies side by side: the names and the order of what is compared, and the table of each field."""

import math
from typing import NamedTuple

import pandas as pd

from featcx_core.findings.evidence import number
from featcx_core.findings.sedimentation import group_label
from featcx_core.measures.comparison import Settings, together

LABELS = {
    "test_accuracy": "held-out accuracy",
    "train_accuracy": "training accuracy",
    "mean_complexity_extrapolated": "mean K, extrapolated to all images there are",
    "n_fit": "images that a reader was fitted on",
    "complexity_importance": "K and Γ (Spearman)",
    "complexity_importance_partial": "K and Γ, partial",
    "complexity_decode_time_normalised": "K and normalised Λ (Spearman)",
    "complexity_decode_time_normalised_partial": "K and normalised Λ, partial",
    "complexity_decode_time": "K and Λ (Spearman)",
    "complexity_decode_time_partial": "K and Λ, partial",
    "v_information_first_layer": "V-information, first layer",
    "v_information_penultimate": "V-information, penultimate layer",
}
"""Measure -> its name in words."""
MOST_FIELDS = 6
"""Fields that are drawn; the table has all."""


class ByValue(NamedTuple):
    """Differences of the studies by one field, at each study's reference epoch."""

    field: str
    """The field, dotted."""
    together_with: list[str]
    """Fields that part the studies alike."""
    header: list[str]
    """Names of the columns: the measure, the values, the differences; with how many studies or pairs."""
    rows: list[list[str]]
    """One a measure: its name, mean [interval] for each value, then for each difference."""
    has_pairs: bool
    """Whether any two studies differ in this field alone."""


def measure_label(measure: str) -> str:
    """Return a measure's name in words.

    >>> measure_label("mean_complexity_top_10pct"), measure_label("complexity_importance")
    ('mean K, top 10 % by importance', 'K and Γ (Spearman)')
    """
    group = measure.removeprefix("mean_complexity_")
    if measure in LABELS or group == measure:
        return LABELS.get(measure, measure)
    return f"mean K, {group_label(group)}"


def notes_of(comparison: pd.DataFrame) -> list[str]:
    """Return the sentences without which the numbers would be misread."""
    if "n_fit" not in set(comparison["measure"]):
        return []
    return [
        "Readers were fitted on different numbers of images, and find more with more: K of these studies is to be "
        f"compared as “{LABELS['mean_complexity_extrapolated']}”, correlations of K with care."
    ]


def measures_of(comparison: pd.DataFrame) -> list[str]:
    """Return the measures with rows, in the order of the page: accuracy, K, correlations, V-information."""
    measured = list(dict.fromkeys(comparison["measure"]))
    first = [measure for measure in ("test_accuracy", "train_accuracy") if measure in measured]
    groups = sorted(
        (measure for measure in measured if measure.startswith("mean_complexity_") and measure not in LABELS),
        key=lambda measure: (not measure.endswith("_all"), measure),
    )
    rest = [measure for measure in LABELS if measure in measured and measure not in first]
    return [*first, *groups, *rest]


def drawn_fields(settings: Settings) -> list[str]:
    """Return the fields with a figure of their own; of fields that part the studies alike only the first."""
    order = list(settings)
    fields = [
        field for field in order if all(order.index(other) > order.index(field) for other in together(settings, field))
    ]
    return fields[:MOST_FIELDS]


def by_value(comparison: pd.DataFrame, settings: Settings, *, field: str) -> ByValue:
    """Return the table of one field."""
    ends = comparison[(comparison["field"] == field) & comparison["epoch"].isna()]
    columns = list(dict.fromkeys(zip(ends["against"], ends["value"], strict=True)))
    columns.sort(key=lambda column: column[0] != "")  # means first, in the order of the studies
    header = ["measure"]
    for against, value in columns:
        n = int(ends.loc[(ends["against"] == against) & (ends["value"] == value), "n"].max())
        header.append(f"{value} (n = {n})" if against == "" else f"{value} − {against} ({n} pair{'s' * (n > 1)})")
    cells = {
        (row["measure"], row["against"], row["value"]): _with_interval(row["mean"], row["low"], row["high"])
        for row in ends.to_dict("records")
    }
    rows = [
        [measure_label(measure), *(cells.get((measure, *column), "–") for column in columns)]
        for measure in measures_of(ends)
    ]
    return ByValue(field, together(settings, field), header, rows, any(against for against, _ in columns))


def _with_interval(mean: float, low: float, high: float) -> str:
    interval = "" if math.isnan(low) else f" ({number(low, digits=3)} to {number(high, digits=3)})"
    return number(mean, digits=3) + interval
