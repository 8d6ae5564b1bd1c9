"""Selectivity of single units: how much they say about the class, layer by layer."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import BLUE, MUTED, ORANGE, VERMILION, canvas, dress, footnote, nothing_to_show

QUESTION = "How much do single units say about the class, layer by layer?"
QUANTITIES = (
    ("selectivity", "selectivity_by_chance", "class selectivity  (1 = one class alone)"),
    ("mutual_information_bits", "mutual_information_by_chance_bits", "mutual information with the class  (bits)"),
)
COLOURS = (MUTED, ORANGE, VERMILION, BLUE)


def selectivity_figures(rows: pd.DataFrame) -> dict[str, Figure]:
    """Draw the distribution over units of selectivity and mutual information by layer, at a few epochs."""
    return {"selectivity_by_layer": selectivity_by_layer(rows)}


def selectivity_by_layer(rows: pd.DataFrame) -> Figure:
    """Draw medians and quartiles over units by layer, a line an epoch, and the median by chance at the last one."""
    if rows[["selectivity", "mutual_information_bits"]].isna().all(axis=None):
        return nothing_to_show(QUESTION, "no unit is active")
    epochs = shown_epochs(rows["epoch"].unique().tolist())
    figure = canvas(QUESTION, height=4.6)
    for axes, (value, by_chance, label) in zip(figure.subplots(1, 2), QUANTITIES, strict=True):
        for epoch, colour in zip(epochs, COLOURS[-len(epochs) :], strict=True):
            _draw_quartiles(axes, rows[rows["epoch"] == epoch], value, label=_named(epoch), colour=colour)
        last = rows[rows["epoch"] == epochs[-1]]
        chance = last.groupby("layer", sort=False)[by_chance].median()
        axes.plot(
            np.arange(len(chance)), chance, ":", color=BLUE, linewidth=1.2, label=f"by chance, epoch {epochs[-1]}"
        )
        axes.set_xticks(np.arange(len(chance)), list(chance.index), rotation=45, ha="right")
        dress(axes, x="layer", y=label)
        axes.set_ylim(bottom=0)
    figure.axes[0].legend(frameon=False, fontsize=9, loc="best")
    footnote(
        figure, "Lines: median over units; bands: from the first to the third quartile. By chance: shuffled labels."
    )
    return figure


def shown_epochs(epochs: list[int]) -> list[int]:
    """Return at most four epochs: untrained, the first trained, one half way, and the last.

    >>> shown_epochs([0, 1, 2, 3, 4, 5, 6])
    [0, 1, 3, 6]
    """
    ordered = sorted(epochs)
    trained = [epoch for epoch in ordered if epoch > 0]
    middle = [trained[(len(trained) - 1) // 2]] if trained else []
    return sorted({*(epoch for epoch in ordered[:1] if epoch == 0), *trained[:1], *middle, *ordered[-1:]})


def _named(epoch: int) -> str:
    return f"epoch {epoch}" if epoch else "before training"


def _draw_quartiles(axes: Axes, rows: pd.DataFrame, value: str, *, label: str, colour: str) -> None:
    quartiles = rows.groupby("layer", sort=False)[value].quantile(np.array([0.25, 0.5, 0.75])).unstack()
    places = np.arange(len(quartiles))
    axes.plot(places, quartiles[0.5], "-o", markersize=4, color=colour, label=label)
    axes.fill_between(places, quartiles[0.25], quartiles[0.75], color=colour, alpha=0.15, linewidth=0)
