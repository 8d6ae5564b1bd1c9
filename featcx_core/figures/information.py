"""V-information: the layers and epochs at which the concepts can be read."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from featcx_core.figures.canvas import (
    AMOUNT,
    INK,
    MUTED,
    canvas,
    colour_bar,
    dress,
    footnote,
    legend_beside,
    nothing_to_show,
    say,
)
from featcx_core.findings.information import LayerMeans
from featcx_core.findings.passes import Progress, training_progress

QUESTION = "Through which layers, and from which epoch on, can the concepts be read?"
MOST_TICKS = 20
CONTROLS = {
    "random_direction": ("random directions", "-."),
    "shuffled": ("shuffled codes (should be 0)", ":"),
}
"""Kind of control -> its name and the style of its line."""


def information_by_layer_and_epoch(
    means: LayerMeans, layers: pd.DataFrame, epochs: pd.DataFrame, *, reference_epoch: int
) -> Figure:
    """Draw mean I_V by layer, one line an epoch (its own concepts), and by layer and epoch (reference concepts).

    I_V is a share of the code's variance: 0 = not readable, 1 = fully.
    """
    if means.own_concepts.empty:
        return nothing_to_show(QUESTION, "no epoch has V-information of all layers and of a concept")
    depth = layers.sort_values("depth")
    labels = [
        str(name) if counts else f"{name} (not in K)"
        for name, counts in zip(depth["layer"], depth["in_complexity"], strict=True)
    ]
    figure = canvas(QUESTION, height=5.7 + 0.2 * len(labels) + 1.6)
    grid = figure.add_gridspec(3, 1, height_ratios=[0.2, 4.2, 1.4 + 0.25 * len(labels)])
    top, bottom = figure.add_subplot(grid[1]), figure.add_subplot(grid[2])
    _lines(top, means.own_concepts, labels)
    if reference_epoch in means.own_concepts:
        _with_intervals(top, means.kinds, reference_epoch, _colours(means.own_concepts)[reference_epoch])
        footnote(
            figure,
            f"Epoch {reference_epoch}, concepts and controls, with 95 % intervals: bands over concepts, "
            "upright lines over images.",
        )
    if top.get_legend_handles_labels()[1]:  # above the curves: of a readable network they fill the axes
        legend_beside(figure.add_subplot(grid[0]), top, columns=2)
    if means.reference_concepts.empty:
        say(bottom, f"the concepts of epoch {reference_epoch} have no V-information")
    else:
        _heat_map(bottom, means.reference_concepts, labels, reference_epoch, training_progress(epochs))
    return figure


def _lines(axes: Axes, means: pd.DataFrame, labels: list[str]) -> None:
    """Draw mean I_V by layer, one line an epoch."""
    places = np.arange(len(labels))
    for epoch, colour in _colours(means).items():
        curve = means[epoch].to_numpy(dtype=float)
        if epoch == 0:
            axes.plot(places, curve, "--s", color=colour, markersize=4, label="before training (epoch 0)")
        else:
            axes.plot(places, curve, "-o", color=colour, markersize=4, linewidth=1.4)
    colour_bar(ScalarMappable(_scale(means), AMOUNT), axes, label="epoch", is_integer=True)
    title = "Each epoch's own concepts"
    dress(axes, x="layer, from input to output", y="mean I_V  (0 = not readable, 1 = fully)", title=title)
    axes.set_xticks(places, labels, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_ylim(-0.02, 1.02)


def _scale(means: pd.DataFrame) -> Normalize:
    """Return the scale from a trained epoch to its place between the first and the last."""
    epochs = [int(epoch) for epoch in means.columns]
    trained = [epoch for epoch in epochs if epoch > 0] or epochs
    return Normalize(min(trained), max(max(trained), min(trained) + 1))


def _colours(means: pd.DataFrame) -> dict[int, Any]:
    """Return the colour of each epoch's line."""
    scale = _scale(means)
    return {epoch: AMOUNT(scale(epoch)) if epoch > 0 else MUTED for epoch in map(int, means.columns)}


def _with_intervals(axes: Axes, kinds: dict[str, pd.DataFrame], reference_epoch: int, colour: Any) -> None:
    """Draw the reference epoch's controls, their intervals, and in `colour` the intervals of its concepts."""
    for kind, rows in kinds.items():
        if kind not in (*CONTROLS, "concept"):
            continue
        places = np.arange(len(rows))
        mean, low, high, low_images, high_images = (
            rows[column].to_numpy(dtype=float)
            for column in ("v_information", "low", "high", "low_images", "high_images")
        )
        if kind in CONTROLS:
            label, style = CONTROLS[kind]
            axes.plot(places, mean, style, color=INK, linewidth=1.6, label=f"{label}, epoch {reference_epoch}")
        shade = INK if kind in CONTROLS else colour
        axes.fill_between(places, low, high, color=shade, alpha=0.15, linewidth=0)
        axes.vlines(places, low_images, high_images, color=shade, linewidth=2.2, alpha=0.7)


def _heat_map(axes: Axes, reference: pd.DataFrame, labels: list[str], reference_epoch: int, progress: Progress) -> None:
    """Draw mean I_V of the reference concepts by layer and epoch."""
    values = reference.to_numpy(dtype=float)
    image = axes.imshow(values, vmin=0, vmax=1, cmap=AMOUNT, aspect="auto", origin="lower", interpolation="nearest")
    colour_bar(image, axes, label="mean I_V")
    dress(
        axes,
        x=progress.label,
        y="layer, input at the bottom",
        title=f"The concepts of epoch {reference_epoch}, read at every epoch",
    )
    axes.grid(visible=False)
    epochs = [int(column) for column in reference.columns]
    step = -(-len(epochs) // MOST_TICKS)
    places = progress.of(pd.Series([int(epoch) for epoch in epochs[::step]]))
    axes.set_xticks(
        range(0, len(epochs), step), [f"{place:.2g}" if place < 100 else f"{place:.0f}" for place in places]
    )
    axes.set_yticks(range(len(labels)), labels)
