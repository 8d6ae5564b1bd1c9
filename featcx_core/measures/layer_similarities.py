"""Similarities of many layers: each is decomposed once, and all pairs follow from the decompositions.

Source of the measures: `similarity`; of the nulls: `similarity_nulls`; of the delete-a-group jackknife behind the
intervals: Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, ch. 11.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from featcx_core.measures.cca import refuse_few_images
from featcx_core.measures.decomposed import Decomposed
from featcx_core.measures.intervals import jackknife_interval
from featcx_core.measures.layer_pair import Pair, refuse_other_centring
from featcx_core.measures.similarity_measures import LOWEST, OF_CORRELATIONS, SWAPPED, chosen, evaluate
from featcx_core.measures.similarity_nulls import calibrated, gaussian_null, permuted_null

Layers: TypeAlias = Sequence[Decomposed]
Work: TypeAlias = Callable[[Decomposed, Decomposed], Float[np.ndarray, "measure *column"]]
DEFAULT = ("cka", "svcca", "pwcca")
"""Measures taken by default."""


class Compared(NamedTuple):
    """Similarities of every layer with every other one, by each measure."""

    value: Float[np.ndarray, "measure layer other"]
    """Similarity; NaN where a layer is constant."""
    low: Float[np.ndarray, "measure layer other"]
    """Lower end of the 95 % interval over images, cut to the measure's range; NaN without groups."""
    high: Float[np.ndarray, "measure layer other"]
    """Upper end."""
    null_gaussian: Float[np.ndarray, "measure layer other"]
    """Mean similarity of independent Gaussian data of the same shape; NaN without draws."""
    null_permuted: Float[np.ndarray, "measure layer other"]
    """Mean similarity with the images of one side permuted; NaN without permutations."""
    null_permuted_high: Float[np.ndarray, "measure layer other"]
    """95 % quantile over the permutations."""
    calibrated: Float[np.ndarray, "measure layer other"]
    """(value - null_permuted) / (1 - null_permuted): 0 = chance, 1 = the same."""
    left_out: Float[np.ndarray, "measure layer other group"]
    """Similarity without each group of images; without groups the last axis is empty."""


def similarities(
    layers: Layers,
    others: Layers | None = None,
    *,
    measures: Sequence[str] = DEFAULT,
    threshold: float = 0.99,
    n_neighbours: int = 10,
) -> Float[np.ndarray, "measure layer other"]:
    """Measure every layer against every other one, or against each of `others`.

    Names, ranges and null values of the measures: `similarity_measures.chosen`. Without `others` each pair is measured
    once. PWCCA is weighted by the layer of the row. NaN where a layer is constant.

    Raises:
        ValueError: no layer, different images, layers that are centred differently, an unknown measure, or images <=
            units for a measure of correlations.

    Warns:
        UserWarning: fewer than 5 images a unit, for a measure of correlations.

    >>> from featcx_core.measures.decomposed import decompose
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0], [5.0]])
    >>> similarities([decompose(x), decompose(1 - 2 * x)], measures=["cka"]).round(6).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """
    _refuse(layers, others, measures)
    works = chosen(_names(measures, others), threshold=threshold, n_neighbours=n_neighbours)
    return _over_pairs(layers, others, measures, lambda x, y: evaluate(Pair(x, y), works))


def compare_layers(
    layers: Layers,
    others: Layers | None = None,
    *,
    measures: Sequence[str] = DEFAULT,
    threshold: float = 0.99,
    n_neighbours: int = 10,
    n_draws: int = 5,
    n_permutations: int = 100,
    groups: int = 20,
    seed: int,
) -> Compared:
    """Measure as `similarities` does, with null values and intervals beside every value.

    One permutation of a pair costs as much as its value; all pairs of a shape share their Gaussian draws; the interval
    costs `groups` decompositions of each layer and as many values. 0 draws, permutations or groups leave that part out
    (NaN).

    The interval is about the value that other images of the same number give. Measures of correlations are too high by
    chance at few images; the nulls show by how much, the interval does not.

    Args:
        layers: one side, on the same images as the others.
        others: the other side; default: the layers themselves.
        measures: names.
        threshold: share of the singular values that SVCCA keeps.
        n_neighbours: nearest images that the mutual overlap counts.
        n_draws: Gaussian draws of each shape.
        n_permutations: permutations of the images.
        groups: number of groups of images that are left out in turn; group g holds the images g, g + groups, …
        seed: of draws and permutations.

    Raises:
        ValueError: what `similarities` raises, also for the images that are left without a group.

    Warns:
        UserWarning: fewer than 5 images a unit, for a measure of correlations.

    >>> from featcx_core.measures.decomposed import decompose
    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> same = compare_layers([decompose(x)], [decompose(2 * x)], measures=["mean_cca"], n_permutations=20, seed=0)
    >>> [float(part.round(3).item()) for part in (same.value, same.low, same.high, same.calibrated)]
    [1.0, 1.0, 1.0, 1.0]
    """
    if groups == 1:
        raise ValueError("wanted at least 2 groups of images, or 0 for no interval, got 1; try 20")
    _refuse(layers, others, measures, groups=groups)
    works = chosen(_names(measures, others), threshold=threshold, n_neighbours=n_neighbours)

    def values(side: Layers, other_side: Layers | None) -> Float[np.ndarray, "measure layer other"]:
        return _over_pairs(side, other_side, measures, lambda x, y: evaluate(Pair(x, y), works))

    def gaussian(x: Decomposed, y: Decomposed) -> Float[np.ndarray, "measure"]:
        return gaussian_null(x, y, works, n_draws=n_draws, seed=seed).mean

    def permuted(x: Decomposed, y: Decomposed) -> Float[np.ndarray, "measure two"]:
        return np.stack(permuted_null(x, y, works, n_permutations=n_permutations, seed=seed), axis=1)

    value = values(layers, others)
    missing = np.full_like(value, math.nan)
    low, high, null_gaussian, null_permuted, null_permuted_high = (missing for _ in range(5))
    left_out = np.zeros((*value.shape, 0))
    if groups:
        left_out = np.stack([values(*sides) for sides in _without_each(layers, others, groups)], axis=-1)
        lowest = np.array([LOWEST.get(name, 0.0) for name in measures])[:, None, None]
        low, high = (np.clip(end, lowest, 1.0) for end in jackknife_interval(value, left_out))
    if n_draws:
        null_gaussian = _over_pairs(layers, others, measures, _once_a_shape(gaussian))
    if n_permutations:
        both = _over_pairs(layers, others, measures, permuted)
        null_permuted, null_permuted_high = both[..., 0], both[..., 1]
    score = calibrated(value, null_permuted)
    return Compared(value, low, high, null_gaussian, null_permuted, null_permuted_high, score, left_out)


def _names(measures: Sequence[str], others: Layers | None) -> list[str]:
    """Return the measures to take of each pair, with their counterparts where a pair serves both directions."""
    backwards = () if others is not None else (SWAPPED.get(name, name) for name in measures)
    return list(dict.fromkeys([*measures, *backwards]))


def _over_pairs(
    layers: Layers, others: Layers | None, measures: Sequence[str], work: Work
) -> Float[np.ndarray, "measure layer other *column"]:
    names = _names(measures, others)
    wanted = [names.index(name) for name in measures]
    if others is not None:
        rows = np.array([[work(x, y) for y in others] for x in layers])
        return np.moveaxis(rows, 2, 0)[wanted]
    backwards = [names.index(SWAPPED.get(name, name)) for name in names]
    pairs = {(i, j): work(x, y) for i, x in enumerate(layers) for j, y in enumerate(layers[: i + 1])}
    pairs |= {(j, i): row[backwards] for (i, j), row in pairs.items() if i != j}
    rows = np.array([[pairs[i, j] for j in range(len(layers))] for i in range(len(layers))])
    return np.moveaxis(rows, 2, 0)[wanted]


def _without_each(layers: Layers, others: Layers | None, groups: int) -> Iterator[tuple[Layers, Layers | None]]:
    """Yield both sides without each group of images; a layer on both sides is decomposed once."""
    everyone = list(dict.fromkeys([*layers, *(others or ())]))
    for left in zip(*(layer.without_each(groups) for layer in everyone), strict=True):
        anew = dict(zip(everyone, left, strict=True))
        yield [anew[layer] for layer in layers], None if others is None else [anew[layer] for layer in others]


def _once_a_shape(null: Work) -> Work:
    """Return the same null, worked out once for all pairs of equal numbers of units."""
    by_units: dict[tuple[int, int], Float[np.ndarray, "measure"]] = {}

    def work(x: Decomposed, y: Decomposed) -> Float[np.ndarray, "measure"]:
        units = x.n_units, y.n_units
        if units not in by_units:
            by_units[units] = null(x, y)
        return by_units[units]

    return work


def _refuse(layers: Layers, others: Layers | None, measures: Sequence[str], *, groups: int = 0) -> None:
    everyone = [*layers, *(layers if others is None else others)]
    if not layers or len(everyone) == len(layers):
        raise ValueError("wanted at least one layer on either side, got none; try another selection")
    for layer in everyone[1:]:
        refuse_other_centring(everyone[0], layer)
    if any(name in OF_CORRELATIONS for name in measures):
        left_out = math.ceil(everyone[0].n_images / groups) if groups else 0
        refuse_few_images(*everyone, left_out=left_out, stacklevel=4)
