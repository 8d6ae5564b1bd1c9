"""Complexity against importance, and complexity against the time to decode."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
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
    nothing_to_show,
    point_area,
)
from featcx_core.figures.spectrum import K_AXIS
from featcx_core.findings.correlations import correlation, raw_and_partial
from featcx_core.findings.passes import Progress, training_progress
from featcx_core.findings.selection import epoch_name

MOST_COLUMNS = 3
MOST_COLOURS = 6
"""Epochs whose colours can be told apart; a bar shows the order of more epochs."""


def complexity_against_importance(
    complexity: pd.DataFrame, importance: pd.DataFrame, correlations: pd.DataFrame, *, epochs: Sequence[int]
) -> Figure:
    """Draw K against Γ (log axis, zeros on the floor), one panel an epoch, coloured by prevalence.

    The panel titles carry Spearman's correlation, raw and partial (prevalence and variance held fixed), with
    intervals. Epochs without a scored concept are left out.
    """
    question = "Does the network rely on its simple concepts more than on its complex ones?"
    points = _joined(complexity, importance, on=["epoch", "concept"], columns=["importance", "prevalence_fraction"])
    points = points.dropna(subset=["complexity", "importance"])
    shown = [epoch for epoch in epochs if (points["epoch"] == epoch).any()]
    if not shown:
        return nothing_to_show(question, "no concept of these epochs has both a complexity and an importance")
    columns = min(MOST_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = canvas(question, height=1.2 + 3.4 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    positive = points.loc[points["epoch"].isin(shown) & (points["importance"] > 0), "importance"]
    floor = float(positive.min()) / 2 if len(positive) else 1.0
    most_prevalent = float(points.loc[points["epoch"].isin(shown), "prevalence_fraction"].max())
    for panel, epoch in zip(panels, shown, strict=False):
        _importance_panel(panel, points[points["epoch"] == epoch], floor=floor, most_prevalent=most_prevalent)
        raw, partial = raw_and_partial(correlations, epoch=epoch, y="importance")
        lines = [epoch_name(epoch), f"Spearman {raw}", f"partial {partial}"]
        panel.set_title("\n".join(lines), fontsize=10, loc="left", color=INK)
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    colour_bar(panels[0].collections[0], list(panels), label="prevalence (share of images)")
    zeros = int((points["importance"].le(0) & points["epoch"].isin(shown)).sum())
    on_floor = f" Triangles: importance exactly 0 ({zeros})." if zeros else ""
    footnote(
        figure,
        f"Partial: prevalence and variance held fixed.{_of_class(correlations, shown[-1])}{on_floor}",
    )
    return figure


def _of_class(correlations: pd.DataFrame, epoch: int) -> str:
    """Return a sentence on K and Γ with class information held fixed; empty where it was not measured."""
    partial = correlation(correlations, epoch=epoch, y="importance", controls="class_information")
    return f" Class information held fixed, {epoch_name(epoch)}: {partial}." if partial.n else ""


def complexity_against_decode_time(
    complexity: pd.DataFrame, decode_time: pd.DataFrame, correlations: pd.DataFrame, epochs: pd.DataFrame
) -> Figure:
    """Draw K against normalised Λ of the reference concepts, coloured by the first epoch at half of the end."""
    question = "Are complex concepts learned later than simple ones?"
    late = decode_time.rename(columns={"reference_epoch": "epoch"})
    points = _joined(complexity, late, on=["epoch", "concept"], columns=["decode_time_normalised", "first_epoch"])
    points = points.dropna(subset=["complexity", "decode_time_normalised"])
    if points.empty:
        return nothing_to_show(question, "no concept has both a complexity and a time to decode")
    epoch = int(points["epoch"].iloc[0])
    figure = canvas(question, height=5.2)
    axes = figure.add_subplot()
    _by_first_epoch(axes, points, training_progress(epochs))
    lines = []
    for method in ("spearman", "pearson"):
        raw, partial = raw_and_partial(correlations, epoch=epoch, y="decode_time_normalised", method=method)
        lines.append(f"{method.capitalize()} {raw},  partial {partial}")
    x = "time to decode Λ, relative to the information at the end  (low = available early, high = late)"
    dress(axes, x=x, y=K_AXIS, title="\n".join(lines))
    plain = correlation(correlations, epoch=epoch, y="decode_time")
    footnote(
        figure,
        f"{len(points)} concepts of epoch {epoch}. Partial: prevalence and variance held fixed. "
        f"Spearman of K and Λ that is not relative: {plain}.",
    )
    return figure


def _by_first_epoch(axes: Axes, points: pd.DataFrame, progress: Progress) -> None:
    """Draw the points of K and Λ: a colour for each of few first epochs, a scale of colours for many."""
    which = "passes until" if progress.is_fine else "first epoch with"
    label, area = f"{which} half of its information", point_area(len(points))
    first = progress.of(points["first_epoch"]).to_numpy(dtype=float)
    epochs = np.unique(first[np.isfinite(first)])
    x, y = (points[column].to_numpy(dtype=float) for column in ("decode_time_normalised", "complexity"))
    never = np.isnan(first)
    if never.any():
        axes.scatter(x[never], y[never], color=MUTED, s=area, marker="x", label=f"never ({never.sum()})")
    if len(epochs) > MOST_COLOURS:
        marks = axes.scatter(x[~never], y[~never], c=first[~never], cmap=AMOUNT, s=area)
        colour_bar(marks, axes, label=label, is_integer=not progress.is_fine)
    else:
        for epoch, colour in zip(epochs, AMOUNT(np.linspace(0, 1, len(epochs))), strict=True):
            is_first = first == epoch
            axes.scatter(x[is_first], y[is_first], color=colour, s=area, label=f"{epoch:.3g} ({is_first.sum()})")
    if axes.get_legend_handles_labels()[1]:  # outside: its marks are those of the points
        named = {"title": textwrap.fill(label, 18), "title_fontsize": 9, "alignment": "left"}
        axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0), **named)


def _joined(complexity: pd.DataFrame, other: pd.DataFrame, *, on: list[str], columns: list[str]) -> pd.DataFrame:
    """Return the concepts' K beside columns of another table."""
    concepts = complexity.loc[complexity["kind"] == "concept", [*on, "complexity"]]
    return concepts.merge(other[[*on, *columns]], on=on)


def _importance_panel(axes: Axes, points: pd.DataFrame, *, floor: float, most_prevalent: float) -> None:
    """Draw the points of K and Γ of one epoch; an importance of 0 is a triangle on the floor."""
    gamma, scores, prevalence = (
        points[column].to_numpy(dtype=float) for column in ("importance", "complexity", "prevalence_fraction")
    )
    area, scale = point_area(len(points)), Normalize(0, most_prevalent)
    for is_shown, marker in ((gamma > 0, "o"), (gamma <= 0, "v")):
        axes.scatter(
            scores[is_shown],
            np.maximum(gamma[is_shown], floor),
            c=prevalence[is_shown],
            cmap=AMOUNT,
            norm=scale,
            s=area,
            marker=marker,
            alpha=0.85,
        )
    axes.set_yscale("log")
    dress(axes, x="K  (0 = simple, 1 = complex)", y="")
    if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.set_ylabel("importance Γ  (higher = relied on more)", fontsize=10, color=INK)
