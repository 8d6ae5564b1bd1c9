"""Inhibitors: concepts whose presence lowers the logit of the predicted class."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from featcx_core.figures.canvas import (
    INK,
    MUTED,
    SEQUENCE,
    canvas,
    colour_bar,
    dress,
    footnote,
    nothing_to_show,
    point_area,
)
from featcx_core.findings.inhibitors import N_LISTED, strongest_inhibitors

QUESTION = "Which concepts speak against the prediction?"


def inhibitors(contributions: pd.DataFrame, *, epoch: int) -> Figure:
    """Draw signed against absolute importance, coloured by K, above a list of the strongest inhibitors.

    contributions: as `signed_contributions` returns it.
    """
    if contributions.empty:
        return nothing_to_show(QUESTION, f"no concept of epoch {epoch} has an importance")
    n_against = int((contributions["signed_importance"] < 0).sum())
    list_height = 0.18 * (min(N_LISTED, n_against or len(contributions)) + 1)
    figure = canvas(QUESTION, height=5.7 + list_height)
    axes, text = figure.subplots(2, 1, height_ratios=[4.2, list_height])
    gamma, signed, k = (
        contributions[column].to_numpy(dtype=float) for column in ("importance", "signed_importance", "complexity")
    )
    area, scale = point_area(len(contributions)), Normalize(0, 1)
    marks = axes.scatter(gamma, signed, c=k, cmap=SEQUENCE, norm=scale, s=area, plotnonfinite=True, zorder=3)
    most = float(gamma.max()) * 1.05
    axes.plot([0, most], [0, most], ":", color=MUTED, linewidth=1)
    axes.plot([0, most], [0, -most], ":", color=MUTED, linewidth=1)
    axes.axhline(0, color=INK, linewidth=0.8)
    low = min(float(signed.min()), 0.0)
    axes.set_ylim(low - 0.08 * most, most)
    dress(axes, x="importance Γ  (mean size of the contribution)", y="signed importance  (below 0: inhibitor)")
    colour_bar(marks, axes, label="complexity K  (0 = simple)")
    _list(text, contributions)
    footnote(
        figure,
        f"Epoch {epoch}: {len(contributions)} concepts, {n_against} of them below 0. Dotted: contributions of one sign "
        "only. Contribution: the code times the atom's weight for the predicted class. Against: its negative share. "
        "Grey: no K.",
    )
    return figure


def _list(axes: Axes, contributions: pd.DataFrame) -> None:
    """Write the list of the strongest inhibitors."""
    axes.set_axis_off()
    title, text = strongest_inhibitors(contributions)
    axes.set_title(title, fontsize=10, loc="left", color=INK)
    axes.text(0.0, 0.98, text, va="top", fontsize=8, family="monospace", color=INK, linespacing=1.6)
