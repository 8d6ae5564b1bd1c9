"""Over training: what becomes of single concepts, matched from epoch to epoch."""

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
from featcx_core.figures.spectrum import K_AXIS
from featcx_core.findings.evidence import number
from featcx_core.measures.matching import birth_epoch

QUESTION = "How do concepts change over training?"
MOST_PATHS = 150  # lines that can still be told apart
FEWEST = 5  # concepts behind a median


def concept_paths(paths: pd.DataFrame, *, reference_epoch: int) -> Figure:
    """K and Γ of the reference epoch's concepts from their birth on, and the share that is matched above the null.

    Birth: the first epoch from which a concept's cosine stays above what random atoms reach, to the reference epoch.
    At most 150 paths are drawn, evenly along K at the reference epoch.
    """
    until = paths[paths["epoch"] <= reference_epoch]
    if until["epoch"].nunique() < 2:
        return nothing_to_show(QUESTION, "it takes two epochs or more whose concepts are matched")
    born = births(paths, reference_epoch=reference_epoch)
    figure = canvas(QUESTION, height=8.9)
    grid = figure.add_gridspec(3, 2, height_ratios=[0.2, 1.0, 1.5])
    shares = figure.add_subplot(grid[1, 0])
    _shares(shares, paths)
    _births(figure.add_subplot(grid[1, 1]), born, sorted(map(int, until["epoch"].unique())))
    panels = [figure.add_subplot(grid[2, place]) for place in (0, 1)]
    legend_beside(figure.add_subplot(grid[0, 0]), shares, columns=1)  # its curves run from corner to corner
    alive = until.merge(born, on="concept")
    alive = alive[alive["epoch"] >= alive["birth"]].dropna(subset=["complexity"])
    final = alive[alive["epoch"] == reference_epoch].sort_values("complexity")["concept"].to_numpy()
    places = np.linspace(0, len(final) - 1, min(MOST_PATHS, len(final))).round().astype(int)
    shown = alive[alive["concept"].isin(final[places])]
    marks = _paths(panels[0], shown, alive, "complexity", reference_epoch)
    _paths(panels[1], shown[shown["importance"] > 0], alive, "importance", reference_epoch)
    dress(panels[0], x="epoch", y=K_AXIS)
    panels[1].set_yscale("log")
    dress(panels[1], x="epoch", y="importance Γ  (higher = relied on more)")
    if marks is not None:
        colour_bar(marks, panels, label=f"K at epoch {reference_epoch}")
    for axes in figure.axes[:4]:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    footnote(
        figure,
        f"Concepts of epoch {reference_epoch}, matched one to one by the cosine of their atoms. Above the null: a "
        "larger cosine than 95 % of the pairs of random atoms. Epoch 0: before training. Thin lines: concepts, "
        f"from their birth on ({shown['concept'].nunique()} of {len(born)}); thick: the median of those born.",
    )
    return figure


def births(paths: pd.DataFrame, *, reference_epoch: int) -> pd.DataFrame:
    """Columns `concept` and `birth`, the epoch from which its match stays above the null; concepts never born not."""
    until = paths[paths["epoch"] <= reference_epoch]
    above = until.assign(above=until["cosine"] > until["null_cosine"]).pivot(
        index="epoch", columns="concept", values="above"
    )
    born = birth_epoch(above.fillna(value=False).to_numpy(dtype=bool), above.index.to_numpy(dtype=int))
    frame = pd.DataFrame({"concept": above.columns.to_numpy(dtype=int), "birth": born})
    return frame[frame["birth"] >= 0].reset_index(drop=True)


def paths_finding(paths: pd.DataFrame, *, reference_epoch: int) -> str:
    """What the paths show here, in one sentence with its numbers."""
    until = paths[paths["epoch"] <= reference_epoch]
    epochs = sorted(int(epoch) for epoch in until["epoch"].unique())
    if len(epochs) < 2:
        return "Not measured: it takes two epochs or more whose concepts are matched."
    born = births(paths, reference_epoch=reference_epoch)
    first = _share_above(until[until["epoch"] == epochs[0]])
    said = (
        f"Of the {until['concept'].nunique()} concepts of epoch {reference_epoch}, {number(100 * first, digits=0)} % "
        f"are matched above the null at epoch {epochs[0]}"
    )
    if born.empty:
        return f"{said}."
    half = float(born["birth"].median())
    ends = until.merge(born, on="concept")
    start = ends[ends["epoch"] == ends["birth"]].set_index("concept")["complexity"]
    end = ends[ends["epoch"] == reference_epoch].set_index("concept")["complexity"]
    change = (end - start)[born.loc[born["birth"] < reference_epoch, "concept"]].dropna()
    moved = ""
    if len(change):
        moved = (
            f"; from birth on, K falls for {number(100 * float((change < 0).mean()), digits=0)} % of those born before "
            f"the end (median change {number(float(change.median()))})"
        )
    return f"{said}; half of them are there to stay by epoch {half:.0f}{moved}."


def _share_above(rows: pd.DataFrame) -> float:
    matched = rows.dropna(subset=["cosine"])
    return float((matched["cosine"] > matched["null_cosine"]).mean()) if len(matched) else float("nan")


def _shares(axes: Axes, paths: pd.DataFrame) -> None:
    by_epoch = paths.groupby("epoch")
    epochs = np.unique(paths["epoch"].to_numpy(dtype=int))
    share = np.array([_share_above(by_epoch.get_group(epoch)) for epoch in epochs])
    cosine = by_epoch["cosine"].median().reindex(epochs).to_numpy(dtype=float)
    null = by_epoch["null_cosine"].first().reindex(epochs).to_numpy(dtype=float)
    for values, colour, style, label in (
        (share, BLUE, "-o", "matched above the null (left scale)"),
        (cosine, VERMILION, "--s", "median cosine (right scale)"),
    ):
        axes.plot(epochs, values, style, color=colour, markersize=4, label=label)
        axes.plot(epochs[epochs == 0], values[epochs == 0], style[-1], color=colour, markerfacecolor="white")
    axes.plot(epochs, null, ":", color=INK, linewidth=1.2, label="null: cosine of random atoms, 95 % (right)")
    dress(axes, x="epoch", y="share of concepts")
    axes.set_ylim(-0.03, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    right = axes.secondary_yaxis("right")  # both scales run from 0 to 1
    right.set_ylabel("cosine", fontsize=10, color=INK)
    right.tick_params(labelsize=9, colors=MUTED, labelcolor=INK, length=3)
    right.spines["right"].set_color(MUTED)


def _births(axes: Axes, born: pd.DataFrame, epochs: list[int]) -> None:
    counts = born["birth"].value_counts().reindex(epochs, fill_value=0)
    axes.bar(counts.index.to_numpy(), counts.to_numpy(), width=0.8, color=BLUE)
    dress(axes, x="epoch of birth (from which it stays)", y="concepts")


def _paths(
    axes: Axes, shown: pd.DataFrame, alive: pd.DataFrame, column: str, reference_epoch: int
) -> PathCollection | None:
    if shown.empty:
        axes.text(0.5, 0.5, "no concept", transform=axes.transAxes, ha="center")
        return None
    last = shown[shown["epoch"] == reference_epoch].set_index("concept")["complexity"]
    lines, colours, starts = [], [], []
    for concept, rows in shown.sort_values("epoch").groupby("concept"):
        line = rows[["epoch", column]].to_numpy(dtype=float)
        lines.append(line)
        starts.append(line[0])
        colours.append(float(last.get(concept, np.nan)))
    scale = Normalize(np.nanmin(colours), np.nanmax(colours))
    axes.add_collection(LineCollection(lines, colors=SEQUENCE(scale(colours)), linewidths=0.8, alpha=0.55))
    first = np.array(starts)
    marks = axes.scatter(first[:, 0], first[:, 1], c=colours, cmap=SEQUENCE, norm=scale, s=12, zorder=3)
    median = alive.groupby("epoch")[column].median()[alive.groupby("epoch").size() >= FEWEST]
    axes.plot(median.index.to_numpy(), median.to_numpy(dtype=float), color=VERMILION, linewidth=2.4, zorder=4)
    axes.autoscale_view()
    return marks
