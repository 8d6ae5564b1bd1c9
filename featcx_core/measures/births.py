"""Births of concepts: when a concept's match over the epochs is there to stay. Loads nothing heavy."""

import numpy as np
from jaxtyping import Bool, Int


def birth_epoch(
    is_above: Bool[np.ndarray, "epoch concept"], epochs: Int[np.ndarray, "epoch"]
) -> Int[np.ndarray, "concept"]:
    """Return the first epoch from which a concept's match stays above the null until the last epoch; -1 = never.

    Args:
        is_above: Whether the cosine is above the null; the last row is the epoch whose concepts are followed.
        epochs: Epoch of each row, rising.

    >>> above = np.array([[True, False], [False, False], [True, True]])
    >>> birth_epoch(above, np.array([0, 1, 2]))
    array([2, 2])
    """
    stays_above = np.logical_and.accumulate(is_above[::-1], axis=0)[::-1]
    return np.where(stays_above.any(axis=0), epochs[stays_above.argmax(axis=0)], -1)
