"""Intervals: the one place where resamples are drawn, percentiles taken and t-intervals made.

All intervals are two-sided, 95 %. Resamples are drawn with replacement: of concepts, of images, or of groups of images.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.stats import norm
from scipy.stats import t as student
from torch import Tensor

from featcx_core.arrays import Array, as_tensors

ENDS = (0.025, 0.975)
"""Places of the two ends of an interval in the distribution of what is estimated."""
NORMAL = 1.96
"""Standard errors from a value to the end of its interval, where its error is known."""
_VALUES_AT_ONCE = 2_000_000


class Band(NamedTuple):
    """Means over concepts with their bands, curve by curve."""

    mean: Float[np.ndarray, "*curve"]
    """Mean over the members."""
    low: Float[np.ndarray, "*curve"]
    """2.5 % point of the mean over bootstrap samples of the members."""
    high: Float[np.ndarray, "*curve"]
    """97.5 % point."""


def draw_members(
    n: int, *, n_bootstrap: int, seed: int, n_variables: int = 1
) -> Iterator[Int64[np.ndarray, "sample member"]]:
    """Draw bootstrap samples: n of n members with replacement, by their numbers, block of samples after block.

    Blocks bound the memory that `n_variables` values a member need; how large they are changes no draw.

    >>> sum(len(block) for block in draw_members(3, n_bootstrap=1000, seed=0))
    1000
    """
    chance = np.random.default_rng(seed)
    n_blocks = 1 + n_bootstrap * n * n_variables // _VALUES_AT_ONCE
    for block in np.array_split(np.arange(n_bootstrap), n_blocks):
        yield chance.integers(n, size=(len(block), n))


def draw_counts(n: int, *, n_bootstrap: int, seed: int) -> Int64[np.ndarray, "sample member"]:
    """Draw bootstrap samples as counts: how often each sample holds each of n members.

    >>> draw_counts(3, n_bootstrap=2, seed=0).sum(axis=1).tolist()
    [3, 3]
    """
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_bootstrap)


def counts_of(drawn: Int64[np.ndarray, "sample member"]) -> Int64[np.ndarray, "sample member"]:
    """Return how often each sample drew each of its n members.

    >>> counts_of(np.array([[2, 0, 2]])).tolist()
    [[1, 0, 2]]
    """
    n_samples, n = drawn.shape
    places = drawn + n * np.arange(n_samples)[:, None]
    return np.bincount(places.ravel(), minlength=n_samples * n).reshape(n_samples, n)


def draw_groups(groups: int, *, n_bootstrap: int = 1000, seed: int) -> Float[np.ndarray, "draw group"]:
    """Draw the weight of each group's pull in each resample: how often it was drawn, minus once, over √(G(G−1)).

    Raises:
        ValueError: fewer than two groups.

    >>> draw_groups(20, n_bootstrap=5, seed=0).shape
    (5, 20)
    """
    if groups < 2:
        raise ValueError(f"wanted at least 2 groups of images, got {groups}; try probe.groups = 20")
    drawn = [counts_of(block) for block in draw_members(groups, n_bootstrap=n_bootstrap, seed=seed)]
    weights: np.ndarray = (np.concatenate(drawn) - 1) / np.sqrt(groups * (groups - 1))
    return weights


def percentiles(drawn: Float[np.ndarray, "draw *rest"]) -> tuple[Any, Any]:
    """Return the 2.5 % and 97.5 % points over draws of every statistic.

    >>> low, high = percentiles(np.linspace(0, 1, 41)[:, None])
    >>> low.round(6).tolist(), high.round(6).tolist()
    ([0.025], [0.975])
    """
    low, high = np.quantile(drawn, ENDS, axis=0)
    return low, high


def percentiles_on_device(
    drawn: Float[Tensor, "draw *rest"], *, ends: Float[Tensor, "two"] | None = None
) -> tuple[Tensor, Tensor]:
    """Return `percentiles` of a tensor, on its device."""
    points = torch.tensor(ENDS) if ends is None else ends
    low, high = drawn.quantile(points.to(drawn), dim=0)
    return low, high


def interval(drawn: Float[np.ndarray, "draw"]) -> tuple[float, float]:
    """Return the 2.5 % and 97.5 % points of one statistic over draws; draws that leave it undefined do not count.

    NaN where no draw defines it.

    >>> interval(np.array([np.nan, 1.0, 1.0]))
    (1.0, 1.0)
    """
    defined = drawn[~np.isnan(drawn)]
    if len(defined) == 0:
        return float("nan"), float("nan")
    low, high = percentiles(defined)
    return float(low), float(high)


def mean_interval(members: Float[np.ndarray, "member"], *, n_bootstrap: int = 1000, seed: int) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean over members.

    >>> mean_interval(np.array([2.0, 2.0]), seed=0)
    (2.0, 2.0)
    """
    blocks = draw_members(len(members), n_bootstrap=n_bootstrap, seed=seed)
    return interval(np.concatenate([members[block].mean(1) for block in blocks]))


def ranked_mean_interval(members: Float[Tensor, "member"], *, n_bootstrap: int, seed: int) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean over members, of draws by torch's generator."""
    n, chance = len(members), torch.Generator().manual_seed(seed)
    at_once = max(1, _VALUES_AT_ONCE // n)
    sizes = [min(at_once, n_bootstrap - start) for start in range(0, n_bootstrap, at_once)]
    drawn = torch.cat([members[torch.randint(n, (size, n), generator=chance)].mean(1) for size in sizes])
    low, high = percentiles_on_device(drawn, ends=torch.tensor(ENDS, dtype=torch.float64))
    return low.item(), high.item()


def bootstrap_means(values: Float[np.ndarray, "concept *curve"], *, n_bootstrap: int = 1000, seed: int = 0) -> Band:
    """Return the mean over concepts of each curve's value, with percentile bootstrap bands.

    Each sample draws the same concepts for all curves, so that curves of one group can be compared point by point.

    >>> band = bootstrap_means(np.array([[0.0, 1.0], [1.0, 1.0]]))
    >>> band.mean.tolist(), band.low.tolist(), band.high.tolist()
    ([0.5, 1.0], [0.0, 1.0], [1.0, 1.0])
    """
    counts = draw_counts(len(values), n_bootstrap=n_bootstrap, seed=seed)
    return Band(values.mean(axis=0), *percentiles(np.tensordot(counts / len(values), values, axes=1)))


def jackknife_error(left_out: Float[Array, "*rest group"]) -> Float[Array, "*rest"]:
    """Return the standard error from values with each of G groups left out: `sqrt((G-1)/G · Σ_g (θ_g - mean θ)²)`.

    >>> jackknife_error(torch.tensor([0.4, 0.6]))
    tensor(0.1000)
    """
    (values,), restore = as_tensors(left_out)
    n_groups = values.shape[-1]
    return restore(((n_groups - 1) * values.var(-1, correction=0)).sqrt())


def jackknife_interval(
    value: Float[Array, "*rest"],
    left_out: Float[Array, "*rest group"],
    *,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[Any, Any]:
    """Return the t-interval from values with each of G groups left out: value ± t(G − 1) · error, cut to a range.

    >>> low, high = jackknife_interval(np.array([0.5]), np.array([[0.4, 0.6]]), within=(0.0, 1.0))
    >>> low.tolist(), high.tolist()   # t(1) is 12.7, the error 0.1
    ([0.0], [1.0])
    """
    (values, replicates), restore = as_tensors(value, left_out)
    half = student.ppf(ENDS[1], replicates.shape[-1] - 1) * jackknife_error(replicates)
    return restore((values - half).clamp(*within)), restore((values + half).clamp(*within))


def t_half_width(
    error: Float[np.ndarray, "*rest"], *, freedom: Int64[np.ndarray, "*rest"] | int
) -> Float[np.ndarray, "*rest"]:
    """Return half the width of Student's t-interval: t of 97.5 % with these degrees of freedom, times the error.

    >>> t_half_width(np.array([1.0, 2.0]), freedom=19).round(3).tolist()
    [2.093, 4.186]
    """
    half: np.ndarray = student.ppf(ENDS[1], freedom) * error
    return half


def logit_interval(share: float, *, error: float) -> tuple[float, float]:
    """Return the normal interval of a share strictly between 0 and 1, on the logit scale, carried back to [0, 1].

    `logit s ± z · SE / (s (1 - s))`, z the normal's 97.5 % point: it never leaves [0, 1].

    >>> low, high = logit_interval(0.5, error=0.1)
    >>> round(low, 3), round(high, 3)
    (0.313, 0.687)
    """
    half = float(norm.ppf(ENDS[1])) * error / (share * (1 - share))
    centre = math.log(share / (1 - share))
    return _logistic(centre - half), _logistic(centre + half)


def all_or_none_interval(share: float, *, n: int) -> tuple[float, float]:
    """Return the exact interval of a share that is 1 or 0 in n items [Clopper, Pearson 1934].

    >>> low, high = all_or_none_interval(1.0, n=20)
    >>> round(low, 3), high
    (0.832, 1.0)
    """
    least = ENDS[0] ** (1 / n)
    return (least, 1.0) if share == 1.0 else (0.0, 1 - least)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
