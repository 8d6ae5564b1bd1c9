"""Correlations between properties of concepts: raw and partial, Spearman's and Pearson's, with bootstrap intervals."""

import math
from collections.abc import Callable, Sequence
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
    over_images: Sequence[Redrawn] | None = None,
) -> Estimated:
    """Return the correlation of two properties over concepts, given the controls, with its 95 % interval.

    With controls it is the correlation of the residuals of x and y after linear regression on them; for Spearman, of
    the ranks on the controls' ranks. Ties share their mean rank, and every bootstrap sample is ranked anew. Concepts
    with NaN anywhere are dropped. The value is NaN with fewer than 4 concepts (one more for each control), or where x
    or y is constant or fully explained by the controls. Arithmetic in float64, on the CPU. The interval is value ±
    t · deviation over bootstrap samples of the concepts, by way of Fisher's z (`intervals.correlation_interval`).

    A second interval, over images, follows where `over_images` gives x, y and perhaps each control in resamples of
    them. Controls that it does not give stay; concepts that are NaN in a resample are left out. Errors of the values
    draw a correlation towards 0, and one with a control fixed anywhere: the interval starts from the value and from the
    value without the errors' covariance.

    Raises:
        ValueError: The method is unknown.

    >>> x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0])
    >>> round(correlation(x, y, seed=0).value, 3)
    0.8
    """
    held = [] if controls is None else [*range(controls.shape[1])]
    (result,) = partial_correlations(
        x, y, controls, held=[held], method=method, n_bootstrap=n_bootstrap, seed=seed, over_images=over_images
    )
    return result


def partial_correlations(
    x: Float[Array, "concept"],
    y: Float[Array, "concept"],
    controls: Float[Array, "concept control"] | None,
    *,
    held: Sequence[Sequence[int]],
    method: Literal["spearman", "pearson"] = "spearman",
    n_bootstrap: int = 1000,
    seed: int,
    over_images: Sequence[Redrawn] | None = None,
) -> list[Estimated]:
    """Return the `correlation` given each set of controls: each is that of a call by itself, at little more cost.

    held: sets of columns of `controls`; an empty one for the raw correlation. The sets share draws, ranks and
    covariances. Concepts with NaN in a set's own controls are dropped for that set.

    Raises:
        ValueError: The method is unknown.

    >>> x, y, control = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0]), np.zeros((4, 1))
    >>> [round(each.value, 3) for each in partial_correlations(x, y, control, held=[[], [0]], seed=0)]
    [0.8, nan]
    """
    if method not in ("spearman", "pearson"):
        raise ValueError(f"wanted method spearman or pearson, got {method!r}; try spearman")
    given = [x, y] if controls is None else [x, y, *controls.T]
    variables = np.stack([tensor.cpu().double().numpy() for tensor in as_tensors(*given)[0]])
    rows = [[0, 1, *(2 + column for column in each)] for each in held]
    masks = [~np.isnan(variables[each]).any(0) for each in rows]
    results = dict[int, Estimated]()
    for is_complete in {mask.tobytes(): mask for mask in masks}.values():
        alike = [place for place, mask in enumerate(masks) if (mask == is_complete).all()]
        together = sorted({row for place in alike for row in rows[place]})
        local = [[together.index(row) for row in rows[place]] for place in alike]
        given_draws = over_images or ()
        redrawn = [given_draws[row].of(is_complete) for row in together if row < len(given_draws)]
        estimates = _given(
            variables[together][:, is_complete], local, redrawn, method=method, n_bootstrap=n_bootstrap, seed=seed
        )
        results.update(zip(alike, estimates, strict=True))
    return [results[place] for place in range(len(held))]


def _given(
    variables: Float[np.ndarray, "variable concept"],
    rows: list[list[int]],
    redrawn: list[Redrawn],
    *,
    method: str,
    n_bootstrap: int,
    seed: int,
) -> list[Estimated]:
    """Return the correlation of the first two variables given others, for each list of x, y and controls."""
    n = variables.shape[1]
    undefined = Estimated(math.nan, math.nan, math.nan, n)
    defined = [each for each in rows if n >= len(each) + 2]
    if not defined:
        return [undefined] * len(rows)
    scores = _ranks(variables) if method == "spearman" else _values(variables)
    values = _partial(scores, np.ones((1, n)), defined)[:, 0]
    blocks = draw_members(n, n_bootstrap=n_bootstrap, seed=seed, n_variables=len(variables))
    drawn = [_partial(scores, counts_of(block).astype(np.float64), defined) for block in blocks]
    over = [(math.nan, math.nan)] * len(defined)
    if redrawn:
        varied, without_noise = _over_images(redrawn, variables, defined, method)
        over = [
            correlation_interval(value, draws, groups=redrawn[0].groups, also=other)
            for value, draws, other in zip(values, varied, without_noise, strict=True)
        ]
    estimates = {}
    for place, each in enumerate(defined):
        # samples that drew only ties do not count
        low, high = correlation_interval(values[place], np.concatenate([block[place] for block in drawn]), groups=n)
        is_defined = not (math.isnan(values[place]) or math.isnan(low))
        whole = Estimated(float(values[place]), low, high, n, *over[place])
        estimates[tuple(each)] = whole if is_defined else undefined._replace(value=float(values[place]))
    return [estimates.get(tuple(each), undefined) for each in rows]


def _over_images(
    redrawn: list[Redrawn], variables: Float[np.ndarray, "variable concept"], rows: list[list[int]], method: str
) -> tuple[list[Float[np.ndarray, "draw"]], list[float]]:
    """Return each correlation in the resamples of the images, and its value without the errors of the variables.

    The errors' covariance is that of the deviations over draws; it is taken off the covariance of the scores. Variables
    that are not redrawn are held fixed, and have no error. NaN for too few concepts, or where errors are all there is.
    """
    seen = np.logical_and.reduce([each.is_known for each in redrawn])
    n_draws, n, n_variables = len(redrawn[0].draws), int(seen.sum()), len(variables)
    scored = _ranked if method == "spearman" else _scaled
    enough = [each for each in rows if n >= len(each) + 2]
    if not enough:
        return [np.full(n_draws, math.nan)] * len(rows), [math.nan] * len(rows)
    observed = scored(variables[:, seen])
    drawn, fixed, noise = [], observed[len(redrawn) :], np.zeros((n_variables, n_variables))
    for block in np.array_split(np.arange(n_draws), 1 + n_draws * n * n_variables // _VALUES_AT_ONCE):
        values = np.stack([each.draws[np.ix_(block, seen)] for each in redrawn], axis=1)
        scores = np.concatenate([scored(values), np.broadcast_to(fixed, (len(block), *fixed.shape))], axis=1)
        drawn.append(_partial(lambda counts, scores=scores: scores, np.ones((len(block), n)), enough))  # type: ignore[misc]
        errors = scores - scores.mean(axis=0)
        noise += np.einsum("dvc,dwc->vw", errors, errors) / (n_draws * n)
    found = {tuple(each): np.concatenate([part[place] for part in drawn]) for place, each in enumerate(enough)}
    left = np.cov(observed, bias=True) - noise
    deviation = np.sqrt(np.where(np.diag(left) > _CONSTANT, np.diag(left), np.inf))
    correlations = (left / np.outer(deviation, deviation))[None]
    return (
        [found.get(tuple(each), np.full(n_draws, math.nan)) for each in rows],
        [float(_residual_correlation(correlations[:, each][:, :, each])[0]) for each in rows],
    )


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


def _partial(
    scores: Scores, counts: Float[np.ndarray, "sample concept"], rows: list[list[int]]
) -> Float[np.ndarray, "set sample"]:
    """Return the correlation of the first two of each list of variables given its others, in each sample.

    The Schur complement of the correlation matrix, R_aa - R_ac R_cc⁺ R_ca, is the covariance of the residuals of x and
    y after regression on the controls.
    """
    values: Float[np.ndarray, "sample variable concept"] = scores(counts)
    n = counts.shape[1]
    centred = values - (values * counts[:, None]).sum(2, keepdims=True) / n
    covariance = (centred * counts[:, None]) @ centred.transpose(0, 2, 1) / n
    variance = np.einsum("sii->si", covariance)
    deviation = np.where(variance > _CONSTANT, np.sqrt(variance), np.inf)  # a constant correlates with nothing
    whole = covariance / deviation[:, :, None] / deviation[:, None]
    return np.stack([_residual_correlation(whole[:, each][:, :, each]) for each in rows])


def _residual_correlation(
    correlations: Float[np.ndarray, "sample variable variable"],
) -> Float[np.ndarray, "sample"]:
    """Return the correlation of the first two variables given all others, from the correlations of all."""
    left = correlations
    if left.shape[1] > 2:
        given, among = left[:, :2, 2:], left[:, 2:, 2:]
        is_single = among.shape[1] == 1  # its correlation with itself is 1, or 0 where it is constant
        pseudo_inverse = among if is_single else np.linalg.pinv(among, rcond=_EXPLAINED, hermitian=True)
        left = left[:, :2, :2] - given @ pseudo_inverse @ given.transpose(0, 2, 1)
    product = left[:, 0, 0] * left[:, 1, 1]
    defined = np.minimum(left[:, 0, 0], left[:, 1, 1]) > _EXPLAINED
    return np.where(defined, left[:, 0, 1] / np.sqrt(np.where(defined, product, 1)), np.nan).clip(-1, 1)
