"""Accuracy with layers projected on few directions or units."""

import pandas as pd
from matplotlib.figure import Figure

from featcx_core.figures.canvas import BLUE, GREEN, VERMILION, dress, footnote, nothing_to_show
from featcx_core.figures.layer_panels import layer_panels

BASES = {
    "svcca": ("top SVCCA directions", BLUE, "-o"),
    "most_active_units": ("most active units", GREEN, "--^"),
    "random_units": ("random units", VERMILION, ":s"),
}
"""Basis -> its name in words, its colour, its line."""


def projection_curves(projection: pd.DataFrame) -> dict[str, Figure]:
    """Draw accuracy by the number of directions kept, a line a basis, a panel a layer."""
    question = "How few directions of a layer carry the decision?"
    if projection.empty:
        return {"by_directions": nothing_to_show(question, "no layer could be projected")}
    figure, panels = layer_panels(question, list(dict.fromkeys(projection["layer"])))
    for layer, axes in panels:
        of_layer = projection[projection["layer"] == layer]
        for basis, (name, colour, style) in BASES.items():
            curve = of_layer[of_layer["basis"] == basis].sort_values("n_directions")
            sizes, low, high = (curve[column].to_numpy(dtype=float) for column in ("n_directions", "low", "high"))
            axes.plot(sizes, curve["accuracy"].to_numpy(dtype=float), style, color=colour, markersize=3, label=name)
            axes.fill_between(sizes, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log", base=2)
        dress(axes, x="directions or units kept", y="held-out accuracy", title=layer)
        axes.set_ylim(0, 1.02)
    panels[0][1].legend(frameon=False, fontsize=8.5, loc="upper left")
    footnote(
        figure,
        "One layer at a time; what is not kept is set to its mean; nothing is retrained. SVCCA: of the layer with "
        "itself at an earlier epoch. Bands: 95 % over groups of test images.",
    )
    return {"by_directions": figure}
