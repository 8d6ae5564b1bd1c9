"""Noise spectra: shares of the components and singular values of noisy groups over training, layer by layer."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import (
    AMOUNT,
    INK,
    MUTED,
    VERMILION,
    canvas,
    dress,
    footnote,
    nothing_to_show,
)
from featcx_core.findings.passes import training_progress

NOTHING = "no group of noisy copies has a spectrum"
_FOOT = (
    "Held-out images: mean over classes of the images' groups. Darker: nearer the output. Dotted: held-out loss, on a "
    "scale of its own."
)


class _Panel(NamedTuple):
    """A quantity of the spectra."""

    column: str
    label: str


SHARES = (
    _Panel("first", "first component's share"),
    _Panel("second", "second component's share"),
    _Panel("rest", "remaining components' share"),
)
VALUES = (
    _Panel("s1", "largest s / first epoch's"),
    _Panel("s2", "second s / first epoch's"),
    _Panel("s1_change", "change of largest s, a pass"),
)


def spectra_figures(rows: pd.DataFrame) -> dict[str, Figure]:
    """Draw shares and singular values over epochs, shares by class, and attacks beside noise where they were made."""
    figures = {
        "shares_over_training": shares_over_training(rows),
        "singular_values_over_training": singular_values_over_training(rows),
        "shares_by_class": shares_by_class(rows),
    }
    if (rows["noise"] != "gaussian").any():
        figures["attacks_against_noise"] = attacks_against_noise(rows)
    return figures


def shares_over_training(rows: pd.DataFrame) -> Figure:
    """Draw the explained shares by epoch, a row of panels a noise level, a line a layer, with the held-out loss."""
    return _over_training(rows, SHARES, "Where do the noisy copies of an image go as training goes on?")


def singular_values_over_training(rows: pd.DataFrame) -> Figure:
    """Draw the two largest singular values, relative to the first trained epoch's, and the change of the largest."""
    return _over_training(rows, VALUES, "How do the singular values of noisy groups move as training goes on?")


def shares_by_class(rows: pd.DataFrame) -> Figure:
    """Draw the first component's share by layer at the last epoch, a line a class, on training and held-out images."""
    question = "Does the noise spread alike in all classes?"
    last = rows[(rows["epoch"] == rows["epoch"].max()) & (rows["noise"] == "gaussian")]
    last = last[last["sigma"] == last["sigma"].max()].dropna(subset=["first"])
    if last.empty:
        return nothing_to_show(question, NOTHING)
    figure = canvas(question, height=4.4)
    layers = list(dict.fromkeys(last["layer"]))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (split, named) in zip(panels, (("train", "training images"), ("test", "held-out images")), strict=True):
        part = last[last["split"] == split]
        for class_id, line in part.groupby("class_id"):
            of_layer = line.set_index("layer").reindex(layers)["first"]
            mean = class_id == -1
            colour, width, label = (INK, 2.2, "mean over classes") if mean else (MUTED, 0.9, None)
            axes.plot(np.arange(len(layers)), of_layer, color=colour, linewidth=width, label=label)
        axes.set_xticks(np.arange(len(layers)), layers, rotation=45, ha="right")
        dress(axes, x="layer", y="first component's share" if split == "train" else "", title=named)
    panels[0].legend(frameon=False, fontsize=9)
    footnote(figure, f"Epoch {int(last['epoch'].iloc[0])}, σ = {last['sigma'].iloc[0]:g}. Grey: a line a class.")
    return figure


def attacks_against_noise(rows: pd.DataFrame) -> Figure:
    """Draw the shares by layer at the last epoch, of each attack and of noise of its norm."""
    question = "Do attacked copies spread otherwise than noise of the same size?"
    last = rows[(rows["epoch"] == rows["epoch"].max()) & (rows["noise"] != "gaussian") & (rows["class_id"] == -1)]
    last = last[last["split"] == "test"]
    figure = canvas(question, height=4.4)
    layers = list(dict.fromkeys(last["layer"]))
    names = sorted({name.removeprefix("like_") for name in last["noise"]})
    for axes, panel in zip(figure.subplots(1, 3), SHARES, strict=True):
        for colour, name in zip(AMOUNT(np.linspace(0.3, 1, len(names))), names, strict=True):
            for noise, style, label in ((name, "-o", name), (f"like_{name}", ":s", f"noise of {name}'s norm")):
                line = last[last["noise"] == noise].set_index("layer").reindex(layers)[panel.column]
                axes.plot(np.arange(len(layers)), line, style, markersize=4, color=colour, label=label)
        axes.set_xticks(np.arange(len(layers)), layers, rotation=60, ha="right")
        dress(axes, x="layer", y=panel.label)
    figure.axes[0].legend(frameon=False, fontsize=8.5)
    footnote(figure, f"Epoch {int(last['epoch'].iloc[0])}, held-out images, mean over classes.")
    return figure


def _over_training(rows: pd.DataFrame, quantities: tuple[_Panel, ...], question: str) -> Figure:
    """Draw quantities by epoch: a row of panels a noise level, a column a quantity, a line a layer."""
    chosen = rows[(rows["noise"] == "gaussian") & (rows["class_id"] == -1) & (rows["split"] == "test")]
    chosen = chosen.dropna(subset=["first"])
    if chosen.empty:
        return nothing_to_show(question, NOTHING)
    trained = chosen[chosen["epoch"] > 0]
    chosen = trained if len(trained) else chosen
    sigmas, layers = sorted(chosen["sigma"].unique(), reverse=True), list(dict.fromkeys(chosen["layer"]))
    progress = training_progress(chosen[["epoch", "passes"]].drop_duplicates())
    chosen = chosen.assign(place=progress.of(chosen["epoch"]))
    figure = canvas(question, height=1.2 + 2.5 * len(sigmas))
    panels = figure.subplots(len(sigmas), len(quantities), squeeze=False, sharex=True)
    for line_of_panels, sigma in zip(panels, sigmas, strict=True):
        for axes, quantity in zip(line_of_panels, quantities, strict=True):
            of_sigma = chosen[chosen["sigma"] == sigma]
            _draw_layers(axes, of_sigma, quantity.column, layers)
            lowest = axes in panels[-1]
            dress(axes, x=progress.label if lowest else "", y=quantity.label, title=f"σ = {sigma:g}")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            _draw_loss(axes, of_sigma)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=8.5)
    footnote(figure, _FOOT)
    return figure


def _draw_layers(axes: Axes, rows: pd.DataFrame, column: str, layers: list[str]) -> None:
    for colour, layer in zip(AMOUNT(np.linspace(0, 1, len(layers))), layers, strict=True):
        line = rows[rows["layer"] == layer].sort_values("place")
        values = line[column] / line[column].iloc[0] if column in ("s1", "s2") else line[column]
        axes.plot(line["place"], values, "-o", markersize=2.5, linewidth=1.3, color=colour, label=layer)


def _draw_loss(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the held-out loss on a scale of its own, without ticks."""
    losses = rows.groupby("place")["loss"].first().dropna()
    if len(losses) > 1:
        beside = axes.twinx()
        beside.plot(losses.index, losses, ":", color=VERMILION, linewidth=1.2)
        beside.set_axis_off()
