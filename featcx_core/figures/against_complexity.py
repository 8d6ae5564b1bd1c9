"""Any property of concepts against their complexity, in panels, with random directions behind them."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import BLUE, INK, MUTED, ORANGE, canvas, dress, nothing_to_show, point_area
from featcx_core.figures.spectrum import CONTROLS, ERROR
from featcx_core.findings.evidence import correlation, epoch_name, of_kind, raw_and_partial

K_SHORT = "K  (0 = simple, 1 = complex)"
FLOOR = 1e-5
"""Of a logarithmic axis: a concept that is active on none of the noisy images has a sensitivity of 0."""
_NONE = -1.0
"""Level of a property that has none."""
AT_ONE = {"redundancy": "1: as with all units", "sensitivity": "1: as another image"}
"""What is measured -> what its line at 1 says."""


def against_complexity(
    question: str,
    complexity: pd.DataFrame,
    measured: pd.DataFrame,
    correlations: pd.DataFrame,
    *,
    epochs: Sequence[int],
    y: str,
    label: str = "",
    level: Callable[[float], str],
    reason: str,
    is_log: bool = False,
    across: bool = False,
    by_chance: float = math.nan,
) -> Figure:
    """Scatter plots of `value` against K: rows are epochs, columns levels; `across`: one row, a column an epoch.

    y: the property, as the table of correlations names it; `label`: in words, where they differ; `level` of `measured`
    is NaN where the property has none. `by_chance`: what random directions have, where there are no rows of them.
    """
    points, control = (_points(complexity, measured, kind) for kind in ("concept", "random_direction"))
    levels = sorted({*points["level"].fillna(_NONE)})
    shown = [epoch for epoch in epochs if (points["epoch"] == epoch).any()]
    if not shown:
        return nothing_to_show(question, reason)
    places = [(epoch, at) for epoch in shown for at in levels]
    n_rows = 1 if across else len(shown)
    figure = canvas(question, height=1.5 + 3.5 * n_rows)
    panels = figure.subplots(
        n_rows, len(places) // n_rows, sharex=True, sharey="row" if is_log else True, squeeze=False
    )
    for axes, (epoch, at) in zip(panels.ravel(), places, strict=True):
        own, beside = (
            rows[(rows["epoch"] == epoch) & (rows["level"].fillna(_NONE) == at)] for rows in (points, control)
        )
        _control(axes, beside, is_log=is_log, by_chance=by_chance)
        _scatter(axes, own, is_log=is_log)
        if y in AT_ONE:
            axes.axhline(1, color=ORANGE, linewidth=1.2, zorder=0, label=AT_ONE[y])
        words = (label or y) if axes in panels[:, 0] else ""
        dress(axes, x=K_SHORT if axes in panels[-1] else "", y=words)  # as the tick numbers
        name = epoch_name(epoch)
        level_there = None if at == _NONE else at
        raw, partial = raw_and_partial(correlations, epoch=epoch, y=y, level=level_there)
        lines = [name, *filter(None, [level(at)]), f"Spearman {raw}", f"partial {partial}"]
        if not beside.empty:
            of_control = correlation(correlations, epoch=epoch, y=y, level=level_there, kind="random_direction")
            lines.append(f"random directions {of_control}")
            lines.append(f"their median {y} {beside['value'].astype(float).median():.3g}")
        axes.set_title("\n".join(lines), fontsize=8, loc="left", color=INK)
    if is_log:
        for first in panels[:, 0]:  # once all of the row is drawn: limits that are set earlier leave later panels out
            first.set_yscale("log")
            first.set_ylim(bottom=FLOOR / 2)
    if panels[0, 0].get_legend_handles_labels()[1]:
        panels[0, 0].legend(frameon=False, fontsize=8.5)
    return figure


def _points(complexity: pd.DataFrame, measured: pd.DataFrame, kind: str) -> pd.DataFrame:
    """K and `value` of what has both."""
    k = of_kind(complexity, kind)[["epoch", "concept", "complexity"]]
    points = k.merge(of_kind(measured, kind), on=["epoch", "concept"])
    return points.dropna(subset=["complexity", "value"])


def _control(axes: Axes, points: pd.DataFrame, *, is_log: bool, by_chance: float) -> None:
    """Behind the concepts: the random directions in grey, and a line for the middle of them."""
    k, value = (points[column].to_numpy(dtype=float) for column in ("complexity", "value"))
    floor, middle = FLOOR if is_log else -np.inf, float(np.median(value)) if len(value) else by_chance
    if len(value):
        area = 0.4 * point_area(len(value))
        axes.scatter(k, np.maximum(value, floor), color=MUTED, alpha=0.5, linewidth=0, s=area, zorder=1.5)
    if not math.isnan(middle):
        line = axes.axhline(max(middle, floor), color=MUTED, linestyle="--", linewidth=1.2, zorder=1.6)
        line.set_label(CONTROLS["random_direction"])


def _scatter(axes: Axes, points: pd.DataFrame, *, is_log: bool) -> None:
    k, value = (points[column].to_numpy(dtype=float) for column in ("complexity", "value"))
    floor = FLOOR if is_log else -np.inf
    if "low" in points:
        low, high = (points[column].to_numpy(dtype=float) for column in ("low", "high"))
        axes.vlines(k, np.maximum(low, floor), np.maximum(high, floor), color=ERROR, linewidth=1, zorder=1)
    axes.scatter(k, np.maximum(value, floor), color=BLUE, s=0.6 * point_area(len(points)), zorder=2)
