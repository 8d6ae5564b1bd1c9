"""A comparison in words and numbers: rows for the command line, and one HTML page with its pictures inside."""

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from featcx_core.figures.comparison import measure_label, measures_of
from featcx_core.findings.evidence import number
from featcx_core.measures.comparison import Settings, together


class ByValue(NamedTuple):
    """How the studies differ by one field, at each study's reference epoch."""

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


def by_value(comparison: pd.DataFrame, settings: Settings, *, field: str) -> ByValue:
    """The table of one field."""
    ends = comparison[(comparison["field"] == field) & comparison["epoch"].isna()]
    columns = list(dict.fromkeys(zip(ends["against"], ends["value"], strict=True)))
    columns.sort(key=lambda column: column[0] != "")  # means first, in the order of the studies
    header = ["measure"]
    for against, value in columns:
        n = int(ends.loc[(ends["against"] == against) & (ends["value"] == value), "n"].max())
        header.append(f"{value} (n = {n})" if against == "" else f"{value} − {against} ({n} pair{'s' * (n > 1)})")
    cells = {
        (row["measure"], row["against"], row["value"]): _text(row["mean"], row["low"], row["high"])
        for row in ends.to_dict("records")
    }
    rows = [
        [measure_label(measure), *(cells.get((measure, *column), "–") for column in columns)]
        for measure in measures_of(ends)
    ]
    return ByValue(field, together(settings, field), header, rows, any(against for against, _ in columns))


def render_comparison(
    comparison: pd.DataFrame,
    settings: Settings,
    *,
    name: str,
    figures: Mapping[str, bytes],
    left_out: Mapping[str, str],
    reports: Mapping[str, str],
) -> str:
    """The page: one HTML document.

    figures: PNG bytes by name. left_out: why a study has no part in it. reports: where each study's report lies.
    """
    places = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    fields = list(settings)
    members = {member: [settings[field][member] for field in fields] for member in settings[fields[0]]}
    return places.get_template("comparison.html.j2").render(
        name=name,
        fields=fields,
        members=members,
        tables=[by_value(comparison, settings, field=field) for field in fields],
        pictures={title: base64.b64encode(picture).decode("ascii") for title, picture in figures.items()},
        left_out=left_out,
        reports=reports,
    )


def _text(mean: float, low: float, high: float) -> str:
    interval = "" if math.isnan(low) else f" [{number(low, digits=3)}, {number(high, digits=3)}]"
    return number(mean, digits=3) + interval
