"""Any property of concepts against their complexity, in panels, with random directions behind them."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import BLUE, INK, MUTED, ORANGE, canvas, dress, nothing_to_show, point_area
from featcx_core.figures.spectrum import CONTROLS, ERROR
from featcx_core.findings.properties import panel_lines
from featcx_core.findings.selection import of_kind

K_SHORT = "K  (0 = simple, 1 = complex)"
FLOOR = 1e-5
"""Lower end of a logarithmic axis: a concept that is active on no noisy image has a sensitivity of 0."""
_NONE = -1.0
"""Level of a property that has none."""
AT_ONE = {"redundancy": "1: as with all units", "sensitivity": "1: as another image"}
"""Property -> meaning of the line at 1."""


def against_complexity(
    question: str,
    points: pd.DataFrame,
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
    """Draw `value` against K: a row an epoch, a column a level; with `across` one row, a column an epoch.

    points: one row per (epoch, level, kind, concept), kinds `concept` and `random_direction`, with `complexity`,
    `value` and, for a line at each point, `low` and `high`; `level` is NaN for a property that has none.
    y: the property's name in the table of correlations. label: its name in words, where they differ.
    level: writes a level in words.
    reason: why there is nothing to show where no epoch has points.
    by_chance: value of random directions on average, drawn where `points` has none of them.
    """
    levels = sorted({*of_kind(points, "concept")["level"].fillna(_NONE)})
    shown = [epoch for epoch in epochs if (of_kind(points, "concept")["epoch"] == epoch).any()]
    if not shown:
        return nothing_to_show(question, reason)
    places = [(epoch, level_or_none) for epoch in shown for level_or_none in levels]
    n_rows = 1 if across else len(shown)
    figure = canvas(question, height=1.5 + 3.5 * n_rows)
    panels = figure.subplots(
        n_rows, len(places) // n_rows, sharex=True, sharey="row" if is_log else True, squeeze=False
    )
    for axes, (epoch, level_or_none) in zip(panels.ravel(), places, strict=True):
        rows = points[(points["epoch"] == epoch) & (points["level"].fillna(_NONE) == level_or_none)]
        _control(axes, of_kind(rows, "random_direction"), is_log=is_log, by_chance=by_chance)
        _scatter(axes, of_kind(rows, "concept"), is_log=is_log)
        if y in AT_ONE:
            axes.axhline(1, color=ORANGE, linewidth=1.2, zorder=0, label=AT_ONE[y])
        y_words = (label or y) if axes in panels[:, 0] else ""
        dress(axes, x=K_SHORT if axes in panels[-1] else "", y=y_words)  # as the tick numbers
        known_level = None if level_or_none == _NONE else level_or_none
        level_name = level(level_or_none)
        lines = panel_lines(correlations, rows, epoch=epoch, y=y, level=known_level, level_name=level_name)
        axes.set_title("\n".join(lines), fontsize=8, loc="left", color=INK)
    if is_log:
        _make_logarithmic([*panels[:, 0]])
    if panels[0, 0].get_legend_handles_labels()[1]:
        panels[0, 0].legend(frameon=False, fontsize=8.5)
    return figure


def _make_logarithmic(first_of_rows: Sequence[Axes]) -> None:
    """Set the rows' shared axes once all panels are drawn: limits that are set earlier leave later panels out."""
    for axes in first_of_rows:
        axes.set_yscale("log")
        axes.set_ylim(bottom=FLOOR / 2)


def _control(axes: Axes, points: pd.DataFrame, *, is_log: bool, by_chance: float) -> None:
    """Draw the random directions in grey behind the concepts, and a line at their median."""
    k, value = (points[column].to_numpy(dtype=float) for column in ("complexity", "value"))
    floor, middle = FLOOR if is_log else -np.inf, float(np.median(value)) if len(value) else by_chance
    if len(value):
        area = 0.4 * point_area(len(value))
        axes.scatter(k, np.maximum(value, floor), color=MUTED, alpha=0.5, linewidth=0, s=area, zorder=1.5)
    if not math.isnan(middle):
        line = axes.axhline(max(middle, floor), color=MUTED, linestyle="--", linewidth=1.2, zorder=1.6)
        line.set_label(CONTROLS["random_direction"])


def _scatter(axes: Axes, points: pd.DataFrame, *, is_log: bool) -> None:
    """Draw the concepts, each with a line from `low` to `high` where it has one."""
    k, value = (points[column].to_numpy(dtype=float) for column in ("complexity", "value"))
    floor = FLOOR if is_log else -np.inf
    if "low" in points:
        low, high = (points[column].to_numpy(dtype=float) for column in ("low", "high"))
        axes.vlines(k, np.maximum(low, floor), np.maximum(high, floor), color=ERROR, linewidth=1, zorder=1)
    axes.scatter(k, np.maximum(value, floor), color=BLUE, s=0.6 * point_area(len(points)), zorder=2)
