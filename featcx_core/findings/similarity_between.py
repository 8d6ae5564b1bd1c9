"""Claims on how alike groups of networks are, which measure tells the groups apart best, and the page's table."""

import json
from typing import NamedTuple

import numpy as np
import pandas as pd

from featcx_core.findings.claim import Claim, mark_of, unmeasured
from featcx_core.findings.evidence import Estimate, difference, number, percent
from featcx_core.findings.rule import Marks
from featcx_core.findings.similarity import way_in_words
from featcx_core.measures.comparison import Settings
from featcx_core.measures.study_groups import GROUP, LABELS, StudyGroups

_STATEMENT = "Networks of true labels are more alike than networks of corrupted labels, before the head."
_WIDER = "Wider networks are more alike, before the head."
_WIDTHS = "model.arguments"


class _Ends(NamedTuple):
    """Two values of a field whose groups of networks are compared."""

    least: str
    most: str


def similarity_claims(within: pd.DataFrame, settings: Settings, groups: StudyGroups) -> list[Claim]:
    """Judge the similarity within the networks of true labels less that within those of the most corrupted labels.

    At the last layer; the controls are the other measures and centrings. No claim where the studies do not differ in
    their corruption. Source: Morcos, Raghu, Bengio, *Insights on representational similarity with canonical
    correlation*, NIPS 2018, §3.2.
    """
    field = next((f for f in (GROUP, LABELS) if f in settings), "")
    rows = within[within["field"] == field] if len(within) and LABELS in settings else within[:0]
    if rows.empty:
        return []
    value_of = {groups.of[study]: value for study, value in settings[field].items()}
    shares = {value_of[name]: share for name, share in groups.random_share.items()}
    shares = {value: share for value, share in shares.items() if value in set(rows["value"])}
    if 0 not in shares.values() or max(shares.values(), default=0) == 0:
        return [unmeasured(_STATEMENT, "not measured: it takes two studies or more of true and of corrupted labels.")]
    ends = _Ends(*(choose(shares, key=lambda value: shares[value]) for choose in (min, max)))
    return [_more_alike(rows, _STATEMENT, more=ends.least, less=ends.most)]


def width_claims(within: pd.DataFrame) -> list[Claim]:
    """Judge the similarity within the widest networks less that within the narrowest: wanted above zero.

    Source: Morcos, Raghu, Bengio, NIPS 2018, §3.3. No claim where networks do not differ in their `widths` alone.
    """
    rows = within[within["field"] == _WIDTHS] if len(within) else within
    widths = {value: _widths(value) for value in dict.fromkeys(rows["value"])} if len(rows) else {}
    if len(widths) < 2 or None in widths.values():
        return []
    narrow, wide = (choose(widths, key=lambda value: sum(widths[value] or ())) for choose in (min, max))
    return [_more_alike(rows, _WIDER, more=wide, less=narrow)]


def _widths(value: str) -> tuple[float, ...] | None:
    """Return the widths that the arguments of a network state, where they state nothing but widths and blocks."""
    arguments = json.loads(value)
    stated = arguments.get("widths")
    is_width = isinstance(stated, list) and not arguments.keys() - {"widths", "blocks"}
    return tuple(map(float, stated)) if is_width else None


def _more_alike(rows: pd.DataFrame, statement: str, *, more: str, less: str) -> Claim:
    """Judge the similarity within one group less that within another, at the last layer."""
    rows = rows[rows["layer"] == rows["layer"].iloc[-1]]
    ways = list(dict.fromkeys(zip(rows["measure"], rows["centring"], strict=True)))
    apart = {way: difference(_estimate(rows, less, way), _estimate(rows, more, way)) for way in ways}
    raw, *others = ways
    marks = Marks(
        mark_of(apart[raw], expected="positive"),
        {way_in_words(*way): mark_of(apart[way], expected="positive") for way in others},
    )
    said = "; ".join(f"{way_in_words(*way)} {estimate}" for way, estimate in apart.items())
    numbers = (
        f"In {rows['layer'].iloc[0]}, {way_in_words(*raw)} is {_estimate(rows, more, raw)} within {_named(more)} and "
        f"{_estimate(rows, less, raw)} within {_named(less)}. The difference, over studies: {said}."
    )
    return Claim(statement, marks, numbers)


def _named(value: str) -> str:
    """Write a value of the field of labels as a group; others as they are."""
    return {"0.0": "true labels", "random": "random labels"}.get(value, value)


def best_measure(separation: pd.DataFrame, field: str) -> str:
    """Return in words which measure tells the groups apart best, and which others are within its interval."""
    rows = separation[(separation["field"] == field) & (separation["layer"] == "")] if len(separation) else separation
    rows = rows.dropna(subset=["auprc"]) if len(rows) else rows
    if rows.empty:
        return ""
    ranked = rows.sort_values("auprc", ascending=False)
    first = ranked.iloc[0]
    interval = ""
    level = [way_in_words(row["measure"], row["centring"]) for row in ranked.iloc[1:].to_dict("records")
             if row["auprc"] >= first["auprc_low"]]  # fmt: skip
    if np.isfinite(first["auprc_low"]):
        interval = f" (95 % over seeds: {number(first['auprc_low'])} to {number(first['auprc_high'])})"
    said = (
        f"{way_in_words(first['measure'], first['centring'])} tells the groups apart best here: AUPRC "
        f"{number(first['auprc'])}{interval}, where a useless measure has {number(first['auprc_chance'])}; in "
        f"{percent(first['violation_rate'])} % of comparisons a pair of other groups is more similar."
    )
    return said + (f" Within its interval: {', '.join(level)}." if level else "")


def separation_rows(separation: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the cells of the page's table: mean over layers of each field, measure and centring."""
    if separation.empty:
        return []
    columns = ["auprc", "auprc_low", "auprc_high", "auprc_chance", "violation_rate", "n_studies"]
    whole = separation[separation["layer"] == ""]
    shown = whole if len(whole) else separation
    means = shown.groupby(["field", "measure", "centring"], sort=False)[columns].mean().reset_index()
    return [
        (
            row["field"],
            way_in_words(row["measure"], row["centring"]),
            str(Estimate(row["auprc"], row["auprc_low"], row["auprc_high"], 0)),
            number(row["auprc_chance"]),
            number(row["violation_rate"]),
            str(int(row["n_studies"])),
        )
        for row in means.to_dict("records")
    ]


def _estimate(rows: pd.DataFrame, value: str, way: tuple[str, str]) -> Estimate:
    row = rows[(rows["value"] == value) & (rows["measure"] == way[0]) & (rows["centring"] == way[1])]
    if row.empty:
        return Estimate(np.nan, np.nan, np.nan, 0)
    mean, low, high = (float(row[name].iloc[0]) for name in ("mean", "low", "high"))
    return Estimate(mean, low, high, int(row["n_studies"].iloc[0]))
