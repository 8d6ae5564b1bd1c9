"""Signal and noise directions of layers over training."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import BLUE, MUTED, VERMILION, dress, footnote, nothing_to_show
from featcx_core.figures.layer_panels import layer_panels


def signal_and_noise(direction_paths: pd.DataFrame) -> dict[str, Figure]:
    """Draw the mean correlation of both sets of directions over epochs, a panel a layer, with the range of each set."""
    question = "Which directions of a layer settle early, and which change until the end?"
    if direction_paths.empty:
        return {"over_training": nothing_to_show(question, "no layer has 5 probe images a unit and two directions")}
    figure, panels = layer_panels(question, list(dict.fromkeys(direction_paths["layer"])))
    for layer, axes in panels:
        by_epoch = direction_paths[direction_paths["layer"] == layer].groupby("epoch")
        for name, colour, style in (("signal", BLUE, "-o"), ("noise", VERMILION, "--s")):
            curve = by_epoch[name].agg(["mean", "min", "max"])
            axes.plot(curve.index, curve["mean"], style, color=colour, markersize=3, label=name)
            axes.fill_between(curve.index, curve["min"], curve["max"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(by_epoch["chance"].mean(), ":", color=MUTED, label="unrelated directions")
        axes.axvline(direction_paths["chosen_at"].iloc[0], color=MUTED, linewidth=0.8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        n_directions = by_epoch["n_directions"].first().iloc[0]
        dress(axes, x="checkpoint", y="correlation", title=f"{layer}, {n_directions} of each")
        axes.set_ylim(-0.02, 1.02)
    panels[0][1].legend(frameon=False, fontsize=8.5, loc="lower right")
    footnote(
        figure,
        "Canonical correlations of directions of the layer's end with the layer at each epoch: mean and range of each "
        "set. The sets are told apart at the thin line, where selection makes them high and low: look at the others.",
    )
    return {"over_training": figure}
