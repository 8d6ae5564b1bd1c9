"""Signal and noise directions of layers over training."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import BLUE, MUTED, VERMILION, canvas, dress, footnote, nothing_to_show

MOST_LAYERS = 6
"""Layers that are drawn, evenly from first to last."""


def signal_and_noise(direction_paths: pd.DataFrame) -> dict[str, Figure]:
    """Draw the mean correlation of both sets of directions over epochs, a panel a layer, with the range of each set."""
    question = "Which directions of a layer settle early, and which change until the end?"
    if direction_paths.empty:
        return {"over_training": nothing_to_show(question, "no layer has 5 probe images a unit and two directions")}
    layers = evenly(list(dict.fromkeys(direction_paths["layer"])), MOST_LAYERS)
    n_columns = min(3, len(layers))
    n_lines = -(-len(layers) // n_columns)
    figure = canvas(question, height=1.1 + 2.4 * n_lines)
    panels = figure.subplots(n_lines, n_columns, squeeze=False, sharey=True).ravel()
    for unused in panels[len(layers) :]:
        unused.set_visible(False)
    for layer, axes in zip(layers, panels, strict=False):
        by_epoch = direction_paths[direction_paths["layer"] == layer].groupby("epoch")
        for name, colour, style in (("signal", BLUE, "-o"), ("noise", VERMILION, "--s")):
            curve = by_epoch[name].agg(["mean", "min", "max"])
            axes.plot(curve.index, curve["mean"], style, color=colour, markersize=3, label=name)
            axes.fill_between(curve.index, curve["min"], curve["max"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(by_epoch["chance"].mean(), ":", color=MUTED, label="unrelated directions")
        axes.axvline(direction_paths["chosen_at"].iloc[0], color=MUTED, linewidth=0.8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        n_directions = by_epoch["n_directions"].first().iloc[0]
        dress(axes, x="epoch", y="correlation", title=f"{layer}, {n_directions} of each")
        axes.set_ylim(-0.02, 1.02)
    panels[0].legend(frameon=False, fontsize=8.5, loc="lower right")
    footnote(
        figure,
        "Canonical correlations of directions of the layer's end with the layer at each epoch: mean and range of each "
        "set. The sets are told apart at the thin line, where selection makes them high and low: look at the others.",
    )
    return {"over_training": figure}


def evenly(layers: list[str], most: int) -> list[str]:
    """Return at most so many layers, evenly from first to last.

    >>> evenly(["a", "b", "c", "d", "e"], 3)
    ['a', 'c', 'e']
    """
    places = np.linspace(0, len(layers) - 1, min(most, len(layers))).round().astype(int)
    return [layers[place] for place in places]
