"""Meta-features: which groups of concepts are simple, which complex, and how much they matter."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import BLUE, MUTED, VERMILION, canvas, dress, footnote, nothing_to_show
from featcx_core.figures.evidence import Estimate, epochs_to_show, number
from featcx_core.figures.explained import explained
from featcx_core.figures.spectrum import K_AXIS
from featcx_core.measures.group_means import GroupMean, group_means

GROUPS = "Which groups of concepts are simple, which complex, and how much do they matter?"
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


def groups_by_complexity(known: pd.DataFrame) -> Figure:
    """Mean K and Γ of each cluster, and of each super-class where there are some, from simple to complex."""
    inside = known[known["cluster"] >= 0].dropna(subset=["complexity"])
    if inside.empty:
        return nothing_to_show(GROUPS, "no concept in a cluster has a complexity")
    with_none = inside.assign(super_class=inside["super_class"].replace("", "none"))
    has_names = bool((inside["super_class"] != "").any())
    kinds = [("clusters", inside, "cluster")] + ([("super-classes", with_none, "super_class")] if has_names else [])
    heights = [max(0.9, min(8.0, 0.24 * rows[column].nunique())) for _, rows, column in kinds]
    figure = canvas(GROUPS, height=1.6 + sum(heights) + 0.5 * len(heights))
    panels = figure.subplots(len(kinds), 2, squeeze=False, sharex="col", height_ratios=heights)
    for (left, right), (title, rows, column) in zip(panels, kinds, strict=True):
        means = [
            group_means(rows[c].to_numpy(dtype=float), rows[column].tolist()) for c in ("complexity", "importance")
        ]
        order = np.argsort([group.mean for group in means[0]], kind="stable")
        for axes, found in ((left, means[0]), (right, means[1])):
            _intervals(axes, [found[i] for i in order], with_names=column == "super_class")
        left.axvline(float(inside["complexity"].mean()), color=VERMILION, linewidth=1, linestyle=":")
        right.axvline(float(inside["importance"].mean()), color=VERMILION, linewidth=1, linestyle=":")
        dress(left, x=f"mean {K_AXIS}", y=title)
        dress(right, x=f"{GAMMA_AXIS}  (higher = relied on more)", y="")
        for axes in (left, right):
            axes.tick_params(labelbottom=True)  # shared, but the rows may be far apart
            axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    footnote(
        figure,
        f"Epoch {int(inside['epoch'].iloc[0])}. Lines: 95 % bootstrap over the group's concepts; none for a single "
        "one, too short where there are few. Dotted: the mean of all concepts, in a super-class or not. In brackets: "
        "the number of concepts.",
    )
    return figure


def _intervals(axes: Axes, groups: Sequence[GroupMean], *, with_names: bool) -> None:
    places = np.arange(len(groups))
    most = max(group.n for group in groups)
    means, low, high = (np.array([group[i] for group in groups], dtype=float) for i in (2, 3, 4))
    axes.hlines(places, low, high, color=MUTED, linewidth=1.2, zorder=1)
    axes.scatter(means, places, s=[10 + 40 * group.n / most for group in groups], color=BLUE, zorder=2)
    if with_names or len(groups) <= 40:
        axes.set_yticks(places, [f"{group.group} ({group.n})" for group in groups])
    else:
        axes.set_yticks([])
    axes.set_ylim(len(groups) - 0.4, -0.6)  # the simplest on top, no row on the frame


def groups_finding(known: pd.DataFrame) -> str:
    """What clusters and super-classes show here, in one sentence with its numbers."""
    inside = known[known["cluster"] >= 0].dropna(subset=["complexity"])
    if inside["cluster"].nunique() < 2:
        return "Not measured: it takes two clusters or more with a complexity."
    share = _explained(inside, "cluster")
    k = group_means(inside["complexity"].to_numpy(dtype=float), inside["cluster"].tolist())
    lowest, highest = min(k, key=lambda g: g.mean), max(k, key=lambda g: g.mean)
    said = (
        f"Mean K runs from {_estimate(lowest)} to {_estimate(highest)} over {len(k)} clusters; which cluster a concept "
        f"is in accounts for {_per_cent(share)} of the variance of K beyond chance"
    )
    named = inside[inside["super_class"] != ""]
    if named["super_class"].nunique() > 1:
        said += f", its super-class for {_per_cent(_explained(named, 'super_class'))}"
    return (
        f"{said} (epoch {int(inside['epoch'].iloc[0])}; ε²: 0 = nothing, below 0 = less than chance; [ ]: bootstrap "
        "over concepts, groups fixed)."
    )


def _explained(rows: pd.DataFrame, column: str) -> Estimate:
    return explained(rows["complexity"].to_numpy(dtype=float), rows[column].tolist())


def _per_cent(share: Estimate) -> str:
    """An estimate of a share, with its interval."""
    value, low, high = (number(100 * part, digits=0) for part in share[:3])
    return f"{value} % [{low}, {high}]"


def _estimate(group: GroupMean) -> str:
    interval = f" [{number(group.low)}, {number(group.high)}]" if group.n > 1 else ""
    return f"{number(group.mean)}{interval}"
