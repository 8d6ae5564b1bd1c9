"""Headlines: the numbers at the top of a report and at the end of a run; needs neither torch nor a drawing library."""

import math
from typing import NamedTuple

import pandas as pd

from featcx_core.findings.correlations import correlation, raw_and_partial
from featcx_core.findings.evidence import NOT_MEASURED, Estimate, number
from featcx_core.findings.predictions import resting
from featcx_core.findings.sedimentation import band, sedimentation_curve, smallest_top_group
from featcx_core.findings.selection import mean_of
from featcx_core.findings.study_tables import StudyTables

Numbers = dict[str, float | int | None]


class Headline(NamedTuple):
    """A number at the top of the report."""

    name: str
    """The quantity."""
    value: str
    """The number with its interval."""
    meaning: str
    """How to read it: direction, range, wanted value."""
    numbers: Numbers
    """The same for machines: value, its interval, counts; null where unknown."""


def headlines(tables: StudyTables, *, reference_epoch: int) -> list[Headline]:
    """Return the numbers that a reader wants first, in the order of the page."""
    scored = tables.complexity[
        (tables.complexity["epoch"] == reference_epoch) & (tables.complexity["kind"] == "concept")
    ]
    of_all = tables.sedimentation[tables.sedimentation["group_name"] == "all"].query("epoch == @reference_epoch")
    without_interval = NOT_MEASURED._replace(
        value=mean_of(scored["complexity"]), n=int(scored["complexity"].notna().sum())
    )
    k = without_interval if of_all.empty else band(of_all, 0)
    of_concepts = [
        _headline_of_complexity(scored, k),
        _headline_of_shuffled(tables, reference_epoch),
        _correlation(tables, reference_epoch, "importance", "K and Γ (importance)"),
        _time_to_decode(tables, reference_epoch),
        _sedimentation(sedimentation_curve(tables.sedimentation, "all"), "all concepts"),
        _sedimentation(_most_important(tables.sedimentation), "most important concepts"),
    ]
    doubt = resting(_at(tables.dictionaries, "predictions_kept_fraction", reference_epoch))
    return [
        *_headlines_of_network(tables, reference_epoch),
        *(headline._replace(meaning=f"{headline.meaning}{doubt}") for headline in of_concepts),
    ]


def _headlines_of_network(tables: StudyTables, epoch: int) -> list[Headline]:
    """Return accuracy, number of concepts and predictions kept."""
    concepts = tables.concepts[tables.concepts["epoch"] == epoch]
    alive = int(concepts["alive"].fillna(value=False).astype(bool).sum())
    accuracy = _at(tables.epochs, "test_accuracy", epoch)
    kept = _at(tables.dictionaries, "predictions_kept_fraction", epoch)
    return [
        Headline("held-out accuracy", _percent(accuracy), f"epoch {epoch}, test images", _numbers(value=accuracy)),
        Headline(
            "concepts",
            f"{len(concepts)}, {alive} alive" if len(concepts) else "not measured",
            "alive: active on 10 images or more of each probe half",
            _numbers(value=len(concepts), alive=alive),
        ),
        Headline(
            "predictions kept",
            _percent(kept),
            "when the concepts replace the activations; wanted > 99 %",
            _numbers(value=kept, among_classes=_at(tables.dictionaries, "predictions_kept_classes_fraction", epoch)),
        ),
    ]


def _headline_of_complexity(scored: pd.DataFrame, k: Estimate) -> Headline:
    """Return the mean K of an epoch's concepts, with what it would be with other numbers of images."""
    numbers, meaning = _numbers(**k._asdict()), "0 = simple, 1 = complex"
    half, extrapolated = (mean_of(scored[f"complexity_{part}"]) for part in ("half", "extrapolated"))
    if not scored.empty and math.isfinite(half):
        n_fit = int(scored["n_fit"].max())
        meaning += (
            f"; by readers fitted on {n_fit} images. With half as many it is {number(half)}, "
            f"extrapolated to all images there are {number(extrapolated)}"
        )
        numbers |= _numbers(n_fit=n_fit, half=half, extrapolated=extrapolated)
    return Headline("mean complexity K", k.full, meaning, numbers)


def _headline_of_shuffled(tables: StudyTables, epoch: int) -> Headline:
    """Return the mean I_V of the epoch's shuffled codes."""
    shuffled = tables.v_information[
        (tables.v_information["epoch"] == epoch)
        & (tables.v_information["dictionary_epoch"] == epoch)
        & (tables.v_information["kind"] == "shuffled")
    ]
    null = mean_of(shuffled["v_information"])
    return Headline(
        "V-information of shuffled codes", number(null, digits=3), "a control; wanted ~ 0", _numbers(value=null)
    )


def _correlation(tables: StudyTables, epoch: int, y: str, name: str) -> Headline:
    """Return the correlation of K with a property, raw and partial."""
    raw, partial = raw_and_partial(tables.correlations, epoch=epoch, y=y)
    of_class = correlation(tables.correlations, epoch=epoch, y=y, controls="class_information")
    return Headline(
        name,
        raw.full,
        f"Spearman, epoch {epoch}; with prevalence and variance held fixed: {partial.full}; "
        f"with class information held fixed: {of_class.full}",
        _numbers(**raw._asdict(), **_named("partial", partial), **_named("partial_class_information", of_class)),
    )


def _time_to_decode(tables: StudyTables, epoch: int) -> Headline:
    """Return the correlation of K with Λ relative to the end, with that of Λ itself beside it."""
    headline = _correlation(tables, epoch, "decode_time_normalised", "K and Λ (time to decode)")
    plain = correlation(tables.correlations, epoch=epoch, y="decode_time")
    meaning = f"{headline.meaning}; Λ is relative to the information at the end: as it is, {plain.full}"
    return headline._replace(
        meaning=meaning, numbers={**headline.numbers, **_numbers(**_named("not_normalised", plain))}
    )


def _named(name: str, estimate: Estimate) -> Numbers:
    """Return an estimate and its intervals under a name."""
    values = estimate._asdict()
    return {name if part == "value" else f"{name}_{part}": value for part, value in values.items() if part != "n"}


def _most_important(sedimentation: pd.DataFrame) -> pd.DataFrame:
    """Return the curve of the smallest group of important concepts; no rows where there is none."""
    group = smallest_top_group(sedimentation)
    return sedimentation_curve(sedimentation, group) if group else sedimentation.iloc[:0]


def _sedimentation(curve: pd.DataFrame, group: str) -> Headline:
    """Return mean K of a group, from the first to the last trained epoch."""
    if curve.empty:
        return Headline(f"mean K, {group}", f"{NOT_MEASURED} → {NOT_MEASURED}", "not measured, trained epochs", {})
    first, last = band(curve, 0), band(curve, -1)
    start, end = int(curve["epoch"].iloc[0]), int(curve["epoch"].iloc[-1])
    ends = {"first": first, "last": last}
    return Headline(
        f"mean K, {group}",
        f"{first.full} → {last.full}",
        f"epoch {start} to {end}, trained epochs, {last.n} concepts",
        _numbers(
            first_epoch=start,
            last_epoch=end,
            **{f"{which}_{key}": value for which, mean in ends.items() for key, value in mean._asdict().items()},
        ),
    )


def _numbers(**values: float | int | None) -> Numbers:
    """Return numbers as JSON has them: null for an unknown one."""
    return {name: value if value is not None and math.isfinite(value) else None for name, value in values.items()}


def _at(table: pd.DataFrame, column: str, epoch: int) -> float:
    values = table.loc[table["epoch"] == epoch, column].dropna()
    return float(values.iloc[0]) if len(values) else float("nan")


def _percent(share: float) -> str:
    return f"{number(100 * share, digits=1)} %" if share == share else "–"
