"""Class selectivity of single units: how far the class that drives a unit most stands out from the others.

Morcos, Barrett, Rabinowitz, Botvinick, *On the importance of single directions for generalization*, ICLR 2018.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.class_sums import ClassSums


class Selectivity(NamedTuple):
    """Selectivity of each unit, and its class."""

    selectivity: Float[Array, "unit"]
    """(μ_max - μ_-max) / (μ_max + μ_-max), in [0, 1]: 0 = the same mean for all classes, 1 = active for a single class.
    NaN for a unit that is never active, and where a class mean is negative: the index takes activations to be ≥ 0."""
    class_id: Int64[Array, "unit"]
    """Class of the largest mean; the first of several."""
    by_chance: Float[Array, "unit"]
    """Mean selectivity of the same activations with shuffled labels: classes of few images differ by chance."""


def selectivity(
    acts: Float[Array, "image unit"],
    labels: Int[Array, "image"],
    *,
    n_classes: int,
    n_shuffles: int = 20,
    seed: int = 0,
) -> Selectivity:
    """Return the class selectivity of each unit, `(μ_max - μ_-max) / (μ_max + μ_-max)`.

    μ_max is the largest of a unit's class means, μ_-max the mean of the other classes' means, each class counting the
    same; classes without images count for nothing. Maps are averaged over positions before. Free of a unit's scale.
    Sums in float64, in one pass.

    Args:
        acts: after the activation, (image, unit).
        labels: class of each image.
        n_classes: labels go from 0 to n_classes - 1.
        n_shuffles: shuffled labels behind `by_chance`; 0: NaN.
        seed: decides them.

    Raises:
        ValueError: no image, fewer than two classes with images, a label without a class, or NaN or infinity.

    >>> import numpy as np
    >>> acts = np.array([[3.0, 1.0], [3.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    >>> selectivity(acts, np.array([0, 0, 1, 1]), n_classes=2).selectivity   # (3 - 1) / (3 + 1)
    array([0.5, 0. ])
    """
    return selectivity_streamed([acts], labels, n_classes=n_classes, n_shuffles=n_shuffles, seed=seed)


def selectivity_streamed(
    chunks: Iterable[Float[Array, "_ unit"]],
    labels: Int[Array, "image"],
    *,
    n_classes: int,
    n_shuffles: int = 20,
    seed: int = 0,
) -> Selectivity:
    """Return `selectivity` for more images than memory holds: their activations come in chunks, in the labels' order.

    Memory is O((1 + shuffles)·classes·units). Arguments as there.

    Raises:
        ValueError: as there, and where the chunks hold more or fewer images than there are labels.

    >>> chunks = [np.array([[3.0], [3.0]]), np.array([[1.0], [1.0]])]
    >>> selectivity_streamed(chunks, np.array([0, 0, 1, 1]), n_classes=2).selectivity
    array([0.5])
    """
    (first,), _ = as_tensors(labels)
    ways = [first, *shuffled(first, n=n_shuffles, seed=seed)]
    sums = [ClassSums(n_classes=n_classes) for _ in ways]
    for chunk in chunks:
        for way, total in zip(ways, sums, strict=True):
            total.add(chunk, way[total.n : total.n + len(chunk)])
    sums[0].refuse_empty()
    if sums[0].n != len(first):
        raise ValueError(f"wanted activations of {len(first)} images, one a label, got {sums[0].n}; try all chunks")
    index, class_id = _index(sums[0])
    by_chance = [_index(total)[0] for total in sums[1:]] or [torch.full_like(index, math.nan)]
    result = (index, class_id, torch.stack(by_chance).mean(0))
    return Selectivity(*(sums[0].restored(part) for part in result))


def shuffled(labels: Int[Tensor, "image"], *, n: int, seed: int) -> list[Int[Tensor, "image"]]:
    """Return the labels in some seeded orders: what activations have nothing to do with."""
    chance = np.random.default_rng(seed)
    orders = (torch.from_numpy(chance.permutation(len(labels))) for _ in range(n))
    return [labels[order.to(labels.device)] for order in orders]


def _index(sums: ClassSums) -> tuple[Float[Tensor, "unit"], Int64[Tensor, "unit"]]:
    """Selectivity and class of each unit."""
    present = (sums.counts.sum(0) > 0).nonzero()[:, 0]
    if len(present) < 2:
        raise ValueError(f"wanted images of at least 2 classes, got {len(present)}; try more images")
    means = sums.means()[present]
    largest, place = means.max(0)
    others = (means.sum(0) - largest) / (len(present) - 1)
    # counted from an offset, the mean of a class that never drives the unit is 0 but for rounding
    is_undefined = (largest <= 0) | (means < -1e-12 * largest.abs()).any(0)
    # clamped: means that are all the same differ by rounding
    index = ((largest - others) / (largest + others)).clamp(0, 1).masked_fill(is_undefined, math.nan)
    return index, present[place]
