"""Studies side by side: curves over epochs, values at the end, and paired differences, by a field of the study."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import AMOUNT, INK, MUTED, canvas, dress, footnote, nothing_to_show
from featcx_core.figures.dynamics import COLOURS, MARKERS
from featcx_core.findings.comparison import drawn_fields, measure_label, measures_of
from featcx_core.measures.comparison import Settings

_COLUMNS = 3


def comparison_figures(compared: pd.DataFrame, comparison: pd.DataFrame, settings: Settings) -> dict[str, Figure]:
    """Draw every figure of a comparison: the differences, and two for each field that is drawn."""
    figures = {"differences": differences(comparison)}
    for field in drawn_fields(settings):
        name = field.replace(".", "_")
        figures[f"at_the_end_by_{name}"] = at_the_end(compared, comparison, settings, field=field)
        figures[f"over_epochs_by_{name}"] = over_epochs(compared, comparison, settings, field=field)
    return figures


def differences(comparison: pd.DataFrame) -> Figure:
    """Draw the mean paired differences at the end with t-intervals, a panel a measure, a row a value of a field."""
    question = "Which setting changes what, all else equal?"
    rows = comparison[(comparison["against"] != "") & comparison["epoch"].isna()]
    if rows.empty:
        return nothing_to_show(question, "no two studies differ in one field alone")
    contrasts = list(dict.fromkeys(zip(rows["field"], rows["value"], rows["against"], strict=True)))
    figure, panels = _panels(question, measures_of(rows), height_of_rows=0.42 * len(contrasts))
    for measure, axes in panels.items():
        for row in rows[rows["measure"] == measure].to_dict("records"):
            place = contrasts.index((row["field"], row["value"], row["against"]))
            _interval(axes, row["mean"], row["low"], row["high"], float(place), colour=COLOURS[place % len(COLOURS)])
        axes.axvline(0, color=MUTED, linewidth=1)
        labels = [f"{field.rpartition('.')[2]}:\n{value} − {against}" for field, value, against in contrasts]
        _categories(axes, labels)
        dress(axes, x="difference", y="", title=measure_label(measure))
    footnote(
        figure,
        "At each study's reference epoch. Dots: mean difference over pairs of studies that agree in all other fields; "
        "lines: 95 % t-interval over the pairs (none for one pair).",
    )
    return figure


def at_the_end(compared: pd.DataFrame, comparison: pd.DataFrame, settings: Settings, *, field: str) -> Figure:
    """Draw each study's value at its reference epoch and the means over studies, a panel a measure, a row a value."""
    question = f"What differs by {field} when training has ended?"
    ends = compared[compared["is_reference"]]
    means = comparison[(comparison["field"] == field) & (comparison["against"] == "") & comparison["epoch"].isna()]
    if means.empty:
        return nothing_to_show(question, "no study has results at its reference epoch")
    values = list(dict.fromkeys(settings[field].values()))
    figure, panels = _panels(question, measures_of(means), height_of_rows=0.5 * len(values))
    for measure, axes in panels.items():
        for place, value in enumerate(values):
            members = [member for member, setting in settings[field].items() if setting == value]
            single = ends[(ends["measure"] == measure) & ends["member"].isin(members)]
            offsets = np.linspace(-0.28, -0.08, len(single) + 2)[1:-1]
            for offset, row in zip(offsets, single.to_dict("records"), strict=True):
                _interval(axes, row["value"], row["low"], row["high"], place + offset, colour=MUTED, is_small=True)
            mean = means[(means["measure"] == measure) & (means["value"] == value)]
            for row in mean.to_dict("records"):
                colour = _colour(place, len(values))
                _interval(axes, row["mean"], row["low"], row["high"], place + 0.15, colour=colour)
        _categories(axes, values)
        dress(axes, x="", y="", title=measure_label(measure))
    footnote(
        figure,
        "Small grey: single studies, 95 % over their concepts (accuracies: none). Coloured: mean over the studies of "
        "that value, 95 % t-interval over studies; it takes in what the other fields do to them.",
    )
    return figure


def over_epochs(compared: pd.DataFrame, comparison: pd.DataFrame, settings: Settings, *, field: str) -> Figure:
    """Draw each study's curve (thin) and the mean over the studies of each value (thick), a panel a measure."""
    question = f"How does training go by {field}?"
    rows = comparison[(comparison["field"] == field) & (comparison["against"] == "") & comparison["epoch"].notna()]
    curves = [measure for measure in measures_of(rows) if rows.loc[rows["measure"] == measure, "epoch"].nunique() > 1]
    if not curves:
        return nothing_to_show(question, "no measure is there at two epochs or more")
    values = list(dict.fromkeys(settings[field].values()))
    figure, panels = _panels(question, curves, height_of_rows=1.6)
    for measure, axes in panels.items():
        for place, value in enumerate(values):
            colour, marker = _colour(place, len(values)), MARKERS[place % len(MARKERS)]
            for member in (member for member, setting in settings[field].items() if setting == value):
                curve = compared[(compared["measure"] == measure) & (compared["member"] == member)]
                curve = curve.sort_values("epoch")
                axes.plot(curve["epoch"], curve["value"], color=colour, linewidth=0.8, alpha=0.5)
            mean = rows[(rows["measure"] == measure) & (rows["value"] == value)].sort_values("epoch")
            x, y = mean["epoch"].to_numpy(dtype=float), mean["mean"].to_numpy(dtype=float)
            axes.plot(x, y, color=colour, linewidth=2, marker=marker, markersize=4)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        dress(axes, x="epoch", y="", title=measure_label(measure))
    keys = [
        Line2D([], [], color=_colour(i, len(values)), marker=MARKERS[i % len(MARKERS)], label=value)
        for i, value in enumerate(values)
    ]
    figure.legend(handles=keys, loc="outside right upper", frameon=False, fontsize=9.5, title=field.rpartition(".")[2])
    footnote(figure, "Thin: single studies; thick: mean over the studies of that value. Epoch 0: before training.")
    return figure


def _panels(question: str, measures: list[str], *, height_of_rows: float) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with a panel a measure, side by side."""
    rows = math.ceil(len(measures) / _COLUMNS)
    figure = canvas(question, height=1.0 + rows * (0.85 + height_of_rows))
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for unused in axes[len(measures) :]:
        unused.set_visible(False)
    return figure, dict(zip(measures, axes, strict=False))


def _interval(
    axes: Axes, value: float, low: float, high: float, place: float, *, colour: str, is_small: bool = False
) -> None:
    if math.isfinite(low):
        axes.hlines(place, low, high, color=colour, linewidth=1 if is_small else 2)
    axes.plot(value, place, marker="o", color=colour, markersize=2.5 if is_small else 6)


def _categories(axes: Axes, labels: list[str]) -> None:
    axes.set_yticks(range(len(labels)), labels, color=INK)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if axes.get_subplotspec() and not axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.tick_params(labelleft=False)


def _colour(place: int, n_values: int) -> str:
    """Return a value's colour: one that is told apart where values are few, else one of a scale in their order."""
    if n_values <= len(COLOURS):
        return COLOURS[place]
    red, green, blue, _ = AMOUNT(place / (n_values - 1))
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
