"""Meta-features: clusters and super-classes of concepts, their means, labels and tree."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float

from featcx_core.findings.evidence import Estimate, estimate, in_percent, number
from featcx_core.measures.group_means import range_by_chance

GROUPINGS = ("cluster", "super_class")
LEVELS = ("level_1", "level_2", "level_3", "level_4", "cluster")
"""Columns of a concept's branch at each level of the tree, from coarse to fine."""
_LONGEST_NAME = 16
"""Letters of a class's name in a label."""

GroupMeans = dict[str, dict[str, Estimate]]
"""Measure -> group -> its mean."""


def clustered_concepts(
    clusters: pd.DataFrame, complexity: pd.DataFrame, importance: pd.DataFrame, concepts: pd.DataFrame, *, epoch: int
) -> pd.DataFrame:
    """Return one row per concept of an epoch: cluster and place, class, K, Γ and Hoyer sparsity; NaN where unknown."""
    names = concepts.loc[concepts["epoch"] == epoch, ["concept", "class_id", "class_name"]]
    scored = complexity[complexity["kind"] == "concept"]
    joined = clusters[clusters["epoch"] == epoch].merge(names, on="concept", how="left")
    for table, column in ((scored, "complexity"), (importance, "importance"), (concepts, "hoyer")):
        rows = table.loc[table["epoch"] == epoch, ["concept", column]]
        joined = joined.merge(rows.astype({column: float}), on="concept", how="left")
    return joined


def means_of_groups(meta_features: pd.DataFrame, *, epoch: int, grouping: str) -> GroupMeans:
    """Return the means of an epoch's clusters or super-classes; empty where nothing was measured."""
    at_epoch = meta_features[(meta_features["epoch"] == epoch) & (meta_features["grouping"] == grouping)]
    return {
        str(measure): {str(row["group_name"]): estimate(row, "value", "n_concepts") for _, row in rows.iterrows()}
        for measure, rows in at_epoch.groupby("measure")
    }


def mean_of_all(means: dict[str, Estimate]) -> float:
    """Return the mean over all concepts from the means of groups that share them out; NaN without groups.

    >>> mean_of_all({"0": Estimate(0.25, 0.1, 0.3, 3), "1": Estimate(0.75, 0.5, 0.8, 1)})
    0.375
    """
    if not means:
        return math.nan
    values, sizes = zip(*((group.value, group.n) for group in means.values()), strict=True)
    return float(np.average(values, weights=sizes))


def groups_finding(meta_features: pd.DataFrame, complexity: Float[np.ndarray, "concept"], *, epoch: int) -> str:
    """Return one sentence with numbers on the complexity of clusters and super-classes.

    complexity: K of the concepts that are in a cluster, to say what the range of means is by chance.
    """
    means = {grouping: means_of_groups(meta_features, epoch=epoch, grouping=grouping) for grouping in GROUPINGS}
    k = means["cluster"].get("complexity", {}).values()
    if len(k) < 2:
        return "Not measured: it takes two clusters or more with a complexity."
    lowest, highest = min(k, key=lambda group: group.value), max(k, key=lambda group: group.value)
    by_chance = " to ".join(map(number, range_by_chance(complexity, [group.n for group in k])))
    shares = {grouping: measured["complexity_explained"]["all"] for grouping, measured in means.items() if measured}
    sentence = (
        f"Mean K runs from {lowest} to {highest} over {len(k)} clusters ({by_chance} on average if concepts were dealt "
        f"to them at random); which cluster a concept is in accounts for {in_percent(shares['cluster'])} of the "
        "variance of K beyond chance"
    )
    if sum(name != "" for name in means["super_class"].get("complexity", {})) > 1:
        sentence += f", its super-class for {in_percent(shares['super_class'])}"
    return f"{sentence} (epoch {epoch}; ε²: 0 = nothing, below 0 = less than chance; groups fixed)."


def cluster_labels(clustered: pd.DataFrame) -> dict[int, str]:
    """Return each cluster's label: its number, its concepts, and its most common class where concepts have classes."""
    labels = {}
    for cluster, rows in _by(clustered, clustered["cluster"]):
        common = rows.loc[rows["class_id"] >= 0, "class_name"].value_counts().sort_index().nlargest(1)
        of_class = [
            f"class {str(name)[:_LONGEST_NAME].strip()} ({count})" if count > 1 or len(rows) == 1 else "no class twice"
            for name, count in common.items()
        ]
        labels[cluster] = " · ".join([str(cluster), f"{len(rows)} concept{'s' * (len(rows) > 1)}", *of_class])
    return labels


def tree_of_clusters(clustered: pd.DataFrame) -> pd.DataFrame:
    """Return one row per branch of the tree, from the root (depth 0) to the clusters.

    Columns: `depth`; `place`, the mean of the branch's cluster numbers; `place_above`, that of its parent (NaN for the
    root); `n_concepts`; `complexity` and `importance`, the means over its concepts.
    """
    levels = [pd.Series(0, index=clustered.index), *(clustered[level] for level in LEVELS)]
    rows, places_above = [], {0: math.nan}
    for depth, branches in enumerate(levels):
        parents, places = levels[max(depth - 1, 0)], {}
        for branch, members in _by(clustered, branches):
            places[branch] = float(members["cluster"].unique().mean())
            rows.append(
                {
                    "depth": depth,
                    "place": places[branch],
                    "place_above": places_above[int(parents[members.index[0]])],
                    "n_concepts": len(members),
                    "complexity": float(members["complexity"].mean()),
                    "importance": float(members["importance"].mean()),
                }
            )
        places_above = places
    return pd.DataFrame(rows)


def _by(clustered: pd.DataFrame, branches: "pd.Series[int]") -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield each branch with its concepts."""
    for branch in np.unique(branches.to_numpy(dtype=int)):
        yield int(branch), clustered[branches == branch]
