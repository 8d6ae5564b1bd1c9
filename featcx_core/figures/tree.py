"""Meta-features as a tree: how clusters of concepts branch, and which branches are simple, which matter."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import INK, MUTED, SEQUENCE, canvas, colour_bar, dress, footnote, nothing_to_show

QUESTION = "How do the concepts branch, and which branches are simple, which matter?"
LEVELS = ("level_1", "level_2", "level_3", "level_4", "cluster")
MOST_NAMED = 35
"""Clusters whose labels have room for words; of more, some have their number."""
_LONGEST = 16
"""Letters of a class's name."""


def concept_dendrogram(known: pd.DataFrame) -> Figure:
    """The tree of clusters at its four levels, coloured by mean K and by mean Γ; discs as large as branches."""
    inside = known[known["cluster"] >= 0]
    if inside.empty:
        return nothing_to_show(QUESTION, "no concept is in a cluster")
    n = inside["cluster"].nunique()
    figure = canvas(QUESTION, height=2.1 + max(3.4, min(9.0, 0.24 * n)))
    panels = figure.subplots(1, 2, width_ratios=[1.4, 1.0])
    for axes, column, label in ((panels[0], "complexity", "mean K"), (panels[1], "importance", "mean Γ")):
        _branches(axes, inside, column, label)
    panels[0].set_ylabel("clusters, in the order of the tree", fontsize=10, color=INK)
    with_words, labels = n <= MOST_NAMED, leaf_labels(inside)
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


def leaf_labels(inside: pd.DataFrame) -> dict[int, str]:
    """Cluster -> its number, concepts, and most common class with its concepts, where concepts are of classes."""
    labels = {}
    for cluster, rows in _by(inside, inside["cluster"]):
        common = rows.loc[rows["class_id"] >= 0, "class_name"].value_counts().sort_index().nlargest(1)
        of_class = [
            f"class {str(name)[:_LONGEST].strip()} ({count})" if count > 1 or len(rows) == 1 else "no class twice"
            for name, count in common.items()
        ]
        labels[cluster] = " · ".join([str(cluster), f"{len(rows)} concept{'s' * (len(rows) > 1)}", *of_class])
    return labels


def _leaves(axes: Axes, labels: dict[int, str]) -> None:
    """Labels right of the leaves, which lie at the clusters' numbers; without labels some of the numbers."""
    axes.yaxis.tick_right()
    axes.tick_params(axis="y", length=0, labelsize=8)
    if labels:
        axes.set_yticks(list(labels), list(labels.values()))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(20, steps=[1, 2, 5, 10], integer=True))


def _branches(axes: Axes, inside: pd.DataFrame, column: str, label: str) -> None:
    columns = [("all", pd.Series(0, index=inside.index)), *((name, inside[name]) for name in LEVELS)]
    place: list[dict[int, float]] = [
        {branch: float(rows["cluster"].unique().mean()) for branch, rows in _by(inside, group)} for _, group in columns
    ]
    for depth in range(1, len(columns)):
        pairs = pd.DataFrame({"up": columns[depth - 1][1], "down": columns[depth][1]}).drop_duplicates()
        for up, down in pairs.to_numpy():
            at = place[depth - 1][up], place[depth][down]
            axes.plot([depth - 1, depth - 0.5, depth], [at[0], at[1], at[1]], color=MUTED, linewidth=0.8, zorder=1)
    x, y, colour, size = [], [], [], []
    for depth, (_, group) in enumerate(columns):
        for branch, rows in _by(inside, group):
            x.append(depth)
            y.append(place[depth][branch])
            colour.append(float(rows[column].mean()))
            size.append(len(rows))
    area = 12 + 240 * np.array(size) / len(inside)
    marks = axes.scatter(x, y, c=colour, s=area, cmap=SEQUENCE, edgecolors="white", linewidths=0.6, zorder=2)
    colour_bar(marks, axes, label=label, place="top")
    dress(axes, x="", y="")
    axes.grid(visible=False)
    axes.set_xticks(range(len(columns)), ["all", "1", "2", "3", "4", "clusters"])
    axes.set_xlabel("level of the dendrogram", fontsize=10, color=INK)
    axes.set_xlim(-0.4, len(columns) - 0.8)
    axes.set_ylim(inside["cluster"].max() + 0.7, -0.7)


def _by(inside: pd.DataFrame, group: "pd.Series[int]") -> Iterator[tuple[int, pd.DataFrame]]:
    """Branches and their concepts."""
    for branch in np.unique(group.to_numpy(dtype=int)):
        yield int(branch), inside[group == branch]
