"""Meta-features: which concepts lie near each other, how they branch, and which groups are simple or complex."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from featcx_core.figures.canvas import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    SEQUENCE,
    SKY,
    VERMILION,
    canvas,
    colour_bar,
    dress,
    footnote,
    nothing_to_show,
    point_area,
    say,
)  # fmt: skip
from featcx_core.figures.evidence import number
from featcx_core.figures.spectrum import K_AXIS
from featcx_core.measures.group_means import GroupMean, group_means

MAP = "Which concepts lie near each other?"
TREE = "How do the concepts branch, and which branches are simple, which matter?"
GROUPS = "Which groups of concepts are simple, which complex, and how much do they matter?"
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE, INK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LEVELS = ("level_1", "level_2", "level_3", "level_4", "cluster")
GAMMA_AXIS = "mean importance Γ"


def concepts_of(
    clusters: pd.DataFrame, complexity: pd.DataFrame, importance: pd.DataFrame, concepts: pd.DataFrame, *, epoch: int
) -> pd.DataFrame:
    """A row a concept of an epoch: its cluster and place, class, K, Γ and Hoyer sparsity; NaN for what is missing."""
    own = complexity[complexity["kind"] == "concept"]
    joined = clusters[clusters["epoch"] == epoch]
    for table, column in ((own, "complexity"), (importance, "importance"), (concepts, "hoyer")):
        rows = table.loc[table["epoch"] == epoch, ["concept", column]]
        joined = joined.merge(rows.astype({column: float}), on="concept", how="left")
    return joined


def concept_map(known: pd.DataFrame) -> Figure:
    """The plane of the atoms, four times: coloured by K, Γ (log), the atom's Hoyer sparsity and the super-class."""
    placed = known.dropna(subset=["x", "y"])
    if placed.empty:
        return nothing_to_show(MAP, "no concept has a place on the plane")
    epoch = int(placed["epoch"].iloc[0])
    figure = canvas(MAP, height=8.2)
    panels = figure.subplots(2, 2).ravel()
    _coloured(panels[0], placed, "complexity", "complexity K  (0 = simple, 1 = complex)", is_log=False)
    _coloured(panels[1], placed, "importance", "importance Γ  (log; higher = relied on more)", is_log=True)
    _coloured(panels[2], placed, "hoyer", "Hoyer sparsity of the atom  (1 = a single unit)", is_log=False)
    _super_classes(panels[3], placed)
    for axes in panels:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_aspect("equal", adjustable="datalim")
    footnote(
        figure,
        f"Epoch {epoch}: {len(placed)} atoms, {len(known) - len(placed)} zero ones left out. Near = atoms that point "
        "the same way; distances between far groups and the axes themselves mean nothing. Grey: no value.",
    )
    return figure


def _coloured(axes: Axes, placed: pd.DataFrame, column: str, label: str, *, is_log: bool) -> None:
    values = placed[column].to_numpy(dtype=float)
    has = values > 0 if is_log else np.isfinite(values)
    x, y = placed[["x", "y"]].to_numpy(dtype=float).T
    area = point_area(len(placed))
    axes.scatter(x[~has], y[~has], color=GRID, s=area)
    dress(axes, x="", y="", title=label)
    if has.any():
        low, high = float(values[has].min()), float(values[has].max())
        scale = LogNorm(low, high) if is_log and low < high else Normalize(low, high)
        colour_bar(axes.scatter(x[has], y[has], c=values[has], cmap=SEQUENCE, norm=scale, s=area), axes, label="")


def _super_classes(axes: Axes, placed: pd.DataFrame) -> None:
    names = placed.loc[placed["super_class"] != "", "super_class"].value_counts()
    if names.empty:
        say(axes, "the study names no super-classes (data.superclasses)")
        return
    dress(axes, x="", y="", title="super-class")
    x, y = placed[["x", "y"]].to_numpy(dtype=float).T
    area = point_area(len(placed))
    shown = list(names.index[: len(PALETTE)])
    others = ~placed["super_class"].isin(shown).to_numpy()
    if others.any():
        label = "none" if set(placed.loc[others, "super_class"]) == {""} else "others or none"
        axes.scatter(x[others], y[others], color=GRID, s=area, label=label)
    for name, colour, marker in zip(shown, PALETTE, MARKERS, strict=False):
        chosen = (placed["super_class"] == name).to_numpy()
        axes.scatter(x[chosen], y[chosen], color=colour, marker=marker, s=area, label=str(name)[:24])
    axes.legend(frameon=False, fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4)


def concept_dendrogram(known: pd.DataFrame) -> Figure:
    """The tree of clusters at its four levels, coloured by mean K and by mean Γ; discs as large as branches."""
    inside = known[known["cluster"] >= 0]
    if inside.empty:
        return nothing_to_show(TREE, "no concept is in a cluster")
    n = inside["cluster"].nunique()
    figure = canvas(TREE, height=1.7 + max(3.4, min(9.0, 0.24 * n)))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, column, label in ((panels[0], "complexity", "mean K"), (panels[1], "importance", "mean Γ")):
        _branches(axes, inside, column, label)
    panels[0].set_ylabel("clusters, in the order of the tree", fontsize=10, color=INK)
    footnote(
        figure,
        f"Epoch {int(inside['epoch'].iloc[0])}: {len(inside)} concepts in {n} clusters. Discs: branches; their area is "
        "the number of concepts. Joined by Ward's criterion on the centres; to the right = finer, not a distance.",
    )
    return figure


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
    colour_bar(marks, axes, label=label)
    dress(axes, x="", y="")
    axes.grid(visible=False)
    axes.set_xticks(range(len(columns)), ["all", "1", "2", "3", "4", "clusters"])
    axes.set_xlabel("level of the dendrogram", fontsize=10, color=INK)
    axes.set_yticks([])
    axes.invert_yaxis()


def _by(inside: pd.DataFrame, group: "pd.Series[int]") -> Iterator[tuple[int, pd.DataFrame]]:
    """Branches and their concepts."""
    for branch in np.unique(group.to_numpy(dtype=int)):
        yield int(branch), inside[group == branch]


def groups_by_complexity(known: pd.DataFrame) -> Figure:
    """Mean K and Γ of each cluster, and of each super-class where there are some, from simple to complex."""
    inside = known[known["cluster"] >= 0].dropna(subset=["complexity"])
    if inside.empty:
        return nothing_to_show(GROUPS, "no concept in a cluster has a complexity")
    named = inside[inside["super_class"] != ""]
    kinds = [("clusters", inside, "cluster")] + ([("super-classes", named, "super_class")] if len(named) else [])
    heights = [max(0.9, min(8.0, 0.24 * rows[column].nunique())) for _, rows, column in kinds]
    figure = canvas(GROUPS, height=1.6 + sum(heights) + 0.5 * len(heights))
    panels = figure.subplots(len(kinds), 2, squeeze=False, height_ratios=heights)
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
    footnote(
        figure,
        "Lines: 95 % bootstrap over the group's concepts; none for a single one, too short for few. Dotted: the mean "
        "of all concepts, in a super-class or not. In brackets: concepts.",
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
    axes.invert_yaxis()


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
        f"is in accounts for {number(100 * share, digits=0)} % of the variance of K beyond chance"
    )
    named = inside[inside["super_class"] != ""]
    if named["super_class"].nunique() > 1:
        said += f", its super-class for {number(100 * _explained(named, 'super_class'), digits=0)} %"
    return f"{said} (ε²: 0 = nothing, below 0 = less than chance)."


def _explained(rows: pd.DataFrame, column: str) -> float:
    """ε² of K between groups: 1 - within-group mean square / total mean square; 0 expected of random groups."""
    k, n, groups = rows["complexity"].astype(float), len(rows), rows[column].nunique()
    within = float((k - k.groupby(rows[column]).transform("mean")).pow(2).sum())
    total = float((k - k.mean()).pow(2).sum())
    return float("nan") if n == groups or total == 0 else 1 - within / (n - groups) / (total / (n - 1))


def _estimate(group: GroupMean) -> str:
    interval = f" [{number(group.low)}, {number(group.high)}]" if group.n > 1 else ""
    return f"{number(group.mean)}{interval}"
