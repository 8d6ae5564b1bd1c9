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


def range_by_chance(
    values: Float[np.ndarray, "concept"], sizes: Sequence[int], *, n_draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return what the least and the largest of these groups' means are on average, if concepts are dealt at random.

    The least and the largest of many means lie apart although nothing tells the groups apart. `sizes` are those of all
    groups; together they hold every concept once.

    Raises:
        ValueError: sizes that do not add up to the concepts.

    >>> range_by_chance(np.array([1.0, 1.0, 1.0]), [1, 2])
    (1.0, 1.0)
    """
    if sum(sizes) != len(values):
        raise ValueError(f"wanted sizes that add up to {len(values)} concepts, got {sum(sizes)}; try all groups")
    chance, starts = np.random.default_rng(seed), np.cumsum([0, *sizes[:-1]])
    dealt = chance.permuted(np.tile(values, (n_draws, 1)), axis=1)
    means = np.add.reduceat(dealt, starts, axis=1) / np.array(sizes)
    return float(means.min(axis=1).mean()), float(means.max(axis=1).mean())


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
