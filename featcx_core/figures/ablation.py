"""Ablation: accuracy as units or directions are ablated, its area by layer, and selectivity against importance."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import (
    AMOUNT,
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    VERMILION,
    canvas,
    colour_bar,
    dress,
    footnote,
    nothing_to_show,
    point_area,
)

LINES = {
    ("unit", "random"): (BLUE, "units, random order"),
    ("unit", "selectivity"): (VERMILION, "units, most selective first"),
    ("unit", "mutual_information"): (ORANGE, "units, most informative first"),
    ("unit", "importance"): (PURPLE, "units, most important first"),
    ("concept", "random"): (GREEN, "concepts, random order"),
    ("concept", "importance"): (INK, "concepts, most important first"),
    ("random_direction", "random"): (MUTED, "random directions"),
}
_N_PANELS = 3


def ablation_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Draw curves of a few layers, areas of all, what noise costs, and selectivity against importance."""
    figures = {
        "ablation_curves": ablation_curves(tables["ablation"]),
        "ablation_area_by_layer": ablation_area_by_layer(tables["ablation_area"]),
        "selectivity_against_importance": selectivity_against_importance(tables["ablated_units"]),
    }
    if tables["ablation_noise"]["scale"].max() > 0:
        figures["accuracy_under_noise"] = accuracy_under_noise(tables["ablation_noise"])
    return figures


def ablation_curves(curves: pd.DataFrame) -> Figure:
    """Draw relative accuracy on held-out images by the share ablated, of the first, middle and last layer."""
    question = "How much of a layer can be ablated before the network fails?"
    epoch, rows = _held_out(curves)
    if rows["relative_accuracy"].isna().all():
        return nothing_to_show(question, "the network classifies no image rightly")
    figure = canvas(question, height=4.6)
    layers = list(dict.fromkeys(rows["layer"]))
    shown = list(dict.fromkeys(layers[i] for i in np.linspace(0, len(layers) - 1, _N_PANELS).round().astype(int)))
    panels = np.atleast_1d(figure.subplots(1, len(shown), sharey=True))
    for axes, layer in zip(panels, shown, strict=True):
        for (kind, order), curve in rows[rows["layer"] == layer].groupby(["kind", "order"], sort=False):
            colour, label = LINES[kind, order]
            _draw(axes, curve, "ablated_fraction", colour=colour, label=label)
        dress(axes, x="share ablated", y="accuracy / that of the whole network" if axes is panels[0] else "")
        axes.set_title(layer, fontsize=10, color=INK, loc="left")
        axes.set_ylim(bottom=0)
    handles = {text: handle for axes in panels for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower left", ncols=3, frameon=False, fontsize=9)
    figure.text(0.99, 0.01, f"epoch {epoch}, held-out images; bands: 95 % over images", ha="right", fontsize=8.5,
                color=MUTED)  # fmt: skip
    return figure


def ablation_area_by_layer(areas: pd.DataFrame) -> Figure:
    """Draw the area under the curve of random orders of units by layer, a line an epoch and split."""
    question = "How much does each layer lean on single units?"
    rows = areas[(areas["kind"] == "unit") & (areas["order"] == "random") & areas["area"].notna()]
    if rows.empty:
        return nothing_to_show(question, "no curve of units in random order was measured")
    trained = rows["epoch"] > 0
    rows = rows[(rows["clamp"] == rows["clamp"].iloc[0]) & (trained if trained.any() else ~trained)]
    figure = canvas(question, height=4.4)
    axes = figure.add_subplot()
    layers = list(dict.fromkeys(rows["layer"]))
    epochs = sorted(rows["epoch"].unique())
    shift = np.linspace(-0.15, 0.15, 2 * len(epochs)) if len(epochs) > 1 else [0.0, 0.05]
    colours = AMOUNT(np.linspace(0.35, 1, len(epochs)))
    for i, epoch in enumerate(epochs):
        for j, (split, named) in enumerate((("test", "held-out"), ("train", "training"))):
            line = rows[(rows["epoch"] == epoch) & (rows["split"] == split)].set_index("layer").reindex(layers)
            places = np.arange(len(layers)) + shift[2 * i + j]
            when = f"epoch {epoch}" if epoch else "before training"
            style = {"color": colours[i], "label": f"{when}, {named} images"}
            axes.plot(places, line["area"], "-o" if split == "test" else "--s", markersize=4, **style)
            axes.vlines(places, line["low"], line["high"], color=colours[i], linewidth=1)
    axes.set_xticks(np.arange(len(layers)), layers, rotation=45, ha="right")
    dress(axes, x="layer", y="area under the curve  (1 = nothing is lost)")
    axes.legend(frameon=False, fontsize=9)
    footnote(
        figure,
        "Units in random order, clamped one after the other; bars: 95 % over images. Less area: the network leans more "
        "on single units. Of an untrained network, which guesses, there is nothing to lose: it is left out.",
    )
    return figure


def selectivity_against_importance(units: pd.DataFrame) -> Figure:
    """Draw each unit's selectivity against the rise of the held-out loss when it alone is ablated."""
    question = "Are the selective units the important ones?"
    last = units[units["epoch"] == units["epoch"].max()].dropna(subset=["selectivity"])
    if last.empty:
        return nothing_to_show(question, "no unit has a selectivity")
    figure = canvas(question, height=4.4)
    axes = figure.add_subplot()
    layers = list(dict.fromkeys(last["layer"]))
    depth = last["layer"].map({layer: i for i, layer in enumerate(layers)})
    marks = axes.scatter(
        last["selectivity"], last["loss_rise"], c=depth, cmap=AMOUNT, s=point_area(len(last)), linewidths=0
    )
    axes.axhline(0, color=MUTED, linewidth=1)
    middle = float(last["loss_rise"].abs().median())
    scale = 10.0 ** np.ceil(np.log10(middle)) if middle > 0 else 1.0
    axes.set_yscale("symlog", linthresh=scale)
    dress(axes, x="class selectivity  (1 = one class alone)", y="rise of the loss without the unit  (nats)")
    if len(layers) > 1:
        colour_bar(marks, axes, label="place of the layer, from the input", is_integer=True)
    footnote(
        figure,
        f"One point a unit, all layers, epoch {int(last['epoch'].iloc[0])}, held-out images. The vertical scale is "
        f"linear within ±{scale:g}, logarithmic beyond.",
    )
    return figure


def accuracy_under_noise(noise: pd.DataFrame) -> Figure:
    """Draw relative accuracy on held-out images by the scale of the noise on all units, a line a layer."""
    question = "How much noise on a layer's units does the network stand?"
    epoch, rows = _held_out(noise)
    if rows["relative_accuracy"].isna().all():
        return nothing_to_show(question, "the network classifies no image rightly")
    figure = canvas(question, height=4.2)
    axes = figure.add_subplot()
    layers = list(dict.fromkeys(rows["layer"]))
    for colour, layer in zip(AMOUNT(np.linspace(0, 1, len(layers))), layers, strict=True):
        _draw(axes, rows[rows["layer"] == layer], "scale", colour=colour, label=layer)
    dress(axes, x="scale of the noise  (standard deviations of each unit)", y="accuracy / that without noise")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9, ncols=2, title="layer")
    footnote(figure, f"Epoch {epoch}, held-out images; bands: 95 % over images.")
    return figure


def _held_out(rows: pd.DataFrame) -> tuple[int, pd.DataFrame]:
    """Return the last epoch, and its rows on held-out images at the first clamp."""
    epoch = int(rows["epoch"].max())
    rows = rows[(rows["epoch"] == epoch) & (rows["split"] == "test")]
    return epoch, rows[rows["clamp"] == rows["clamp"].iloc[0]] if "clamp" in rows else rows


def _draw(axes: Axes, curve: pd.DataFrame, x: str, *, colour: object, label: str) -> None:
    ordered = curve.sort_values(x)
    axes.plot(ordered[x], ordered["relative_accuracy"], color=colour, linewidth=1.6, label=label)
    low, high = (ordered[end].to_numpy(dtype=float) for end in ("relative_low", "relative_high"))
    axes.fill_between(ordered[x].to_numpy(dtype=float), low, high, color=colour, alpha=0.12, linewidth=0)
