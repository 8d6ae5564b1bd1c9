"""Share of a layer's variance along each concept, beside the I_V that is read from it."""

import pandas as pd
from matplotlib.figure import Figure

from featcx_core.figures.canvas import BLUE, MUTED, canvas, dress, footnote, nothing_to_show

_QUESTION = "Do concepts that are read equally well take equally much of a layer's variance?"


def variance_share_figures(rows: pd.DataFrame) -> dict[str, Figure]:
    """Draw, for the last epoch's last layer, variance share against I_V, and the mean share by layer."""
    known = rows[rows["epoch"] == rows["epoch"].max()].dropna(subset=["variance_share", "v_information"])
    if known.empty:
        return {"by_layer": nothing_to_show(_QUESTION, "no living concept")}
    layers = [*dict.fromkeys(known["layer"])]
    figure = canvas(f"{_QUESTION} (epoch {int(known['epoch'].iloc[0])})", height=4.0)
    scatter, means = figure.subplots(1, 2)
    for kind, colour in (("random_direction", MUTED), ("concept", BLUE)):
        of_kind = known[known["kind"] == kind]
        last = of_kind[of_kind["layer"] == layers[-1]]
        name = kind.replace("_", " ")
        scatter.scatter(last["v_information"], last["variance_share"], s=12, color=colour, alpha=0.7, label=name)
        by_layer = of_kind.groupby("layer", sort=False)["variance_share"].mean()
        means.plot(range(len(by_layer)), by_layer, color=colour, marker="o", markersize=3, label=name)
    dress(scatter, x="V-information", y="share of the layer's variance", title=f"{layers[-1]}: one point a concept")
    dress(means, x="", y="mean share of the layer's variance", title="by layer")
    means.set_xticks(range(len(layers)), layers, rotation=45, ha="right")
    for axes in (scatter, means):
        axes.set_yscale("log")
    means.legend(frameon=False, fontsize=9)
    footnote(figure, "A direction drawn at random takes 1 / units of the variance on average.")
    return {"by_layer": figure}
