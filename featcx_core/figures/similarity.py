"""Similarity of layers: maps of all layers with each other, and curves of each layer towards its end."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import AMOUNT, canvas, colour_bar, dress, footnote, nothing_to_show
from featcx_core.findings.similarity import to_the_end, way_in_words

_MOST_WAYS = 4
"""Measures and centrings side by side."""
_CALIBRATED = "calibrated similarity (0 = chance, 1 = the same)"


def layer_maps(similarity: pd.DataFrame) -> dict[str, Figure]:
    """Draw the calibrated similarity of all layers with each other, at the first and the last epoch that have it."""
    question = "Which layers represent the images alike?"
    rows = similarity[
        (similarity["epoch_a"] == similarity["epoch_b"]) & (similarity["study_a"] == similarity["study_b"])
    ]
    if rows.empty:
        return {"layers": nothing_to_show(question, "no epoch has similarities of its layers")}
    epochs, ways = sorted({rows["epoch_a"].min(), rows["epoch_a"].max()}), _ways(rows)
    figure = canvas(question, height=1.2 + 2.6 * len(epochs))
    panels = figure.subplots(len(epochs), len(ways), squeeze=False, sharex=True, sharey=True)
    layers = list(dict.fromkeys(rows["layer_a"]))
    scale = Normalize(0, 1)
    for epoch, line in zip(epochs, panels, strict=True):
        for (measure, centring), axes in zip(ways, line, strict=True):
            part = rows[(rows["epoch_a"] == epoch) & (rows["measure"] == measure) & (rows["centring"] == centring)]
            wide = part.pivot(index="layer_a", columns="layer_b", values="calibrated").reindex(layers, columns=layers)
            axes.imshow(wide.to_numpy(dtype=float), cmap=AMOUNT, norm=scale, origin="lower")
            dress(axes, x="", y="", title=f"{way_in_words(measure, centring)}\nepoch {epoch}")
            axes.grid(visible=False)
            _name_layers(axes, layers)
    colour_bar(ScalarMappable(scale, AMOUNT), list(panels.ravel()), label=_CALIBRATED)
    footnote(
        figure,
        "Layers from first to last, on the same images. 0: no more than with the images of one side permuted (within "
        "classes: permuted in their classes). Within classes: class means are subtracted first.",
    )
    return {"layers": figure}


def convergence_curves(similarity: pd.DataFrame) -> dict[str, Figure]:
    """Draw the calibrated similarity of each layer with itself at the reference epoch, over the epochs."""
    question = "Do the layers converge bottom-up?"
    rows = to_the_end(similarity)
    if rows.empty:
        return {"over_training": nothing_to_show(question, "there is no epoch but the reference epoch")}
    ways, layers = _ways(rows), list(dict.fromkeys(rows["layer_a"]))
    n_columns = min(2, len(ways))
    n_lines = -(-len(ways) // n_columns)
    figure = canvas(question, height=1.1 + 2.6 * n_lines)
    panels = figure.subplots(n_lines, n_columns, squeeze=False, sharey=True).ravel()
    for unused in panels[len(ways) :]:
        unused.set_visible(False)
    for (measure, centring), axes in zip(ways, panels, strict=False):
        part = rows[(rows["measure"] == measure) & (rows["centring"] == centring)]
        for place, layer in enumerate(layers):
            curve = part[part["layer_a"] == layer].sort_values("epoch_a")
            colour = AMOUNT(place / max(1, len(layers) - 1))
            axes.plot(curve["epoch_a"], curve["calibrated"].astype(float), color=colour, marker="o", markersize=3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        dress(axes, x="checkpoint", y=_CALIBRATED.partition(" (")[0], title=way_in_words(measure, centring))
        axes.set_ylim(min(-0.05, float(rows["calibrated"].min())), 1.05)
    scale = Normalize(0, max(1, len(layers) - 1))
    colour_bar(ScalarMappable(scale, AMOUNT), list(panels), label="depth of the layer (0 = first)", is_integer=True)
    footnote(
        figure,
        f"Each layer with itself at the reference epoch ({int(rows['epoch_b'].iloc[0])}), where the similarity is 1. "
        "0: chance, as with permuted images. Epoch 0: before training.",
    )
    return {"over_training": figure}


def _ways(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the measures, each plain and within classes, as far as there is room."""
    ways = list(dict.fromkeys(zip(rows["measure"], rows["centring"], strict=True)))
    measures = list(dict.fromkeys(measure for measure, _ in ways))
    return sorted(ways, key=lambda way: measures.index(way[0]))[:_MOST_WAYS]


def _name_layers(axes: Axes, layers: list[str]) -> None:
    """Name some of the layers, so that the names do not overlap."""
    shown = np.unique(np.linspace(0, len(layers) - 1, min(len(layers), 10)).round().astype(int))
    axes.set_xticks(shown, [layers[place] for place in shown], rotation=90, fontsize=7)
    axes.set_yticks(shown, [layers[place] for place in shown], fontsize=7)
