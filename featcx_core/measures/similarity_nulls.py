"""Null values of similarities, and calibrated scores.

Two nulls stand beside a value. Independent Gaussian data of the same shape depend on the numbers of images and units
alone. The same layers with the images of one of them permuted keep each layer's spectrum; the calibrated score counts
from their mean.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from featcx_core.measures.decomposed import Decomposed, decompose
from featcx_core.measures.layer_pair import Pair
from featcx_core.measures.similarity_measures import Measure, evaluate


class Null(NamedTuple):
    """Similarities of layers that are alike by chance alone."""

    mean: Float[np.ndarray, "measure"]
    """Mean over the draws."""
    high: Float[np.ndarray, "measure"]
    """95 % quantile over the draws; unrelated layers stay below it 19 times in 20."""


def permuted_null(
    x: Decomposed, y: Decomposed, measures: Sequence[Measure], *, n_permutations: int = 100, seed: int
) -> Null:
    """Measure x against y with the images of y permuted; layers centred on class means are permuted within classes.

    Nothing is decomposed again: each permutation costs a product of the scores and the measures. The permutations
    depend on the seed and the images alone, so all pairs of layers share them.

    Raises:
        ValueError: fewer than one permutation.

    >>> from featcx_core.measures.similarity_measures import chosen
    >>> x = decompose(np.array([[0.0], [1.0], [2.0], [3.0], [5.0]]))
    >>> null = permuted_null(x, x, chosen(["cka"]), n_permutations=20, seed=0)
    >>> bool(null.mean[0] < 0.5 < null.high[0] <= 1)
    True
    """
    if n_permutations < 1:
        raise ValueError(f"wanted at least 1 permutation, got {n_permutations}; try 100")
    orders = y.once(("orders", n_permutations, seed), lambda: _permutations(y, n_permutations, seed))
    draws = np.array([evaluate(Pair(x, y, order), measures) for order in orders], dtype=np.float64)
    return Null(draws.mean(0), np.quantile(draws, 0.95, axis=0))


def gaussian_null(x: Decomposed, y: Decomposed, measures: Sequence[Measure], *, n_draws: int = 5, seed: int) -> Null:
    """Measure independent Gaussian data of the shapes of x and y, centred as these are.

    Only the shapes, the classes and the device of x and y matter: one call serves all pairs of equal shapes.

    Raises:
        ValueError: fewer than one draw.

    >>> from featcx_core.measures.similarity_measures import chosen
    >>> x = decompose(np.random.default_rng(0).normal(size=(200, 8)))
    >>> null = gaussian_null(x, x, chosen(["mean_cca"]), seed=0)
    >>> bool(0.05 < null.mean[0] < 0.2)   # the square root of 8 / 200, at most
    True
    """
    if n_draws < 1:
        raise ValueError(f"wanted at least 1 draw, got {n_draws}; try 5")
    chance = torch.Generator().manual_seed(seed)
    draws = []
    for _ in range(n_draws):
        pair = Pair(_gaussian_like(x, chance), _gaussian_like(y, chance))
        draws.append(evaluate(pair, measures))
    return Null(np.mean(draws, axis=0), np.quantile(draws, 0.95, axis=0))


def calibrated(
    value: Float[np.ndarray, "*shape"], null_mean: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """Return `(value - null mean) / (1 - null mean)`: 0 = chance, 1 = the same; NaN where chance scores 1.

    >>> calibrated(np.array([0.75]), np.array([0.5]))
    array([0.5])
    """
    room = 1 - null_mean
    score: np.ndarray = (value - null_mean) / np.where(room > 0, room, np.nan)
    return score


def _gaussian_like(side: Decomposed, chance: torch.Generator) -> Decomposed:
    values = torch.randn(side.n_images, side.n_units, dtype=torch.float64, generator=chance)
    return decompose(values.to(side.scores.device), labels=side.classes)


def _permutations(side: Decomposed, n: int, seed: int) -> list[Int[Tensor, "image"]]:
    """Draw orders of the images, within their classes where a layer is centred on class means."""
    chance, where = np.random.default_rng(seed), side.scores.device
    return [torch.from_numpy(_permutation(side, chance)).to(where) for _ in range(n)]


def _permutation(side: Decomposed, chance: np.random.Generator) -> Int[np.ndarray, "image"]:
    order = np.empty(side.n_images, dtype=np.int64)
    for members in side.members:
        images = members.cpu().numpy()
        order[images] = chance.permutation(images)
    return order
