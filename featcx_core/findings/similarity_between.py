"""The claim that networks which generalise are more alike than networks which memorise, and the page's table."""

import numpy as np
import pandas as pd

from featcx_core.findings.claim import Claim, mark_of, unmeasured
from featcx_core.findings.evidence import Estimate, difference, number
from featcx_core.findings.rule import Marks
from featcx_core.findings.similarity import way_in_words

FIELD = "data.corruption.labels"
"""The field whose values part networks that generalise from networks that memorise."""
_STATEMENT = "Networks of true labels are more alike than networks of corrupted labels, before the head."


def similarity_claims(within: pd.DataFrame) -> list[Claim]:
    """Judge the similarity within the networks of true labels less that within those of the most corrupted labels.

    At the last layer; the controls are the other measures and centrings. No claim where the studies do not differ in
    their corruption. Source: Morcos, Raghu, Bengio, *Insights on representational similarity with canonical
    correlation*, NIPS 2018, §3.2.
    """
    rows = within[within["field"] == FIELD] if len(within) else within
    if rows.empty:
        return []
    least, most = (choose(rows["value"].unique(), key=_probability) for choose in (min, max))
    if _probability(least) > 0 or least == most:
        return [unmeasured(_STATEMENT, "not measured: it takes two studies or more of true and of corrupted labels.")]
    rows = rows[rows["layer"] == rows["layer"].iloc[-1]]
    ways = list(dict.fromkeys(zip(rows["measure"], rows["centring"], strict=True)))
    apart = {way: difference(_estimate(rows, most, way), _estimate(rows, least, way)) for way in ways}
    raw, *others = ways
    marks = Marks(
        mark_of(apart[raw], expected="positive"),
        {way_in_words(*way): mark_of(apart[way], expected="positive") for way in others},
    )
    said = "; ".join(f"{way_in_words(*way)} {estimate}" for way, estimate in apart.items())
    numbers = (
        f"In {rows['layer'].iloc[0]}, {way_in_words(*raw)} is {_estimate(rows, least, raw)} within true labels and "
        f"{_estimate(rows, most, raw)} within labels = {most}. The difference, over studies: {said}."
    )
    return [Claim(_STATEMENT, marks, numbers)]


def separation_rows(separation: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the cells of the page's table: mean over layers of each field, measure and centring."""
    if separation.empty:
        return []
    means = separation.groupby(["field", "measure", "centring"], sort=False)[
        ["auprc", "auprc_chance", "violation_rate", "n_studies"]
    ].mean()
    return [
        (field, way_in_words(measure, centring), *(number(value) for value in row[:3]), str(int(row[3])))
        for (field, measure, centring), row in zip(means.index, means.to_numpy(), strict=True)
    ]


def _probability(value: str) -> float:
    return 1.0 if value == "random" else float(value)


def _estimate(rows: pd.DataFrame, value: str, way: tuple[str, str]) -> Estimate:
    row = rows[(rows["value"] == value) & (rows["measure"] == way[0]) & (rows["centring"] == way[1])]
    if row.empty:
        return Estimate(np.nan, np.nan, np.nan, 0)
    mean, low, high = (float(row[name].iloc[0]) for name in ("mean", "low", "high"))
    return Estimate(mean, low, high, int(row["n_studies"].iloc[0]))
