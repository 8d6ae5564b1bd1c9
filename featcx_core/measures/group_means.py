"""Means of groups of concepts, with intervals over their members and over images."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from featcx_core.measures.intervals import interval, mean_interval
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
    """2.5 % point over bootstrap samples of the members; NaN below two of them."""
    high: float
    """97.5 % point."""
    low_images: float = math.nan
    """2.5 % point over resamples of the images; NaN where there are none."""
    high_images: float = math.nan
    """97.5 % point."""


def group_means(
    values: Float[np.ndarray, "concept"],
    groups: Sequence[str | int],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    over_images: Redrawn | None = None,
) -> list[GroupMean]:
    """Return the mean of each group, sorted by name, with a 95 % percentile bootstrap interval over its members.

    NaN counts as no value. With few members intervals are too short: of five, they miss the mean about one time in six.
    A second interval follows where `over_images` gives the values in resamples of the images, over the members with a
    value in every resample.

    >>> [(g.group, g.n, g.mean) for g in group_means(np.array([1.0, 3.0, 5.0]), ["a", "a", "b"])]
    [('a', 2, 2.0), ('b', 1, 5.0)]
    """
    group_of = np.asarray(groups)
    is_known = ~np.isnan(values)
    redrawn = np.full((1, len(values)), math.nan) if over_images is None else over_images
    is_seen = is_known & ~np.isnan(redrawn).any(axis=0)
    means = []
    for group in sorted({*groups}):
        members = values[(group_of == group) & is_known]
        n = len(members)
        low = high = math.nan
        if n > 1:
            low, high = mean_interval(members, n_bootstrap=n_bootstrap, seed=seed)
        seen = is_seen & (group_of == group)
        images = interval(redrawn[:, seen].mean(axis=1)) if seen.any() else (math.nan, math.nan)
        means.append(GroupMean(group, n, float(members.mean()) if n else math.nan, low, high, *images))
    return means
