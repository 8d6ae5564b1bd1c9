"""Meta-features: which groups of concepts are simple, which complex, and how much they matter."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import BLUE, MUTED, ORANGE, VERMILION, canvas, dress, footnote, nothing_to_show
from featcx_core.figures.spectrum import K_AXIS
from featcx_core.findings.evidence import Estimate, epochs_to_show, estimate, number

GROUPS = "Which groups of concepts are simple, which complex, and how much do they matter?"
GROUPINGS = ("cluster", "super_class")
GAMMA_AXIS = "mean importance Γ"


def last_clustered(clusters: pd.DataFrame, *, reference_epoch: int) -> int:
    """The epoch whose clusters are shown: the reference epoch, or the last that has some where that has none."""
    return max(epochs_to_show(clusters, reference_epoch=reference_epoch), default=reference_epoch)


def concepts_of(
    clusters: pd.DataFrame, complexity: pd.DataFrame, importance: pd.DataFrame, concepts: pd.DataFrame, *, epoch: int
) -> pd.DataFrame:
    """A row a concept of an epoch: its cluster and place, class, K, Γ and Hoyer sparsity; NaN for what is missing."""
    names = concepts.loc[concepts["epoch"] == epoch, ["concept", "class_id", "class_name"]]
    own = complexity[complexity["kind"] == "concept"]
    joined = clusters[clusters["epoch"] == epoch].merge(names, on="concept", how="left")
    for table, column in ((own, "complexity"), (importance, "importance"), (concepts, "hoyer")):
        rows = table.loc[table["epoch"] == epoch, ["concept", column]]
        joined = joined.merge(rows.astype({column: float}), on="concept", how="left")
    return joined


def groups_by_complexity(meta_features: pd.DataFrame, *, epoch: int) -> Figure:
    """Mean K and Γ of each cluster, and of each super-class where there are some, from simple to complex."""
    means = {of: means_of(meta_features, epoch=epoch, grouping=of) for of in GROUPINGS}
    kinds = [(title, means[of]) for title, of in (("clusters", "cluster"), ("super-classes", "super_class"))]
    kinds = [(title, rows) for title, rows in kinds if "complexity" in rows]
    if not kinds:
        return nothing_to_show(GROUPS, "no concept in a cluster has a complexity")
    heights = [max(0.9, min(8.0, 0.24 * len(rows["complexity"]))) for _, rows in kinds]
    figure = canvas(GROUPS, height=1.6 + sum(heights) + 0.5 * len(heights))
    panels = figure.subplots(len(kinds), 2, squeeze=False, sharex="col", height_ratios=heights)
    for (left, right), (title, rows) in zip(panels, kinds, strict=True):
        order = sorted(rows["complexity"], key=lambda name: rows["complexity"][name].value)
        for axes, measure in ((left, "complexity"), (right, "importance")):
            found = [(name or "none", rows[measure][name]) for name in order if name in rows.get(measure, {})]
            _intervals(axes, found, with_names=title == "super-classes" or len(order) <= 40)
            _mean_of_all(axes, means["cluster"].get(measure, {}))
            axes.tick_params(labelbottom=True)  # shared, but the rows may be far apart
            axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        dress(left, x=f"mean {K_AXIS}", y=title)
        dress(right, x=f"{GAMMA_AXIS}  (higher = relied on more)", y="")
    footnote(
        figure,
        f"Epoch {epoch}. Grey lines: 95 % bootstrap over the group's concepts; none for a single one, too short where "
        "there are few. Orange lines: over images, groups fixed. Dotted: the mean of all concepts, in a super-class or "
        "not. In brackets: the number of concepts.",
    )
    return figure


Means = dict[str, dict[str, Estimate]]
"""Measure -> group -> its mean."""


def means_of(meta_features: pd.DataFrame, *, epoch: int, grouping: str) -> Means:
    """What was measured of the groups of an epoch; empty where nothing was."""
    own = meta_features[(meta_features["epoch"] == epoch) & (meta_features["grouping"] == grouping)]
    return {
        str(measure): {str(row["group_name"]): estimate(row, "value", "n_concepts") for _, row in rows.iterrows()}
        for measure, rows in own.groupby("measure")
    }


def _intervals(axes: Axes, groups: list[tuple[str, Estimate]], *, with_names: bool) -> None:
    """A row a group, the first on top: its mean, the interval over its concepts and that over images."""
    places, found = np.arange(len(groups)), [group for _, group in groups]
    values = np.array(found, dtype=float).reshape(-1, len(Estimate._fields))
    means, low, high, n, low_images, high_images = values.T
    axes.hlines(places, low, high, color=MUTED, linewidth=1.2, zorder=1)
    axes.hlines(places, low_images, high_images, color=ORANGE, linewidth=3, alpha=0.7, zorder=1.5)
    axes.scatter(means, places, s=10 + 40 * n / n.max(initial=1), color=BLUE, zorder=2)
    ticks = (places, [f"{name} ({group.n})" for name, group in groups]) if with_names else ([],)
    axes.set_yticks(*ticks)
    axes.set_ylim(len(groups) - 0.4, -0.6)  # the simplest on top, no row on the frame


def _mean_of_all(axes: Axes, clusters: dict[str, Estimate]) -> None:
    if clusters:
        values, sizes = zip(*((group.value, group.n) for group in clusters.values()), strict=True)
        axes.axvline(float(np.average(values, weights=sizes)), color=VERMILION, linewidth=1, linestyle=":")


def groups_finding(meta_features: pd.DataFrame, *, epoch: int) -> str:
    """What clusters and super-classes show here, in one sentence with its numbers."""
    means = {of: means_of(meta_features, epoch=epoch, grouping=of) for of in GROUPINGS}
    k = means["cluster"].get("complexity", {}).values()
    if len(k) < 2:
        return "Not measured: it takes two clusters or more with a complexity."
    lowest, highest = min(k, key=lambda group: group.value), max(k, key=lambda group: group.value)
    shares = {grouping: of["complexity_explained"]["all"] for grouping, of in means.items() if of}
    said = (
        f"Mean K runs from {lowest} to {highest} over {len(k)} clusters; which cluster a concept "
        f"is in accounts for {_per_cent(shares['cluster'])} of the variance of K beyond chance"
    )
    if sum(name != "" for name in means["super_class"].get("complexity", {})) > 1:
        said += f", its super-class for {_per_cent(shares['super_class'])}"
    return (
        f"{said} (epoch {epoch}; ε²: 0 = nothing, below 0 = less than chance; bootstrap over concepts [ ] and over "
        "images { }, groups fixed)."
    )


def _per_cent(share: Estimate) -> str:
    """A share with its intervals."""
    value, low, high = (number(100 * part, digits=0) for part in share[:3])
    images = [number(100 * part, digits=0) for part in (share.low_images, share.high_images) if math.isfinite(part)]
    return f"{value} % [{low}, {high}]" + (f" {{{', '.join(images)}}}" if images else "")
