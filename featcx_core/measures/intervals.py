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
    """Means over concepts with their intervals, curve by curve."""

    mean: Float[np.ndarray, "*curve"]
    """Mean over the members."""
    low: Float[np.ndarray, "*curve"]
    """Lower end of the 95 % interval; NaN below two members."""
    high: Float[np.ndarray, "*curve"]
    """Upper end."""


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


def interval_on_grid(
    drawn: Float[np.ndarray, "draw concept"],
) -> tuple[Float[np.ndarray, "concept"], Float[np.ndarray, "concept"]]:
    """Return the interval of each concept's value on a grid, as of epochs: its ends are values that were drawn.

    Of the values next to the 2.5 % and 97.5 % points the outer ones are taken. NaN draws do not count; NaN where no
    draw has a value.

    >>> low, high = interval_on_grid(np.array([[1.0, np.nan], [1.0, np.nan], [2.0, np.nan], [7.0, np.nan]]))
    >>> low.tolist(), high.tolist()
    ([1.0, nan], [7.0, nan])
    """
    n, ordered = (~np.isnan(drawn)).sum(axis=0), np.sort(drawn, axis=0)  # NaN at the end
    last, column = np.maximum(n - 1, 0), np.arange(drawn.shape[1])
    low, high = (ordered[each.astype(np.int64), column] for each in (np.floor(ENDS[0] * last), np.ceil(ENDS[1] * last)))
    return low, high


def mean_interval(
    members: Float[np.ndarray, "member"], *, within: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """Return Student's t-interval of a mean over members, cut to a range; NaN below two members.

    Percentiles of bootstrap samples would be too narrow over few members: of ten, they miss the mean one time in ten.

    >>> mean_interval(np.array([0.4, 0.6]), within=(0.0, 1.0))   # t(1) is 12.7, the error 0.1
    (0.0, 1.0)
    """
    if len(members) < 2:
        return float("nan"), float("nan")
    _, low, high = mean_bands(members[:, None], within=within)
    return float(low[0]), float(high[0])


def mean_bands(values: Float[np.ndarray, "concept *curve"], *, within: tuple[float, float] = (-np.inf, np.inf)) -> Band:
    """Return the mean over concepts of each curve's value, with the intervals that `mean_interval` has.

    >>> band = mean_bands(np.array([[0.4, 1.0], [0.6, 1.0]]), within=(0.0, 1.0))
    >>> band.mean.tolist(), band.low.tolist(), band.high.tolist()
    ([0.5, 1.0], [0.0, 1.0], [1.0, 1.0])
    """
    n, mean = len(values), values.mean(axis=0)
    if n < 2:
        return Band(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    half = t_half_width(values.std(axis=0, ddof=1) / np.sqrt(n), freedom=n - 1)
    return Band(mean, (mean - half).clip(*within), (mean + half).clip(*within))


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
    return np.asarray(student.ppf(ENDS[1], freedom) * error)


def t_interval(
    values: Float[np.ndarray, "starts *rest"],
    drawn: Float[np.ndarray, "draw *rest"],
    *,
    groups: int,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[Any, Any]:
    """Return `value ± t(groups − 1) · deviation over draws`, cut to a range, from the least and the largest value.

    Draws that leave a statistic undefined do not count; NaN where fewer than two define it.

    >>> low, high = t_interval(np.array([0.5, 0.6]), np.array([0.4, 0.6]), groups=2, within=(-10.0, 10.0))
    >>> [round(float(end), 2) for end in (low, high)]   # t(1) is 12.7, the deviation 0.1
    [-0.77, 1.87]
    """
    is_defined = np.isfinite(drawn)
    n = is_defined.sum(axis=0)
    mean = np.where(is_defined, drawn, 0).sum(axis=0) / np.maximum(n, 1)
    squares = np.where(is_defined, drawn - mean, 0) ** 2
    half = t_half_width(np.where(n > 1, np.sqrt(squares.sum(axis=0) / np.maximum(n, 1)), np.nan), freedom=groups - 1)
    return (values.min(axis=0) - half).clip(*within), (values.max(axis=0) + half).clip(*within)


def correlation_interval(
    value: float, drawn: Float[np.ndarray, "draw"], *, groups: int, also: float = math.nan
) -> tuple[float, float]:
    """Return the t-interval of a correlation over resamples of groups, or of concepts, by way of Fisher's z = atanh.

    Percentiles of Pearson's correlation of a skewed property hold the truth 84 times of 100, this one 92. `also`: a
    second value that the interval starts from; NaN: there is none.

    >>> correlation_interval(0.5, np.array([0.5, 0.5]), groups=20)
    (0.5, 0.5)
    """
    edge = 1 - 1e-12  # atanh of 1 is infinite
    starts = np.array([value] if math.isnan(also) else [value, also])
    ends = t_interval(np.arctanh(starts.clip(-edge, edge)), np.arctanh(drawn.clip(-edge, edge)), groups=groups)
    low, high = np.tanh(ends)
    return round(float(low), 11), round(float(high), 11)


def draws_interval(
    value: float, others: Float[np.ndarray, "draw"], *, within: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """Return the t-interval of a mean over all draws from one value and others that were drawn like it.

    `value ± t(n − 1) · standard deviation of the n others`, cut to a range: the value is a single draw, so its error is
    the deviation of a draw, not of a mean; the others are independent of it, so that t is exact for normal draws. NaN
    ends with fewer than two others that are known, or an unknown value.

    >>> [round(end, 3) for end in draws_interval(0.5, np.array([0.4, 0.5, 0.6]))]   # t(2) is 4.303
    [0.07, 0.93]
    """
    known = others[~np.isnan(others)]
    if len(known) < 2 or np.isnan(value):
        return float("nan"), float("nan")
    half = float(t_half_width(known.std(ddof=1, keepdims=True), freedom=len(known) - 1)[0])
    return max(value - half, within[0]), min(value + half, within[1])


def share_interval(n_members: int, n: int) -> tuple[float, float]:
    """Return Wilson's interval of a share, from how many of n independent trials are members of it.

    `(p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n)`: within [0, 1], and not of length 0 where all are members.
    [Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 1927]

    Raises:
        ValueError: no trial, or more members than trials.

    >>> [round(end, 3) for end in share_interval(99, 100)]
    [0.946, 0.998]
    """
    if not 0 <= n_members <= n or n < 1:
        raise ValueError(f"wanted 0 to n members of at least 1 trial, got {n_members} of {n}; try more images")
    p, z = n_members / n, float(student.ppf(ENDS[1], np.inf))
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return max(0.0, float((middle - half) / scale)), min(1.0, float((middle + half) / scale))


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
