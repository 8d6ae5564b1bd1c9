"""Meta-features as a tree: how clusters of concepts branch, and which branches are simple, which matter."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import (
    AMOUNT,
    INK,
    MUTED,
    SEQUENCE,
    canvas,
    colour_bar,
    dress,
    footnote,
    nothing_to_show,
)
from featcx_core.findings.meta_features import cluster_labels, tree_of_clusters

QUESTION = "How do the concepts branch, and which branches are simple, which matter?"
MOST_NAMED = 35
"""Clusters whose labels have room for words; of more, some have their number."""


def concept_dendrogram(clustered: pd.DataFrame) -> Figure:
    """Draw the tree of clusters at its four levels, coloured by mean K and by mean Γ; discs as large as branches.

    clustered: as `clustered_concepts` returns it.
    """
    inside = clustered[clustered["cluster"] >= 0]
    if inside.empty:
        return nothing_to_show(QUESTION, "no concept is in a cluster")
    tree = tree_of_clusters(inside)
    n = inside["cluster"].nunique()
    figure = canvas(QUESTION, height=2.1 + max(3.4, min(9.0, 0.24 * n)))
    panels = figure.subplots(1, 2, width_ratios=[1.4, 1.0])
    for axes, column, label in ((panels[0], "complexity", "mean K"), (panels[1], "importance", "mean Γ")):
        _branches(axes, tree, column, label)
        axes.set_ylim(inside["cluster"].max() + 0.7, -0.7)
    panels[0].set_ylabel("clusters, in the order of the tree", fontsize=10, color=INK)
    with_words, labels = n <= MOST_NAMED, cluster_labels(inside)
    _leaves(panels[0], labels if with_words else {})
    _leaves(panels[1], {leaf: str(leaf) for leaf in labels} if with_words else {})
    of_classes = ", and their most common class (how many)" if (inside["class_id"] >= 0).any() else ""
    right = f"number, its concepts{of_classes}" if with_words else "number"
    footnote(
        figure,
        f"Epoch {int(inside['epoch'].iloc[0])}: {len(inside)} concepts in {n} clusters. Discs: branches; their area is "
        f"the number of concepts. Right of a cluster: its {right}. Joined by Ward's criterion on the centres; to the "
        "right = finer, not a distance.",
    )
    return figure


def _leaves(axes: Axes, labels: dict[int, str]) -> None:
    """Write labels right of the leaves, which lie at the clusters' numbers; without labels some of the numbers."""
    axes.yaxis.tick_right()
    axes.tick_params(axis="y", length=0, labelsize=8)
    if labels:
        axes.set_yticks(list(labels), list(labels.values()))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(20, steps=[1, 2, 5, 10], integer=True))


def _branches(axes: Axes, tree: pd.DataFrame, column: str, label: str) -> None:
    """Draw the tree's lines and discs, coloured by a mean."""
    below_root = tree.loc[tree["depth"] > 0, ["depth", "place_above", "place"]]
    for depth, above, place in below_root.to_numpy(dtype=float):
        axes.plot([depth - 1, depth - 0.5, depth], [above, place, place], color=MUTED, linewidth=0.8, zorder=1)
    x, y, colour, size = (tree[name].to_numpy() for name in ("depth", "place", column, "n_concepts"))
    area = 12 + 240 * size / size[0]  # the root holds all concepts
    colours = SEQUENCE if "complexity" in column else AMOUNT
    marks = axes.scatter(x, y, c=colour, s=area, cmap=colours, edgecolors="white", linewidths=0.6, zorder=2)
    colour_bar(marks, axes, label=label, place="top")
    dress(axes, x="", y="")
    axes.grid(visible=False)
    depths = ["all", "1", "2", "3", "4", "clusters"]
    axes.set_xticks(range(len(depths)), depths)
    axes.set_xlabel("level of the dendrogram", fontsize=10, color=INK)
    axes.set_xlim(-0.4, len(depths) - 0.8)
