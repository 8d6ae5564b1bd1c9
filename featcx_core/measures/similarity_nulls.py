"""Similarities beside what chance gives, and intervals over images.

Two nulls stand beside a value. Independent Gaussian data of the same shape depend on the numbers of images and units
alone. The same layers with the images of one of them permuted keep each layer's spectrum; the calibrated score counts
from their mean. The interval comes from the delete-a-group jackknife [Efron & Tibshirani, *An Introduction to the
Bootstrap*, 1993, ch. 11].
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import t as student
from torch import Tensor

from featcx_core.measures.decomposed import Decomposed, decompose
from featcx_core.measures.layer_pair import Pair
from featcx_core.measures.similarity_measures import Measure, evaluate


class Null(NamedTuple):
    """Similarities that chance gives."""

    mean: Float[np.ndarray, "measure"]
    """Mean over the draws."""
    high: Float[np.ndarray, "measure"]
    """95 % quantile over the draws: unrelated layers stay below it 19 times in 20."""


def permuted_null(
    x: Decomposed, y: Decomposed, measures: Sequence[Measure], *, n_permutations: int = 100, seed: int
) -> Null:
    """Measure x against y with the images of y permuted, within their classes where both sides are centred so.

    Each permutation costs a product and what the measures cost; nothing is decomposed again. All pairs of layers with
    the same seed and images meet the same permutations.

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
    chance = np.random.default_rng(seed)
    draws = np.array(
        [evaluate(Pair(x, y, _permutation(y, chance)), measures) for _ in range(n_permutations)], dtype=np.float64
    )
    return Null(draws.mean(0), np.quantile(draws, 0.95, axis=0))


def gaussian_null(x: Decomposed, y: Decomposed, measures: Sequence[Measure], *, n_draws: int = 5, seed: int) -> Null:
    """Measure independent Gaussian data of the shapes of x and y, centred as they are.

    Only the shapes, the classes and the device of x and y count, so that one call serves all pairs of their shapes.

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


def jackknife_interval(
    value: Float[np.ndarray, "*shape"],
    left_out: Float[np.ndarray, "*shape group"],
    *,
    lowest: float | Float[np.ndarray, "*#shape"] = 0.0,
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """Return both ends of the 95 % interval `value ± t · SE`, cut to between `lowest` and 1.

    `SE² = (G-1)/G · Σ_g (θ_g - mean θ)²`, θ_g the value without group g of the images; t of Student's distribution with
    G - 1 degrees of freedom (2.093 for 20 groups).

    Raises:
        ValueError: fewer than two groups.

    >>> low, high = jackknife_interval(np.array([0.5]), np.array([[0.51, 0.49]]))   # 0.5 ± 12.706 · 0.01
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.3729], [0.6271])
    """
    groups = left_out.shape[-1]
    if groups < 2:
        raise ValueError(f"wanted at least 2 groups of images, got {groups}; try 20")
    half = student.ppf(0.975, groups - 1) * left_out.std(axis=-1) * (groups - 1) ** 0.5
    return np.clip(value - half, lowest, 1.0), np.clip(value + half, lowest, 1.0)


def _gaussian_like(side: Decomposed, chance: torch.Generator) -> Decomposed:
    values = torch.randn(side.n_images, side.n_units, dtype=torch.float64, generator=chance)
    return decompose(values.to(side.scores.device), labels=side.classes)


def _permutation(side: Decomposed, chance: np.random.Generator) -> Int[Tensor, "image"]:
    order = np.empty(side.n_images, dtype=np.int64)
    for members in side.members:
        images = members.cpu().numpy()
        order[images] = chance.permutation(images)
    return torch.from_numpy(order).to(side.scores.device)
