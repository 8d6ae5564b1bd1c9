"""Generalising or memorising: signs of one study, signs by group of studies, how well measures tell groups."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import BLUE, GREEN, INK, MUTED, SEQUENCE, VERMILION, canvas, dress, footnote
from featcx_core.findings.signs import SIGNS
from featcx_core.findings.similarity import way_in_words
from featcx_core.measures.study_groups import StudyGroups

_COLUMNS = 4
_EXPECTED = {"larger": "memorises: larger →", "smaller": "← memorises: smaller", "unknown": "no expectation"}


def sign_figures(signs: pd.DataFrame) -> dict[str, Figure]:
    """Draw the signs of one study with their intervals, and which side memorising is expected on."""
    rows = signs[signs["sign"].isin(list(SIGNS))]
    if rows.empty:
        return {}
    figure = canvas("Generalising or memorising? The signs of this network", height=1.4 + 0.5 * len(rows))
    axes = figure.subplots()
    names = [sign for sign in SIGNS if sign in set(rows["sign"])]
    for place, sign in enumerate(names):
        row = rows[rows["sign"] == sign].iloc[0]
        _interval(axes, row["value"], row["low"], row["high"], place, colour=BLUE)
    axes.set_yticks(range(len(names)), [f"{SIGNS[n].label}\n({_EXPECTED[SIGNS[n].memorises]})" for n in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.axvline(0, color=MUTED, linewidth=1)
    dress(axes, x="value; how each is read stands in the table", y="")
    over = ", ".join(dict.fromkeys(SIGNS[name].over for name in names))
    footnote(figure, f"At the reference epoch. Lines: 95 % over {over}.")
    return {"signs": figure}


def group_figures(by_group: pd.DataFrame, groups: StudyGroups) -> dict[str, Figure]:
    """Draw each sign by group of studies, a panel a sign: mean with its interval over studies."""
    shown = [sign for sign in SIGNS if sign in set(by_group["sign"])]
    names = [name for name in groups.names if name in set(by_group["group_name"])]
    if not shown or len(names) < 2:
        return {}
    n_lines = -(-len(shown) // _COLUMNS)
    figure = canvas("Generalising or memorising? Each sign by group", height=1.0 + n_lines * (1.0 + 0.28 * len(names)))
    panels = figure.subplots(n_lines, _COLUMNS, squeeze=False, sharey=True).ravel()
    for unused in panels[len(shown) :]:
        unused.set_visible(False)
    for sign, axes in zip(shown, panels, strict=False):
        for place, name in enumerate(names):
            rows = by_group[(by_group["sign"] == sign) & (by_group["group_name"] == name)]
            for row in rows.to_dict("records"):
                _interval(axes, row["mean"], row["low"], row["high"], place, colour=_colour(name, groups))
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.locator_params(axis="x", nbins=4)
        dress(axes, x=_EXPECTED[SIGNS[sign].memorises], y="", title=SIGNS[sign].label)
    footnote(
        figure, "Dots: means over the studies of a group; lines: 95 % over studies. Colour: share of random labels."
    )
    return {"generalising": figure}


def separation_figures(separation: pd.DataFrame, field: str) -> dict[str, Figure]:
    """Draw how well each measure tells the groups apart: AUPRC and violation rate, mean over layers."""
    rows = separation[(separation["field"] == field) & (separation["layer"] == "")] if len(separation) else separation
    rows = rows.dropna(subset=["auprc"]).sort_values("auprc", ascending=False) if len(rows) else rows
    if rows.empty:
        return {}
    figure = canvas("Which measure of similarity tells the groups apart?", height=1.4 + 0.27 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    for place, row in enumerate(rows.to_dict("records")):
        colour = GREEN if row["centring"] == "within_classes" else BLUE
        _interval(left, row["auprc"], row["auprc_low"], row["auprc_high"], place, colour=colour)
        ends = row["violation_rate_low"], row["violation_rate_high"]
        _interval(right, row["violation_rate"], *ends, place, colour=colour)
    left.axvline(rows["auprc_chance"].mean(), color=MUTED, linewidth=1, linestyle="--")
    right.axvline(0.5, color=MUTED, linewidth=1, linestyle="--")
    words = [way_in_words(row["measure"], row["centring"]) for row in rows.to_dict("records")]
    left.set_yticks(range(len(words)), words, color=INK)
    left.set_ylim(len(words) - 0.5, -0.5)
    dress(left, x="AUPRC: 1 = groups are apart →", y="")
    dress(right, x="← violation rate: 0 = groups are apart", y="")
    footnote(figure, "Mean over layers; lines: 95 % over seeds; dashed: by chance. Green: within classes. After ReSi.")
    return {"separation": figure}


def _interval(axes: Axes, value: float, low: float, high: float, place: int, *, colour: str) -> None:
    if math.isfinite(low):
        axes.hlines(place, low, high, color=colour, linewidth=2)
    axes.plot(value, place, marker="o", color=colour, markersize=5)


def _colour(name: str, groups: StudyGroups) -> str:
    """Return blue for true labels to red for random ones; grey for groups that differ otherwise."""
    if not groups.is_of_labels or name not in groups.random_share:
        return MUTED if groups.is_of_labels else BLUE
    share = groups.random_share[name]
    if share in (0.0, 1.0):
        return VERMILION if share else BLUE
    red, green, blue, _ = SEQUENCE(share)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
