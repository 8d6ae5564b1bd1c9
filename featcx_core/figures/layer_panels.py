"""Panels of single layers, side by side."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import canvas

MOST_LAYERS = 6
"""Layers that are drawn, evenly from first to last."""
_COLUMNS = 3


def layer_panels(question: str, layers: list[str]) -> tuple[Figure, list[tuple[str, Axes]]]:
    """Return a canvas with a panel a layer, all with one vertical scale; of many layers a few, evenly chosen."""
    drawn = evenly(layers, MOST_LAYERS)
    n_columns = min(_COLUMNS, len(drawn))
    n_lines = -(-len(drawn) // n_columns)
    figure = canvas(question, height=1.2 + 2.4 * n_lines)
    panels = figure.subplots(n_lines, n_columns, squeeze=False, sharey=True).ravel()
    for unused in panels[len(drawn) :]:
        unused.set_visible(False)
    return figure, list(zip(drawn, panels, strict=False))


def evenly(layers: list[str], most: int) -> list[str]:
    """Return at most so many layers, evenly from first to last.

    >>> evenly(["a", "b", "c", "d", "e"], 3)
    ['a', 'c', 'e']
    """
    places = np.linspace(0, len(layers) - 1, min(most, len(layers))).round().astype(int)
    return [layers[place] for place in places]
