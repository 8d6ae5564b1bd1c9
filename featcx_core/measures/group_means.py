"""Means of groups of concepts, with intervals over their members and over images."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from featcx_core.measures.intervals import mean_interval
from featcx_core.measures.over_images import Redrawn


class GroupMean(NamedTuple):
    """Mean of a property over one group."""

    group: str | int
    """Name of the group."""
    n: int
    """Members that have a value."""
    mean: float
    """NaN where no member has one."""
    low: float
    """Lower end of the interval over the members; NaN below two of them."""
    high: float
    """Upper end."""
    low_images: float = math.nan
    """Lower end of the interval over images; NaN without resamples of them."""
    high_images: float = math.nan
    """Upper end."""


def group_means(
    values: Float[np.ndarray, "concept"],
    groups: Sequence[str | int],
    *,
    over_images: Redrawn | None = None,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> list[GroupMean]:
    """Return the mean of each group, sorted by name, with its 95 % interval over the members (`mean_interval`).

    NaN counts as no value; `within` is the range of what is averaged. A second interval follows where `over_images`
    gives the values in resamples of the images, over the members with a value in every resample.

    >>> [(g.group, g.n, g.mean) for g in group_means(np.array([1.0, 3.0, 5.0]), ["a", "a", "b"])]
    [('a', 2, 2.0), ('b', 1, 5.0)]
    """
    group_of = np.asarray(groups)
    is_known = ~np.isnan(values)
    is_seen = is_known & (over_images.is_known if over_images else False)
    means = []
    for group in sorted({*groups}):
        members = values[(group_of == group) & is_known]
        n = len(members)
        ends = mean_interval(members, within=within)
        seen, images = is_seen & (group_of == group), (math.nan, math.nan)
        if over_images and seen.any():
            images = over_images.of(seen).mean_interval(float(values[seen].mean()), within=within)
        means.append(GroupMean(group, n, float(members.mean()) if n else math.nan, *ends, *images))
    return means
