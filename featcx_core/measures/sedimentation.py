"""Sedimentation: as training goes on, the concepts that matter most become simple.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, §6.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from featcx_core.arrays import Array, as_tensors
from featcx_core.measures.intervals import mean_interval, t_interval
from featcx_core.measures.over_images import Redrawn


class SedimentationGroup(NamedTuple):
    """Mean complexity of one group of an epoch's concepts."""

    group_name: str
    """`all`, or `top_1pct`: the 1 % with the largest importance."""
    n_concepts: int
    """Members."""
    mean_complexity: float
    """Mean K; higher = more complex."""
    low: float
    """Lower end of the 95 % interval of the mean over the members; NaN below two of them."""
    high: float
    """Upper end."""
    low_images: float = math.nan
    """Lower end of the 95 % interval over images; NaN without resamples of them."""
    high_images: float = math.nan
    """Upper end."""


def sedimentation(
    complexity: Float[Array, "concept"],
    importance: Float[Array, "concept"],
    *,
    shares: Sequence[float] = (0.01, 0.05, 0.1),
    at_least: int = 10,
    over_images: tuple[Redrawn, Redrawn] | None = None,
) -> list[SedimentationGroup]:
    """Return the mean complexity of one epoch's alive concepts, and of their shares with the largest importance.

    A share s of n alive concepts has `max(at_least, ceil(s·n))` members. Groups with the same members are returned
    once, under the name of the largest share. A concept with NaN is dead and belongs to no group; without any alive
    concept there is no group. The 95 % bands are over the members (`intervals.mean_interval`); and over images, where
    `over_images` gives K and Γ of all concepts in resamples, in each of which the members are chosen anew.

    Raises:
        ValueError: A share lies outside (0, 1].

    Source: Fel et al. 2024, §6.

    >>> import numpy as np
    >>> k, gamma = np.linspace(1, 0, 101), np.arange(101.0)
    >>> [(g.group_name, g.n_concepts, round(g.mean_complexity, 3)) for g in sedimentation(k, gamma)]
    [('all', 101, 0.5), ('top_5pct', 10, 0.045), ('top_10pct', 11, 0.05)]
    """
    wrong = [share for share in shares if not 0 < share <= 1]
    if wrong:
        raise ValueError(f"wanted shares between 0 and 1, got {wrong}; try 0.01 for 1 %")
    (k, gamma), _ = as_tensors(complexity, importance)
    alive = ~(k.isnan() | gamma.isnan())
    k, gamma = k[alive].cpu().double(), gamma[alive].cpu()
    order = gamma.argsort(descending=True, stable=True)
    means = _means_over_images(order.numpy(), *(redrawn.of(alive.cpu().numpy()) for redrawn in over_images or ()))
    ranked = k[order].numpy()
    n_alive = len(ranked)
    if n_alive == 0:
        return []
    names = {n_alive: "all"}
    for share in sorted(shares, reverse=True):
        # 0.1 * 70 is a little above 7 in floating point: rounded before it is rounded up
        size = min(n_alive, max(at_least, math.ceil(round(share * n_alive, 6))))
        names.setdefault(size, f"top_{100 * share:g}pct")
    sizes = [n_alive, *sorted(set(names) - {n_alive})]
    bands = {size: mean_interval(ranked[:size], within=(0.0, 1.0)) for size in sizes}
    return [
        SedimentationGroup(names[size], size, float(mean), *bands[size], *means(size, float(mean)))
        for size, mean in ((size, ranked[:size].mean()) for size in sizes)
    ]


def _means_over_images(
    order: Int64[np.ndarray, "concept"], *redrawn: Redrawn
) -> Callable[[int, float], tuple[float, float]]:
    """From a group's size and mean K to the interval of the latter; (NaN, NaN) without resamples."""
    if not redrawn:
        return lambda size, mean: (math.nan, math.nan)
    k, gamma = redrawn
    ranked = np.take_along_axis(k.draws, np.argsort(-gamma.draws, axis=1, kind="stable"), axis=1)

    def ends(size: int, mean: float) -> tuple[float, float]:
        starts, drawn = np.array([mean, k.unclipped[order[:size]].mean()]), ranked[:, :size].mean(1)
        low, high = t_interval(starts, drawn, groups=k.groups, within=(0.0, 1.0))
        return float(low), float(high)

    return ends
