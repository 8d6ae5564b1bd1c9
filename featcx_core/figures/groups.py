"""What groups of concepts look like: the strongest image of each of their concepts, one row a group."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Num
from matplotlib.figure import Figure

from featcx_core.figures.canvas import nothing_to_show
from featcx_core.figures.concepts import concept_sheet
from featcx_core.figures.tree import leaf_labels
from featcx_core.findings.evidence import number

QUESTION = "What do the groups of concepts look like, from simple to complex?"
N_GROUPS = 20
N_CONCEPTS = 8


class Group(NamedTuple):
    """A cluster as the sheet shows it."""

    label: str
    concepts: list[int]
    """The most important first."""


def choose_groups(known: pd.DataFrame, *, n_groups: int = N_GROUPS, n_concepts: int = N_CONCEPTS) -> list[Group]:
    """Clusters at even steps of the ranks of their mean K, each with its most important concepts.

    `known` as of `concepts_of`; concepts without a K, and clusters of such alone, are left out.
    """
    labels, groups = leaf_labels(known[known["cluster"] >= 0]), []
    inside = known[known["cluster"] >= 0].dropna(subset=["complexity"])
    means = inside.groupby("cluster")[["complexity", "importance"]].mean().sort_values("complexity", kind="stable")
    places = np.linspace(0, len(means) - 1, min(n_groups, len(means))).round().astype(int)
    for cluster, (k, gamma) in zip(means.index[places], means.to_numpy()[places], strict=True):
        name, size, *of_class = labels[int(cluster)].split(" · ")
        label = "\n".join([f"cluster {name} · {size}", f"mean K {number(k)}   mean Γ {number(gamma)}", *of_class])
        rows = inside[inside["cluster"] == cluster].sort_values("importance", ascending=False, kind="stable")
        concepts = rows["concept"].head(n_concepts).tolist()
        groups.append(Group(f"{label}\nconcept{'s' * (len(concepts) > 1)} {', '.join(map(str, concepts))}", concepts))
    return groups


def group_sheet(
    images: Num[np.ndarray, "group rank channel height width"],
    heat_maps: Float[np.ndarray, "group rank map_height map_width"],
    groups: list[Group],
    *,
    n_clusters: int,
    reason: str = "no concept in a cluster has a complexity",
) -> Figure:
    """One row a group: its label, then the strongest image of each of its concepts with its heat map.

    images, heat_maps: as of `concept_sheet`, a rank a concept; NaN and 0 beyond a group's concepts.
    n_clusters: how many there are that have a K.
    reason: why there is nothing to show where there is no group.
    """
    if not groups:
        return nothing_to_show(QUESTION, reason)
    most = "Class: the most common one that its concepts were fitted on, and of how many. "
    names_class = any(group.label.count("\n") > 2 for group in groups)
    every = f"all {n_clusters} clusters that have a K"
    some = f"{len(groups)} of the {n_clusters} clusters that have a K, at even steps of its ranks"
    highest = heat_maps.max(axis=(2, 3), keepdims=True)
    return concept_sheet(
        images,
        heat_maps / np.where(highest > 0, highest, 1),
        labels=[group.label for group in groups],
        title=QUESTION,
        order="the group's most important concepts, each by its strongest image, its heat map scaled by itself",
        remark=f"{most if names_class else ''}Shown: {every if len(groups) == n_clusters else some}.",
    )
