"""Branches: which branch of every residual block carries the simple concepts, and which the complex ones."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    VERMILION,
    canvas,
    dress,
    footnote,
    legend_beside,
    nothing_to_show,
)
from featcx_core.findings.branches import BranchCurves
from featcx_core.findings.selection import epoch_name

QUESTION = "Which branch carries simple and complex concepts?"
STYLES = {"residual": "-o", "main": "--s", "attention": "--s", "mlp": ":^"}
"""Branch -> line and marker."""
LOOKS: dict[str, dict[str, Any]] = {
    "simplest": {"color": BLUE, "markersize": 5, "linewidth": 1.5},
    "most complex": {"color": VERMILION, "markersize": 5, "linewidth": 1.5},
    "random directions": {"color": MUTED, "markersize": 3, "linewidth": 1.2},
}
"""Group of concepts -> how its curves look."""
_MEASURES = {
    "cka": "mean CKA with the code\n(0 = unrelated, 1 = the same)",
    "v_information": "mean I_V\n(0 = not readable, 1 = fully)",
}


def branches_by_block(branch_curves: BranchCurves) -> Figure:
    """Draw CKA and I_V of every branch by block: a column an epoch, a pair of rows a size of the groups.

    Simplest and most complex concepts in colour, the mean of the random directions in grey.
    """
    curves, epochs = branch_curves
    if curves.empty:
        return nothing_to_show(QUESTION, "no residual block was measured, or fewer than 20 concepts have a complexity")
    n_parts = curves.groupby("epoch")["part"].nunique().max()
    figure, legend, panels = _panels(int(n_parts), len(epochs))
    for column, (epoch, permuted) in enumerate(zip(epochs["epoch"], epochs["permuted"], strict=True)):
        of_epoch = curves[curves["epoch"] == epoch]
        for row, part in enumerate(of_epoch["part"].unique()):
            for axes, (measure, label) in zip(panels[2 * row :, column], _MEASURES.items(), strict=False):
                _curves(axes, of_epoch[(of_epoch["part"] == part) & (of_epoch["measure"] == measure)])
                title = ""
                if measure == "cka":
                    _permuted(axes, permuted)
                    title = f"{epoch_name(epoch)}: the {part} at either end"
                dress(axes, x="", y=label if column == 0 else "", title=title)
        _name_blocks(panels[-1, column], of_epoch)
    legend_beside(legend, panels[0, 0], columns=3)
    counts = zip(epochs["n_directions"], epochs["epoch"], strict=True)
    n_alive = ", ".join(f"{n} at epoch {epoch}" for n, epoch in counts)
    footnote(
        figure,
        "Residual: what the shortcut brings to a block's sum; the other branch: what is added to it. Every epoch has "
        "its own concepts. 95 % intervals: bands over concepts, upright lines over images. Grey: random directions, "
        f"mean of the living ({n_alive}), likewise. Dotted: the concepts' codes permuted over images, mean over "
        "blocks and branches.",
    )
    return figure


def _panels(n_parts: int, n_columns: int) -> tuple[Figure, Axes, "np.ndarray[Any, np.dtype[np.object_]]"]:
    """Return an empty figure, the place of its legend above the panels, and the panels."""
    figure = canvas(QUESTION, height=2.2 + 5.4 * n_parts)
    grid = figure.add_gridspec(2, 1, height_ratios=[0.6, 5.4 * n_parts])
    legend = figure.add_subplot(grid[0])
    panels = grid[1].subgridspec(2 * n_parts, n_columns).subplots(squeeze=False, sharex="col", sharey="row")
    return figure, legend, panels


def _curves(axes: Axes, curves: pd.DataFrame) -> None:
    """Draw each group's curve in each branch, with a band over concepts and upright lines over images."""
    blocks = list(dict.fromkeys(curves["block"]))
    for (group, branch), curve in curves.groupby(["group", "branch"], sort=False):
        look = LOOKS[str(group)]
        places = [blocks.index(block) for block in curve["block"]]
        mean, low, high, low_images, high_images = (
            curve[column].to_numpy(dtype=float) for column in ("mean", "low", "high", "low_images", "high_images")
        )
        axes.plot(places, mean, STYLES.get(str(branch), "-.D"), label=f"{branch}, {group}", **look)
        axes.fill_between(places, low, high, color=look["color"], alpha=0.13, linewidth=0)
        axes.vlines(places, low_images, high_images, color=look["color"], linewidth=2.2, alpha=0.7)


def _permuted(axes: Axes, mean: float) -> None:
    """Draw a line at the mean CKA of permuted codes."""
    axes.axhline(mean, color=INK, linestyle=":", linewidth=1.4, label="permuted codes (should be 0)")


def _name_blocks(axes: Axes, curves: pd.DataFrame) -> None:
    """Write the blocks under the lowest panel, from input to output, projections marked."""
    blocks = curves.drop_duplicates("block")
    marks = {"projection": " (projection)"}
    labels = [f"{row.block}{marks.get(str(row.shortcut), '')}" for row in blocks.itertuples()]
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_xlabel("block, from input to output", fontsize=10, color=INK)
