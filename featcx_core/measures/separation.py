"""How well a measure of similarity tells groups of networks apart.

Klabunde et al., *ReSi: a comprehensive benchmark for representational similarity measures*, ICLR 2025: networks that
were trained alike should be more similar to each other than to networks that were trained otherwise.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.metrics import average_precision_score


class Separation(NamedTuple):
    """Quality of a measure as a detector of networks of the same group."""

    auprc: float
    """Area under the precision-recall curve (average precision), mean over the groups; 1 = groups are apart."""
    auprc_chance: float
    """Share of pairs that lie within the group, mean over the groups: about the AUPRC of a useless measure."""
    violation_rate: float
    """Share of (pair within, pair across) in which the pair within is no more similar, mean over the groups; 0 = groups
    are apart, 0.5 = chance."""


def separation(similarities: Float[np.ndarray, "net net"], groups: Shaped[np.ndarray, "net"]) -> Separation:
    """Compare similarities within every group with those between its members and all other networks.

    A measure that is not symmetric counts as the mean of both directions. Pairs with NaN are left out; where a group
    has none left on either side, everything is NaN. The diagonal is not looked at. For distances, give their negatives.

    Args:
        similarities: of all pairs of networks, by one measure.
        groups: group of each network.

    Raises:
        ValueError: a matrix of other networks than the groups, fewer than two groups, or a group of one network.

    >>> similarities = np.array([[1, 0.9, 0.2, 0.1], [0.9, 1, 0.3, 0.2], [0.2, 0.3, 1, 0.25], [0.1, 0.2, 0.25, 1]])
    >>> separation(similarities, np.array(["a", "a", "b", "b"]))   # 0.25 is below 0.3, the first of 4 across
    Separation(auprc=0.75, auprc_chance=0.2, violation_rate=0.125)
    """
    names, sizes = np.unique(groups, return_counts=True)
    if similarities.shape != (len(groups), len(groups)):
        raise ValueError(
            f"wanted a similarity for every pair of {len(groups)} networks, got {similarities.shape}; "
            "try one group for each network"
        )
    if len(names) < 2 or sizes.min() < 2:
        counts = ", ".join(f"{name}: {size}" for name, size in zip(names, sizes, strict=True))
        raise ValueError(f"wanted at least 2 groups of at least 2 networks, got {counts}; try more seeds of each")
    both_ways = (similarities + similarities.T) / 2
    of_groups = [_of_group(both_ways, groups == name) for name in names]
    return Separation(*(float(mean) for mean in np.mean(of_groups, axis=0)))


def _of_group(similarities: Float[np.ndarray, "net net"], is_member: Shaped[np.ndarray, "net"]) -> tuple[float, ...]:
    inside = similarities[np.ix_(is_member, is_member)]
    within = inside[np.triu_indices(len(inside), 1)]
    across = similarities[np.ix_(is_member, ~is_member)].ravel()
    within, across = within[~np.isnan(within)], across[~np.isnan(across)]
    if len(within) == 0 or len(across) == 0:
        return np.nan, np.nan, np.nan
    is_within = np.arange(len(within) + len(across)) < len(within)
    auprc = average_precision_score(is_within, np.concatenate([within, across]))
    return auprc, len(within) / len(is_within), float((within[:, None] <= across).mean())
