"""The two ends of the complexity spectrum: groups of the simplest and of the most complex concepts.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, §3: curves of the 1 %
at either end.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64


class Ends(NamedTuple):
    """Groups of equal size of the simplest and of the most complex concepts."""

    share: float
    """Share of the alive concepts at either end; groups hold more where that would be fewer than `at_least`."""
    simplest: Int64[np.ndarray, "member"]
    """Numbers of the concepts with the lowest K, in order."""
    most_complex: Int64[np.ndarray, "member"]
    """Numbers of those with the highest K, in order."""


def ends(complexity: Float[np.ndarray, "concept"], *, shares: Sequence[float], at_least: int = 10) -> list[Ends]:
    """Return the groups at the two ends, smallest first; a concept with NaN is dead and belongs to none.

    A share s of n alive concepts has `max(at_least, ceil(s·n))` members. Shares with the same members are returned
    once, as the largest share. Shares whose two groups would overlap are left out, so fewer than 20 alive concepts have
    no group.

    >>> [(end.share, end.simplest[:2].tolist(), end.most_complex[-2:].tolist())
    ...  for end in ends(np.linspace(0, 1, 1200), shares=(0.001, 0.005, 0.1))]
    [(0.005, [0, 1], [1198, 1199]), (0.1, [0, 1], [1198, 1199])]
    """
    ranked = np.argsort(complexity, kind="stable")[: int((~np.isnan(complexity)).sum())]  # NaN comes last
    by_size: dict[int, float] = {}
    for share in sorted(shares, reverse=True):
        size = max(at_least, size_of(share, len(ranked)))
        if 2 * size <= len(ranked):
            by_size.setdefault(size, share)
    return [Ends(by_size[size], ranked[:size], ranked[-size:]) for size in sorted(by_size)]


def size_of(share: float, n: int) -> int:
    """Return the size of a share of n concepts, rounded up.

    >>> size_of(0.1, 70), size_of(0.01, 150)   # 0.1 * 70 is a little above 7 in floating point
    (7, 2)
    """
    return math.ceil(round(share * n, 6))
