"""Paths of single concepts over training, matched from epoch to epoch."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from featcx_core.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    SEQUENCE,
    VERMILION,
    canvas,
    colour_bar,
    dress,
    footnote,
    legend_beside,
    nothing_to_show,
)
from featcx_core.figures.progress import along_training
from featcx_core.figures.spectrum import K_AXIS
from featcx_core.findings.passes import Progress, training_progress
from featcx_core.findings.paths import FollowedConcepts

QUESTION = "How do concepts change over training?"
MOST_PATHS = 150  # lines that can still be told apart
MOST_NAMES = 14  # names of bars that fit beside each other


def concept_paths(followed: FollowedConcepts, epochs: pd.DataFrame, *, reference_epoch: int) -> Figure:
    """Draw K and Γ of the reference epoch's concepts from birth on, their births, and the share matched above the null.

    Birth: the first epoch from which a concept's cosine stays above that of random atoms, up to the reference epoch.
    At most 150 paths are drawn, evenly along K at the reference epoch.
    """
    matches, born, living, _ = followed
    matched = matches.loc[matches["epoch"] <= reference_epoch, "epoch"].tolist()
    if len(matched) < 2:
        return nothing_to_show(QUESTION, "it takes two epochs or more whose concepts are matched")
    figure, progress = canvas(QUESTION, height=8.9), training_progress(epochs)
    grid = figure.add_gridspec(3, 2, height_ratios=[0.2, 1.0, 1.5])
    shares = figure.add_subplot(grid[1, 0])
    _shares(shares, matches, progress)
    births = figure.add_subplot(grid[1, 1])
    _births(births, born, matched, progress)
    panels = [figure.add_subplot(grid[2, place]) for place in (0, 1)]
    legend_beside(figure.add_subplot(grid[0, 0]), shares, columns=1)  # its curves run from corner to corner
    final = living[living["epoch"] == reference_epoch].sort_values("complexity")["concept"].to_numpy()
    places = np.linspace(0, len(final) - 1, min(MOST_PATHS, len(final))).round().astype(int)
    shown = living[living["concept"].isin(final[places])]
    marks = _paths(panels[0], shown, followed.medians, "complexity", reference_epoch, progress)
    _paths(panels[1], shown[shown["importance"] > 0], followed.medians, "importance", reference_epoch, progress)
    dress(panels[0], x=progress.label, y=K_AXIS)
    panels[1].set_yscale("log")
    dress(panels[1], x=progress.label, y="importance Γ  (higher = relied on more)")
    if marks is not None:
        colour_bar(marks, panels, label=f"K at epoch {reference_epoch}")
    for axes in (shares, *panels):
        along_training(axes, progress)
    footnote(
        figure,
        f"Concepts of epoch {reference_epoch}, matched one to one by the cosine of their atoms. Above the null: a "
        "larger cosine than 95 % of the pairs of random atoms. Epoch 0: before training. Thin lines: concepts, "
        f"from their birth on ({shown['concept'].nunique()} of {len(born)}); thick: the median of those born.",
    )
    return figure


def _shares(axes: Axes, matches: pd.DataFrame, progress: Progress) -> None:
    """Draw the share matched above the null and the cosines by epoch; epoch 0 has open marks."""
    epochs, places = matches["epoch"].to_numpy(dtype=int), progress.of(matches["epoch"]).to_numpy(dtype=float)
    share, cosine, null = (matches[column].to_numpy(dtype=float) for column in ("share", "cosine", "null_cosine"))
    for values, colour, style, label in (
        (share, BLUE, "-o", "matched above the null (left scale)"),
        (cosine, VERMILION, "--s", "median cosine (right scale)"),
    ):
        axes.plot(places, values, style, color=colour, markersize=4, label=label)
        axes.plot(places[epochs == 0], values[epochs == 0], style[-1], color=colour, markerfacecolor="white")
    axes.plot(places, null, ":", color=INK, linewidth=1.2, label="null: cosine of random atoms, 95 % (right)")
    dress(axes, x=progress.label, y="share of concepts")
    axes.set_ylim(-0.03, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    right = axes.secondary_yaxis("right")  # both scales run from 0 to 1
    right.set_ylabel("cosine", fontsize=10, color=INK)
    right.tick_params(labelsize=9, colors=MUTED, labelcolor=INK, length=3)
    right.spines["right"].set_color(MUTED)


def _births(axes: Axes, born: pd.DataFrame, epochs: list[int], progress: Progress) -> None:
    """Draw the number of concepts born at each checkpoint: a bar each, named by its passes where they are fractions."""
    counts = born["birth"].value_counts().reindex(epochs, fill_value=0)
    if progress.is_fine:
        names = [f"{place:.2g}" for place in progress.of(pd.Series(epochs))]
        step = -(-len(names) // MOST_NAMES)
        axes.bar(range(len(names)), counts.to_numpy(), width=0.8, color=BLUE)
        axes.set_xticks(range(0, len(names), step), names[::step], rotation=45)
    else:
        axes.bar(counts.index.to_numpy(), counts.to_numpy(), width=0.8, color=BLUE)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    dress(axes, x=f"{progress.unit} at birth (from which it stays)", y="concepts")


def _paths(
    axes: Axes, shown: pd.DataFrame, medians: pd.DataFrame, column: str, reference_epoch: int, progress: Progress
) -> PathCollection | None:
    """Draw one line a concept from its birth on, coloured by its final K, and the median; None without concepts."""
    if shown.empty:
        axes.text(0.5, 0.5, "no concept", transform=axes.transAxes, ha="center")
        return None
    last = shown[shown["epoch"] == reference_epoch].set_index("concept")["complexity"]
    lines, colours, starts = [], [], []
    for concept, rows in shown.sort_values("epoch").groupby("concept"):
        line = np.column_stack([progress.of(rows["epoch"]), rows[column]]).astype(float)
        lines.append(line)
        starts.append(line[0])
        colours.append(float(last.get(concept, np.nan)))
    scale = Normalize(np.nanmin(colours), np.nanmax(colours))
    axes.add_collection(LineCollection(lines, colors=SEQUENCE(scale(colours)), linewidths=0.8, alpha=0.55))
    first = np.array(starts)
    marks = axes.scatter(first[:, 0], first[:, 1], c=colours, cmap=SEQUENCE, norm=scale, s=12, zorder=3)
    median = medians[column].to_numpy(dtype=float)
    axes.plot(progress.of(medians["epoch"]).to_numpy(dtype=float), median, color=VERMILION, linewidth=2.4, zorder=4)
    axes.autoscale_view()
    return marks
