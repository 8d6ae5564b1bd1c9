"""Reliance: accuracy as concepts are removed, the simplest first, the most complex first, and at random."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from featcx_core.figures.canvas import MUTED, SEQUENCE, canvas, dress, nothing_to_show
from featcx_core.findings.reliance import KEPT_SHARE

QUESTION = "What is left without simple, complex and random concepts?"
LINES = {
    "complexity_ascending": ("simplest first", SEQUENCE(0.0), "o"),
    "random": ("at random", MUTED, "D"),
    "complexity_descending": ("most complex first", SEQUENCE(1.0), "s"),
}
"""Order of removal -> words, colour, marker: the ends of the complexity palette; the control is grey."""
NARROW_INCHES = 3.7


def reliance_curves(support: pd.DataFrame, *, epoch: int, is_narrow: bool = False) -> Figure:
    """Draw accuracy by the share of concepts removed, a line an order; predictions kept where there is no class.

    is_narrow: for a phone, where a wide figure would be too small to read.
    """
    rows = support[support["epoch"] == epoch]
    if rows.empty:
        return nothing_to_show(QUESTION, f"no concept was removed at epoch {epoch}")
    has_classes = bool(rows["accuracy"].notna().any())
    column, label = ("accuracy", "accuracy") if has_classes else ("predictions_kept_fraction", "predictions kept")
    figure = canvas(QUESTION, height=3.4, width=NARROW_INCHES if is_narrow else 7.2)
    axes = figure.add_subplot()
    for order, (words, colour, marker) in LINES.items():
        curve = rows[rows["order"] == order].dropna(subset=[column]).sort_values("kept_fraction")
        removed = 1 - curve["kept_fraction"].astype(float)
        axes.plot(removed, curve[column], color=colour, marker=marker, markersize=3.5, linewidth=1.8, label=words)
        if order == "random":
            whole = float(curve[column].iloc[-1]) if has_classes else 1.0  # the range is of the relative accuracy
            low, high = (curve[end].astype(float) * whole for end in ("orders_low", "orders_high"))
            axes.fill_between(removed, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.axvline(1 - KEPT_SHARE, color=MUTED, linewidth=0.8, linestyle=":")
    dress(axes, x="share of the concepts removed", y=label)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9, title="removed:", title_fontsize=9, alignment="left", loc="lower left")
    return figure
