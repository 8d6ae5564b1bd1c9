"""The numbers that stand at the top of a report and at the end of a run; needs neither torch nor a drawing library."""

import math
from typing import NamedTuple

import pandas as pd

from featcx_core.findings.evidence import (
    CONTROLS,
    NOT_MEASURED,
    band,
    correlation,
    number,
    sedimentation_curve,
    smallest_top_group,
)
from featcx_core.findings.study_tables import StudyTables

Numbers = dict[str, float | int | None]


class Headline(NamedTuple):
    """A number that stands at the top of the report."""

    name: str
    """What was measured."""
    value: str
    """The number with its interval."""
    meaning: str
    """How to read it: direction, range, what it should be."""
    numbers: Numbers
    """The same for machines: value, its interval, counts; null where it is not known."""


def headlines(tables: StudyTables, *, reference_epoch: int) -> list[Headline]:
    """The numbers that a reader wants first."""
    at = reference_epoch
    concepts = tables.concepts[tables.concepts["epoch"] == at]
    alive = int(concepts["alive"].fillna(value=False).astype(bool).sum())
    own = tables.complexity[(tables.complexity["epoch"] == at) & (tables.complexity["kind"] == "concept")]
    kept = _at(tables.dictionaries, "predictions_kept_fraction", at)
    shuffled = tables.v_information[
        (tables.v_information["epoch"] == at)
        & (tables.v_information["dictionary_epoch"] == at)
        & (tables.v_information["kind"] == "shuffled")
    ]
    everyone = tables.sedimentation[tables.sedimentation["group_name"] == "all"].query("epoch == @at")
    without_interval = NOT_MEASURED._replace(value=_mean(own["complexity"]), n=int(own["complexity"].notna().sum()))
    k = without_interval if everyone.empty else band(everyone, 0)
    accuracy, null = _at(tables.epochs, "test_accuracy", at), _mean(shuffled["v_information"])
    found = [
        Headline("held-out accuracy", _percent(accuracy), f"epoch {at}, test images", _numbers(value=accuracy)),
        Headline(
            "concepts",
            f"{len(concepts)}, {alive} alive",
            "alive: active on 10 images or more of each probe half",
            _numbers(value=len(concepts), alive=alive),
        ),
        Headline(
            "predictions kept",
            _percent(kept),
            "when the concepts replace the activations; wanted > 99 %",
            _numbers(value=kept),
        ),
        Headline("mean complexity K", str(k), "0 = simple, 1 = complex", _numbers(**k._asdict())),
        Headline(
            "V-information of shuffled codes", number(null, digits=3), "a control; wanted ~ 0", _numbers(value=null)
        ),
        _correlation(tables, at, "importance", "K and Γ (importance)"),
        _correlation(tables, at, "decode_time", "K and Λ (time to decode)"),
    ]
    for group in ("all", smallest_top_group(tables.sedimentation)):
        curve = sedimentation_curve(tables.sedimentation, group) if group else tables.sedimentation.iloc[:0]
        found.append(_sedimentation(curve, "all concepts" if group == "all" else "most important concepts"))
    return found


def _correlation(tables: StudyTables, epoch: int, y: str, name: str) -> Headline:
    raw = correlation(tables.correlations, epoch=epoch, y=y)
    partial = correlation(tables.correlations, epoch=epoch, y=y, controls=CONTROLS)
    return Headline(
        name,
        str(raw),
        f"Spearman, epoch {epoch}, [ ] over concepts, {{ }} over images; with prevalence and variance held fixed: "
        f"{partial}",
        _numbers(
            **raw._asdict(), **{_partial(name): value for name, value in partial._asdict().items() if name != "n"}
        ),
    )


def _partial(name: str) -> str:
    return "partial" if name == "value" else f"partial_{name}"


def _sedimentation(curve: pd.DataFrame, of: str) -> Headline:
    if curve.empty:
        return Headline(f"mean K, {of}", f"{NOT_MEASURED} → {NOT_MEASURED}", "not measured, trained epochs", {})
    first, last = band(curve, 0), band(curve, -1)
    start, end = int(curve["epoch"].iloc[0]), int(curve["epoch"].iloc[-1])
    ends = {"first": first, "last": last}
    return Headline(
        f"mean K, {of}",
        f"{first} → {last}",
        f"epoch {start} to {end}, trained epochs, {last.n} concepts",
        _numbers(
            first_epoch=start,
            last_epoch=end,
            **{f"{which}_{key}": value for which, e in ends.items() for key, value in e._asdict().items()},
        ),
    )


def _numbers(**values: float | int) -> Numbers:
    """Numbers as JSON has them: null for what is not known."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _at(table: pd.DataFrame, column: str, epoch: int) -> float:
    found = table.loc[table["epoch"] == epoch, column].dropna()
    return float(found.iloc[0]) if len(found) else float("nan")


def _mean(column: "pd.Series[float]") -> float:
    return float(column.astype(float).mean())


def _percent(share: float) -> str:
    return f"{number(100 * share, digits=1)} %" if share == share else "–"
