"""Mean similarity within a group of networks."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from featcx_core.measures.intervals import jackknife_interval


class WithinGroup(NamedTuple):
    """Mean similarity over the pairs of a group's networks."""

    mean: float
    """Over all pairs; NaN below two networks."""
    low: float
    """Lower end of the 95 % interval over networks; NaN below three."""
    high: float
    """Upper end."""
    n_pairs: int
    """Pairs."""


def mean_within(similarities: Float[np.ndarray, "net net"]) -> WithinGroup:
    """Return the mean over all pairs of different networks, both directions, with its interval over networks.

    Pairs that share a network are not independent, so the interval is the jackknife's: it leaves out one network with
    all of its pairs at a time, `mean ± t(n − 1) · SE`. Pairs with NaN make the mean NaN; the diagonal is ignored.

    Raises:
        ValueError: a matrix that is not square.

    >>> mean_within(np.array([[1.0, 0.5, 0.6], [0.5, 1.0, 0.7], [0.6, 0.7, 1.0]])).mean.__round__(6)
    0.6
    """
    n = len(similarities)
    if similarities.shape != (n, n):
        raise ValueError(
            f"wanted a similarity for every pair of networks, got {similarities.shape}; try a square matrix"
        )
    if n < 2:
        return WithinGroup(np.nan, np.nan, np.nan, 0)
    off_diagonal = np.where(np.eye(n, dtype=bool), 0.0, similarities)
    total, of_network = off_diagonal.sum(), off_diagonal.sum(0) + off_diagonal.sum(1)
    mean, n_pairs = total / (n * (n - 1)), n * (n - 1) // 2
    if n < 3:
        return WithinGroup(float(mean), np.nan, np.nan, n_pairs)
    left_out = (total - of_network) / ((n - 1) * (n - 2))
    low, high = jackknife_interval(np.array([mean]), left_out[None])
    return WithinGroup(float(mean), float(low[0]), float(high[0]), n_pairs)
