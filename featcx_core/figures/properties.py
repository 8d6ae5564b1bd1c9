"""Redundancy, sensitivity and sparsity against complexity, and the support curves."""

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from featcx_core.figures.against_complexity import FLOOR, against_complexity
from featcx_core.figures.canvas import (
    BLUE,
    GREEN,
    MUTED,
    VERMILION,
    canvas,
    dress,
    footnote,
    legend_beside,
    nothing_to_show,
)
from featcx_core.findings.evidence import number
from featcx_core.findings.selection import epoch_name

ORDERS = {
    "complexity_descending": ("the most complex first", VERMILION, "o"),
    "complexity_ascending": ("the simplest first", BLUE, "s"),
    "importance_descending": ("the most important first", GREEN, "^"),
    "random": ("in random order (mean of 20)", MUTED, "D"),
}
"""Order of removal -> words, colour, marker."""
_PARTIAL = "Partial: prevalence and variance held fixed."
_CONTROL = "Grey: random directions, encoded as concepts are; dashed: their median."


def redundancy_against_complexity(points: pd.DataFrame, correlations: pd.DataFrame, *, epochs: Sequence[int]) -> Figure:
    """Draw redundancy against K, a row an epoch, a column a masked share; lines: ± one standard error over masks.

    points: as `redundancy_points` returns it.
    """
    figure = against_complexity(
        "Are complex concepts less redundant than simple ones?",
        points,
        correlations,
        epochs=epochs,
        y="redundancy",
        level=lambda share: f"{share:.0%} of the units masked",
        reason="no concept of these epochs has both a complexity and a redundancy",
    )
    footnote(
        figure,
        "Redundancy: CKA of the units left and the concept, over CKA of all; mean and standard error over masks. The "
        "mean surely tells concepts apart only where the lines are shorter than the cloud is high: in expectation a "
        "mask leaves the same share of every concept. The lines are an upper bound: they include what a mask does to "
        f"all concepts alike. {_CONTROL} {_PARTIAL}",
    )
    return figure


def sensitivity_against_complexity(
    points: pd.DataFrame, correlations: pd.DataFrame, *, epochs: Sequence[int]
) -> Figure:
    """Draw sensitivity (log axis) against K, a row an epoch, a column a noise level; lines: 95 % over images.

    points: as `sensitivity_points` returns it.
    """
    figure = against_complexity(
        "Are complex concepts less robust to noise than simple ones?",
        points,
        correlations,
        epochs=epochs,
        y="sensitivity",
        level=lambda sigma: f"noise σ = {sigma:g}",
        reason="no concept of these epochs has both a complexity and a sensitivity",
        is_log=True,
    )
    footnote(
        figure,
        "Sensitivity: variance of the code over noisy copies of an image, over its variance over images (also 0 "
        "where the noise silences it); above the "
        f"line at 1 noise moves a concept more than another image does; below {FLOOR:g} it is drawn there. {_CONTROL} "
        f"{_PARTIAL}",
    )
    return figure


def sparsity_against_complexity(
    points: pd.DataFrame, correlations: pd.DataFrame, *, epochs: Sequence[int], by_chance: float = math.nan
) -> Figure:
    """Draw the atom's Hoyer sparsity against K, a panel an epoch, with a line at the average of random directions.

    points: as `sparsity_points` returns it. by_chance: as of `hoyer_by_chance`.
    """
    figure = against_complexity(
        "Are complex concepts encoded by fewer or by more units than simple ones?",
        points,
        correlations,
        epochs=epochs,
        y="hoyer",
        label="Hoyer sparsity",
        level=lambda _: "",
        reason="no concept of these epochs has both a complexity and an atom",
        across=True,
        by_chance=by_chance,
    )
    footnote(
        figure,
        "Hoyer sparsity of the atom: 0 = all units alike, 1 = a single unit. Dashed: what random directions have on "
        f"average, {number(by_chance)}. {_PARTIAL}",
    )
    return figure


def support_curves(support: pd.DataFrame, *, epochs: Sequence[int]) -> Figure:
    """Draw relative accuracy by the share of concepts kept, in each order; predictions kept where there is no class."""
    question = "Do the complex concepts, each of little importance, matter together?"
    shown = [epoch for epoch in epochs if (support["epoch"] == epoch).any()]
    if not shown:
        return nothing_to_show(question, "no epoch has a support curve")
    has_classes = bool(support["relative_accuracy"].notna().any())
    column = "relative_accuracy" if has_classes else "predictions_kept_fraction"
    label = "accuracy / that of all concepts" if has_classes else "predictions kept"
    figure = canvas(question, height=4.8)
    grid = figure.add_gridspec(2, 1, height_ratios=[0.3, 3.4])
    panels = grid[1].subgridspec(1, len(shown)).subplots(sharey=True, squeeze=False)[0]
    for axes, epoch in zip(panels, shown, strict=True):
        _curves(axes, support[support["epoch"] == epoch], column)
        dress(axes, x="share of concepts kept", y=label if axes is panels[0] else "", title=epoch_name(epoch))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.invert_xaxis()
    legend_beside(figure.add_subplot(grid[0]), panels[0], columns=len(ORDERS), title="removed:")
    footnote(
        figure,
        "Removed: the code is set to 0, all else stays. Concepts without a complexity (dead) go first in every order. "
        "With no concept left the head's bias decides. All probe images; bands: 95 % over images, and of the random "
        "order the range of all 20.",
    )
    return figure


def _curves(axes: Axes, support: pd.DataFrame, column: str) -> None:
    """Draw one line an order of removal, with its band."""
    for order, (words, colour, marker) in ORDERS.items():
        curve = support[support["order"] == order].sort_values("kept_fraction")
        kept = curve["kept_fraction"]
        axes.plot(kept, curve[column], "-", marker=marker, markersize=4, color=colour, label=words)
        ends = ("orders_low", "orders_high") if order == "random" else ("low", "high")
        low, high = (curve[end] for end in ends)
        axes.fill_between(kept, low, high, color=colour, alpha=0.15, linewidth=0)
