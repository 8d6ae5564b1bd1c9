"""Studies side by side: curves over epochs, values at the end, and paired differences, by a field of the study."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import INK, MUTED, SEQUENCE, canvas, dress, footnote, nothing_to_show
from featcx_core.figures.dynamics import COLOURS, MARKERS, group_label
from featcx_core.measures.comparison import Settings, together

LABELS = {
    "test_accuracy": "held-out accuracy",
    "train_accuracy": "training accuracy",
    "complexity_importance": "K and Γ (Spearman)",
    "complexity_importance_partial": "K and Γ, partial",
    "complexity_decode_time": "K and Λ (Spearman)",
    "complexity_decode_time_partial": "K and Λ, partial",
    "v_information_first_layer": "V-information, first layer",
    "v_information_penultimate": "V-information, penultimate layer",
}
"""What is measured, in words."""
MOST_FIELDS = 6
"""Fields that are drawn; the table has all."""
_COLUMNS = 3


def measure_label(measure: str) -> str:
    """A measure in words.

    >>> measure_label("mean_complexity_top_10pct"), measure_label("complexity_importance")
    ('mean K, top 10 % by importance', 'K and Γ (Spearman)')
    """
    group = measure.removeprefix("mean_complexity_")
    return f"mean K, {group_label(group)}" if group != measure else LABELS.get(measure, measure)


def measures_of(comparison: pd.DataFrame) -> list[str]:
    """The measures that are there, in the order in which they are told: accuracy, K, correlations, V-information."""
    there = list(dict.fromkeys(comparison["measure"]))
    first = [measure for measure in ("test_accuracy", "train_accuracy") if measure in there]
    groups = sorted((m for m in there if m.startswith("mean_complexity_")), key=lambda m: (not m.endswith("_all"), m))
    rest = [measure for measure in LABELS if measure in there and measure not in first]
    return [*first, *groups, *rest]


def drawn_fields(settings: Settings) -> list[str]:
    """Fields with a figure of their own: of those that part the studies alike, the first."""
    order = list(settings)
    fields = [f for f in order if all(order.index(other) > order.index(f) for other in together(settings, f))]
    return fields[:MOST_FIELDS]


def comparison_figures(compared: pd.DataFrame, comparison: pd.DataFrame, settings: Settings) -> dict[str, Figure]:
    """Every figure of a comparison: the differences, and two for each field that is drawn."""
    figures = {"differences": differences(comparison)}
    for field in drawn_fields(settings):
        name = field.replace(".", "_")
        figures[f"at_the_end_by_{name}"] = at_the_end(compared, comparison, settings, field=field)
        figures[f"over_epochs_by_{name}"] = over_epochs(compared, comparison, settings, field=field)
    return figures


def differences(comparison: pd.DataFrame) -> Figure:
    """Mean paired difference at the end with its t-interval, a panel a measure, a row a value of a field."""
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
    """Each study's value at its reference epoch and the mean over studies, a panel a measure, a row a value."""
    question = f"What differs by {field} when training has ended?"
    ends = compared[compared["is_reference"]]
    found = comparison[(comparison["field"] == field) & (comparison["against"] == "") & comparison["epoch"].isna()]
    if found.empty:
        return nothing_to_show(question, "no study has results at its reference epoch")
    values = list(dict.fromkeys(settings[field].values()))
    figure, panels = _panels(question, measures_of(found), height_of_rows=0.5 * len(values))
    for measure, axes in panels.items():
        for place, value in enumerate(values):
            members = [member for member, said in settings[field].items() if said == value]
            own = ends[(ends["measure"] == measure) & ends["member"].isin(members)]
            offsets = np.linspace(-0.28, -0.08, len(own) + 2)[1:-1]
            for offset, row in zip(offsets, own.to_dict("records"), strict=True):
                _interval(axes, row["value"], row["low"], row["high"], place + offset, colour=MUTED, is_small=True)
            mean = found[(found["measure"] == measure) & (found["value"] == value)]
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
    """Each study's curve (thin) and the mean over the studies of each value (thick), a panel a measure."""
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
            for member in (member for member, said in settings[field].items() if said == value):
                own = compared[(compared["measure"] == measure) & (compared["member"] == member)].sort_values("epoch")
                axes.plot(own["epoch"], own["value"], color=colour, linewidth=0.8, alpha=0.5)
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
    """A figure with a panel a measure, side by side."""
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
    """Few values: colours that are told apart; many: a scale in their order."""
    if n_values <= len(COLOURS):
        return COLOURS[place]
    red, green, blue, _ = SEQUENCE(place / (n_values - 1))
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
