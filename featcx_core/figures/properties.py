"""What complex concepts are like: redundancy, sensitivity and sparsity against complexity, and what rests on them."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from featcx_core.figures.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    VERMILION,
    canvas,
    dress,
    footnote,
    nothing_to_show,
    point_area,
)
from featcx_core.figures.evidence import with_complexity
from featcx_core.figures.spectrum import ERROR

K_SHORT = "K  (0 = simple, 1 = complex)"
ORDERS = {
    "complexity_descending": ("the most complex first", VERMILION, "o"),
    "complexity_ascending": ("the simplest first", BLUE, "s"),
    "importance_descending": ("the most important first", GREEN, "^"),
    "random": ("in random order (mean of several)", MUTED, "D"),
}
"""Order of removal -> words, colour, marker."""
FLOOR = 1e-5
"""Of a logarithmic axis: a concept that is active on none of the noisy images has a sensitivity of 0."""
_PARTIAL = "Partial: prevalence and variance held fixed. [ ]: 95 % bootstrap over concepts."


def redundancy_against_complexity(
    complexity: pd.DataFrame, redundancy: pd.DataFrame, concepts: pd.DataFrame, *, epochs: Sequence[int]
) -> Figure:
    """Redundancy against K, a row an epoch, a column a masked share; lines: ± one standard error over masks."""
    question = "Are complex concepts less redundant than simple ones?"
    error = redundancy["standard_deviation"] / np.sqrt((redundancy["n_masks"] - 1).clip(lower=1))
    shown = redundancy.assign(value=redundancy["redundancy"], low=redundancy["redundancy"] - error)
    shown = shown.assign(high=redundancy["redundancy"] + error, level=redundancy["masked_fraction"])
    figure = _panels(
        question,
        complexity,
        shown,
        concepts,
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
        f"all concepts alike. {_PARTIAL}",
    )
    return figure


def sensitivity_against_complexity(
    complexity: pd.DataFrame, sensitivity: pd.DataFrame, concepts: pd.DataFrame, *, epochs: Sequence[int]
) -> Figure:
    """Sensitivity (log axis) against K, a row an epoch, a column a noise level; lines: 95 % intervals over images."""
    question = "Are complex concepts less robust to noise than simple ones?"
    shown = sensitivity.assign(value=sensitivity["sensitivity"], level=sensitivity["sigma"])
    figure = _panels(
        question,
        complexity,
        shown,
        concepts,
        epochs=epochs,
        y="sensitivity",
        level=lambda sigma: f"noise σ = {sigma:g}",
        reason="no concept of these epochs has both a complexity and a sensitivity",
        is_log=True,
    )
    footnote(
        figure,
        "Sensitivity: variance of the code over noisy copies of an image, over its variance over images; above the "
        f"line at 1 noise moves a concept more than another image does; below {FLOOR:g} it is drawn there. {_PARTIAL}",
    )
    return figure


def sparsity_against_complexity(complexity: pd.DataFrame, concepts: pd.DataFrame, *, epochs: Sequence[int]) -> Figure:
    """Hoyer sparsity of the atom against K, a panel an epoch."""
    question = "Are complex concepts encoded by fewer or by more units than simple ones?"
    shown = concepts.assign(value=concepts["hoyer"], level=0.0)
    figure = _panels(
        question,
        complexity,
        shown,
        concepts,
        epochs=epochs,
        y="Hoyer sparsity",
        level=lambda _: "",
        reason="no concept of these epochs has both a complexity and an atom",
        across=True,
    )
    footnote(figure, f"Hoyer sparsity of the atom: 0 = all units alike, 1 = a single unit. {_PARTIAL}")
    return figure


def support_curves(support: pd.DataFrame, *, epochs: Sequence[int]) -> Figure:
    """Relative accuracy (predictions kept where there are no classes) by the share of concepts kept, in each order."""
    question = "Do the complex concepts, each of little importance, matter together?"
    shown = [epoch for epoch in epochs if (support["epoch"] == epoch).any()]
    if not shown:
        return nothing_to_show(question, "no epoch has a support curve")
    has_classes = bool(support["relative_accuracy"].notna().any())
    column = "relative_accuracy" if has_classes else "predictions_kept_fraction"
    label = "accuracy / that of all concepts" if has_classes else "predictions kept"
    figure = canvas(question, height=4.8)
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, epoch in zip(panels, shown, strict=True):
        own = support[support["epoch"] == epoch]
        for order, (words, colour, marker) in ORDERS.items():
            curve = own[own["order"] == order].sort_values("kept_fraction")
            axes.plot(
                curve["kept_fraction"], curve[column], "-", marker=marker, markersize=4, color=colour, label=words
            )
            axes.fill_between(
                curve["kept_fraction"], curve["low"], curve["high"], color=colour, alpha=0.15, linewidth=0
            )
        first = axes is panels[0]
        title = f"epoch {epoch}" + (" (untrained)" if epoch == 0 else "")
        dress(axes, x="share of concepts kept", y=label if first else "", title=title)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.invert_xaxis()
    panels[-1].legend(frameon=False, fontsize=9.5, loc="lower left", title="removed:", title_fontsize=9.5)
    footnote(
        figure,
        "Removed: the code is set to 0, all else stays. Concepts without a complexity (dead) go first in every order. "
        "With no concept left the head's bias decides. All probe images; bands: 95 % over images.",
    )
    return figure


def _panels(
    question: str,
    complexity: pd.DataFrame,
    measured: pd.DataFrame,
    concepts: pd.DataFrame,
    *,
    epochs: Sequence[int],
    y: str,
    level: Callable[[float], str],
    reason: str,
    is_log: bool = False,
    across: bool = False,
) -> Figure:
    """Scatter plots of `value` against K: rows are epochs, columns levels; `across`: one row, a column an epoch."""
    points = complexity.loc[complexity["kind"] == "concept", ["epoch", "concept", "complexity"]]
    points = points.merge(measured, on=["epoch", "concept"]).dropna(subset=["complexity", "value"])
    levels = sorted(points["level"].unique())
    shown = [epoch for epoch in epochs if (points["epoch"] == epoch).any()]
    if not shown:
        return nothing_to_show(question, reason)
    places = [(epoch, at) for epoch in shown for at in levels]
    n_rows = 1 if across else len(shown)
    figure = canvas(question, height=1.5 + 3.2 * n_rows)
    panels = figure.subplots(
        n_rows, len(places) // n_rows, sharex=True, sharey="row" if is_log else True, squeeze=False
    )
    for axes, (epoch, at) in zip(panels.ravel(), places, strict=True):
        own = points[(points["epoch"] == epoch) & (points["level"] == at)]
        _scatter(axes, own, is_log=is_log)
        name = f"epoch {epoch}" + (" (untrained)" if epoch == 0 else "")
        raw, partial = with_complexity(complexity, own, concepts, epoch=epoch, column="value")
        dress(axes, x=K_SHORT, y=y if axes in panels[:, 0] else "")
        lines = [name, *filter(None, [level(at)]), f"Spearman {raw}", f"partial {partial}"]
        axes.set_title("\n".join(lines), fontsize=9, loc="left", color=INK)
    return figure


def _scatter(axes: Axes, points: pd.DataFrame, *, is_log: bool) -> None:
    k, value = (points[column].to_numpy(dtype=float) for column in ("complexity", "value"))
    floor = FLOOR if is_log else -np.inf
    if "low" in points:
        low, high = (points[column].to_numpy(dtype=float) for column in ("low", "high"))
        axes.vlines(k, np.maximum(low, floor), np.maximum(high, floor), color=ERROR, linewidth=1, zorder=1)
    axes.scatter(k, np.maximum(value, floor), color=BLUE, s=0.6 * point_area(len(points)), zorder=2)
    if is_log:
        axes.set_yscale("log")
    if is_log or "low" in points:
        axes.axhline(1, color=ORANGE, linewidth=1, zorder=0)
