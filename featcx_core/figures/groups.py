"""The sheet of groups: the strongest image of each of their concepts, one row a group."""

import numpy as np
from jaxtyping import Float, Num
from matplotlib.figure import Figure

from featcx_core.figures.canvas import nothing_to_show
from featcx_core.figures.concepts import concept_sheet
from featcx_core.findings.sheets import ShownGroup

QUESTION = "What do the groups of concepts look like, from simple to complex?"


def group_sheet(
    images: Num[np.ndarray, "group rank channel height width"],
    heat_maps: Float[np.ndarray, "group rank map_height map_width"],
    groups: list[ShownGroup],
    *,
    n_clusters: int,
    reason: str = "no concept in a cluster has a complexity",
) -> Figure:
    """Draw one row a group: its label, then the strongest image of each of its concepts with its heat map.

    images, heat_maps: as of `concept_sheet`, a rank a concept; NaN and 0 beyond a group's concepts.
    n_clusters: number of clusters that have a K.
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
