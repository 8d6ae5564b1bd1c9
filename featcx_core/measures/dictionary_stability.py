"""Stability of a dictionary: which of its concepts other starts of the same factorisation find, and how K moves.

The minima of a factorisation are local, so another seed gives other atoms. This goes beyond Fel et al. (NeurIPS 2024),
whose dictionary is fitted once.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.by_group import GroupedSums
from featcx_core.features.moments import Moments
from featcx_core.measures.matching import match_atoms
from featcx_core.measures.readers import basis_of, read_sets
from featcx_core.study.fields import Penalties


class Refitted(NamedTuple):
    """Atoms of a dictionary in dictionaries that were fitted from other seeds."""

    cosine: Float[np.ndarray, "seed concept"]
    """Cosine of each atom and its partner, matched one to one; NaN for an atom without direction or partner."""
    complexity: Float[np.ndarray, "seed concept"]
    """K of the partner's code; NaN where the partner is dead or there is none."""


class Stability(NamedTuple):
    """Stability of each concept over seeds."""

    found_fraction: Float[np.ndarray, "concept"]
    """Share of the other seeds in which an atom of at least that cosine is found; NaN for an atom of zeros."""
    mean_cosine: Float[np.ndarray, "concept"]
    """Mean cosine with the partners, 1 = the same direction; NaN for an atom of zeros."""
    complexity_spread: Float[np.ndarray, "concept"]
    """Standard deviation (n − 1) of K over the concept and the atoms that were found; NaN where none was."""


def find_again(
    atoms: Float[Array, "concept unit"],
    others: list[Float[Array, "_ unit"]],
    complexity_of_others: list[Float[Array, "_"]],
) -> Refitted:
    """Match the atoms of a dictionary with those of every other seed's, one to one (`match_atoms`).

    Raises:
        ValueError: no other dictionary, as many K as there are dictionaries are wanted, or sides differ in units.

    >>> find_again(np.eye(2), [np.array([[0.6, 0.8], [1.0, 0.0]])], [np.array([0.3, 0.5])]).complexity
    array([[0.5, 0.3]])
    """
    if not others or len(others) != len(complexity_of_others):
        raise ValueError(
            f"wanted dictionaries of other seeds and K of each, got {len(others)} and {len(complexity_of_others)}; "
            "try stability.seeds = 5"
        )
    cosines, complexities = [], []
    for other, complexity in zip(others, complexity_of_others, strict=True):
        partner, cosine = match_atoms(atoms, other)
        values = np.append(np.asarray(as_tensors(complexity)[0][0].cpu(), dtype=np.float64), np.nan)  # -1: no partner
        cosines.append(cosine)
        complexities.append(values[partner])
    return Refitted(np.stack(cosines), np.stack(complexities))


def stability(complexity: Float[np.ndarray, "concept"], refitted: Refitted, *, least_cosine: float = 0.9) -> Stability:
    """Return in how many other dictionaries each concept is found again, and how far its K moves.

    Raises:
        ValueError: the cosine is not above 0, or above 1.

    >>> again = Refitted(np.array([[0.95], [0.5]]), np.array([[0.5], [0.9]]))
    >>> [part.round(3).tolist() for part in stability(np.array([0.3]), again)]   # of 0.3 and 0.5: 0.2/√2
    [[0.5], [0.725], [0.141]]
    """
    if not 0 < least_cosine <= 1:
        raise ValueError(f"wanted a cosine above 0, at most 1, got {least_cosine}; try 0.9")
    has_direction = ~np.isnan(refitted.cosine).all(axis=0)
    is_found = np.nan_to_num(refitted.cosine, nan=-1.0) >= least_cosine
    n_cosines = (~np.isnan(refitted.cosine)).sum(axis=0)
    mean = np.nansum(refitted.cosine, axis=0) / np.where(n_cosines > 0, n_cosines, 1)
    values = np.concatenate([complexity[None], np.where(is_found, refitted.complexity, np.nan)])
    return Stability(
        found_fraction=np.where(has_direction, is_found.mean(axis=0), math.nan),
        mean_cosine=np.where(has_direction, mean, math.nan),
        complexity_spread=_deviation(values),
    )


def cross_fitted_r2(
    fit: GroupedSums[Moments], score: GroupedSums[Moments], *, penalties: Penalties
) -> Float[Tensor, "concept"]:
    """Return V-information of a layer about each code, cross-fitted between two halves, without its error.

    The point value of `cross_fitted_of_sums`: the mean of both R², clipped at 0. NaN for a code that is constant on
    either half.

    >>> import torch
    >>> x = torch.arange(40.0).reshape(-1, 1)
    >>> from featcx_core.features.by_group import GroupedSums
    >>> from featcx_core.features.moments import Moments
    >>> sums = [GroupedSums.of(Moments, half, 2 * half, groups=2) for half in (x[::2], x[1::2])]
    >>> round(cross_fitted_r2(*sums, penalties=Penalties()).item(), 6)
    1.0
    """
    both = []
    for fitted, scored in ((fit, score), (score, fit)):
        sets = fitted.everything(), scored.everything()
        both.append(read_sets(*sets, basis_of(*sets, eps=fitted.eps, penalties=penalties)).r2[0])
    return ((both[0] + both[1]) / 2).clamp(min=0)


def _deviation(values: Float[np.ndarray, "value concept"]) -> Float[np.ndarray, "concept"]:
    """Return the standard deviation over the values that are known; NaN with fewer than two, or without the first."""
    values = values - values[0]  # so that equal values leave an exact zero
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    mean = np.nansum(values, axis=0) / np.maximum(n, 1)
    squares = np.where(known, (values - mean) ** 2, 0).sum(axis=0)
    deviation: np.ndarray = np.where(known[0] & (n > 1), np.sqrt(squares / np.maximum(n - 1, 1)), math.nan)
    return deviation
