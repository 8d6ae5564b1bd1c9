"""Correlations between properties of concepts: raw and partial, Spearman's and Pearson's, with bootstrap intervals."""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from featcx_core.arrays import Array, as_tensors
from featcx_core.measures.estimated import Estimated
from featcx_core.measures.intervals import correlation_interval, counts_of, draw_members
from featcx_core.measures.over_images import Redrawn

_VALUES_AT_ONCE = 2_000_000
_CONSTANT = 1e-28
"""Variance, of values in [0, 1], that is rounding: (1e-14)²."""
_EXPLAINED = 1e-10
"""Share of a variable's variance that counts as zero."""

Scores: TypeAlias = Callable[[Float[np.ndarray, "sample concept"]], Float[np.ndarray, "sample variable concept"]]
"""From how often each sample drew each concept to the variables correlated in it: values, or their ranks."""


def correlation(
    x: Float[Array, "concept"],
    y: Float[Array, "concept"],
    *,
    method: Literal["spearman", "pearson"] = "spearman",
    controls: Float[Array, "concept control"] | None = None,
    n_bootstrap: int = 1000,
    seed: int,
    over_images: tuple[Redrawn, Redrawn] | None = None,
) -> Estimated:
    """Return the correlation of two properties over concepts, given the controls, with a 95 % bootstrap interval.

    With controls it is the correlation of the residuals of x and y after linear regression on them; for Spearman, of
    the ranks on the controls' ranks. Ties share their mean rank, and every bootstrap sample is ranked anew. Concepts
    with NaN anywhere are dropped. The value is NaN with fewer than 4 concepts (one more for each control), or where x
    or y is constant or fully explained by the controls. Arithmetic in float64, on the CPU.

    A second interval, over images, follows where `over_images` gives x and y in resamples of them; the controls stay,
    and concepts that are NaN in a resample are left out.

    Raises:
        ValueError: The method is unknown.

    >>> x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0])
    >>> round(correlation(x, y, seed=0).value, 3)
    0.8
    """
    if method not in ("spearman", "pearson"):
        raise ValueError(f"wanted method spearman or pearson, got {method!r}; try spearman")
    given = [x, y] if controls is None else [x, y, *controls.T]
    variables = np.stack([tensor.cpu().double().numpy() for tensor in as_tensors(*given)[0]])
    is_complete = ~np.isnan(variables).any(0)
    variables = variables[:, is_complete]
    n = variables.shape[1]
    if n < len(variables) + 2:
        return Estimated(math.nan, math.nan, math.nan, n)
    scores = _ranks(variables) if method == "spearman" else _values(variables)
    value = float(_partial(scores, np.ones((1, n)))[0])
    blocks = draw_members(n, n_bootstrap=n_bootstrap, seed=seed, n_variables=len(variables))
    drawn = np.concatenate([_partial(scores, counts_of(block).astype(np.float64)) for block in blocks])
    low, high = correlation_interval(value, drawn, groups=n)  # a sample that drew only ties does not count
    if math.isnan(value) or math.isnan(low):
        return Estimated(value, math.nan, math.nan, n)
    images = math.nan, math.nan
    if over_images is not None:
        x_drawn, y_drawn = (redrawn.of(is_complete) for redrawn in over_images)
        seen = x_drawn.is_known & y_drawn.is_known
        if seen.sum() >= len(variables) + 2:
            drawn_anew = np.stack([x_drawn.draws[:, seen], y_drawn.draws[:, seen]], axis=1)
            varied = _over_images(drawn_anew, variables[2:, seen], method)
            images = correlation_interval(value, varied, groups=x_drawn.groups)
    return Estimated(value, low, high, n, *images)


def _over_images(
    redrawn: Float[np.ndarray, "draw two concept"], controls: Float[np.ndarray, "control concept"], method: str
) -> Float[np.ndarray, "draw"]:
    """Return the correlation in each resample of the images."""
    n_draws, _, n = redrawn.shape
    correlations = []
    for block in np.array_split(np.arange(n_draws), 1 + n_draws * n * (2 + len(controls)) // _VALUES_AT_ONCE):
        held = np.broadcast_to(controls, (len(block), *controls.shape))
        values = np.concatenate([redrawn[block], held], axis=1)
        scores = _ranked(values) if method == "spearman" else _scaled(values)
        correlations.append(_partial(lambda counts, scores=scores: scores, np.ones((len(block), n))))  # type: ignore[misc]
    return np.concatenate(correlations)


def _ranked(values: Float[np.ndarray, "*rest concept"]) -> Float[np.ndarray, "*rest concept"]:
    ranks: np.ndarray = rankdata(values, axis=-1) / values.shape[-1]
    return ranks


def _values(variables: Float[np.ndarray, "variable concept"]) -> Scores:
    scaled = _scaled(variables)
    return lambda counts: np.broadcast_to(scaled, (len(counts), *scaled.shape))


def _scaled(values: Float[np.ndarray, "*rest concept"]) -> Float[np.ndarray, "*rest concept"]:
    """Scale values to [0, 1]."""
    span = np.ptp(values, axis=-1, keepdims=True)
    scaled: np.ndarray = (values - values.min(-1, keepdims=True)) / np.where(span > 0, span, 1)
    return scaled


def _ranks(variables: Float[np.ndarray, "variable concept"]) -> Scores:
    """Return ranks within each sample, over n, as a running count over values that are sorted once."""
    dense = [np.unique(variable, return_inverse=True)[1] for variable in variables]
    orders = [np.argsort(places, kind="stable") for places in dense]
    starts = [
        np.searchsorted(places[order], np.arange(places.max() + 1)) for places, order in zip(dense, orders, strict=True)
    ]

    def ranks(counts: Float[np.ndarray, "sample concept"]) -> Float[np.ndarray, "sample variable concept"]:
        result = np.empty((len(counts), *variables.shape))
        for i, (places, order, start) in enumerate(zip(dense, orders, starts, strict=True)):
            tied = np.add.reduceat(counts[:, order], start, axis=1)
            result[:, i] = (tied.cumsum(1) - (tied - 1) / 2)[:, places]
        result /= variables.shape[1]
        return result

    return ranks


def _partial(scores: Scores, counts: Float[np.ndarray, "sample concept"]) -> Float[np.ndarray, "sample"]:
    """Return the correlation of the first two variables given the others, in each sample.

    The Schur complement of the correlation matrix, R_aa - R_ac R_cc⁺ R_ca, is the covariance of the residuals of x and
    y after regression on the controls.
    """
    values: Float[np.ndarray, "sample variable concept"] = scores(counts)
    n = counts.shape[1]
    centred = values - (values * counts[:, None]).sum(2, keepdims=True) / n
    covariance = (centred * counts[:, None]) @ centred.transpose(0, 2, 1) / n
    variance = np.einsum("sii->si", covariance)
    deviation = np.where(variance > _CONSTANT, np.sqrt(variance), np.inf)  # a constant correlates with nothing
    left = covariance / deviation[:, :, None] / deviation[:, None]
    if left.shape[1] > 2:
        given = left[:, :2, 2:]
        pseudo_inverse = np.linalg.pinv(left[:, 2:, 2:], rcond=_EXPLAINED, hermitian=True)
        left = left[:, :2, :2] - given @ pseudo_inverse @ given.transpose(0, 2, 1)
    product = left[:, 0, 0] * left[:, 1, 1]
    defined = np.minimum(left[:, 0, 0], left[:, 1, 1]) > _EXPLAINED
    return np.where(defined, left[:, 0, 1] / np.sqrt(np.where(defined, product, 1)), np.nan).clip(-1, 1)
