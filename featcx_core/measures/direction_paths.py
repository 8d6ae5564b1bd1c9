"""Signal and noise directions of a layer: canonical directions of its end that are there early, or never settle.

Morcos, Raghu, Bengio, *Insights on representational similarity with canonical correlation*, NIPS 2018, §3.1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from featcx_core.arrays import Array
from featcx_core.measures.cca import refuse_few_images
from featcx_core.measures.decomposed import Decomposed
from featcx_core.measures.layer_pair import Pair, pair_of, refuse_other_centring


class DirectionPaths(NamedTuple):
    """How far two sets of directions of a layer's end are found in the layer at each time."""

    signal: Float[np.ndarray, "time rank"]
    """Canonical correlations of the signal directions with the layer, largest first; 0 beyond its dimensions."""
    noise: Float[np.ndarray, "time rank"]
    """Those of the noise directions."""
    chance: Float[np.ndarray, "time"]
    """Root mean square over ranks of the correlations of directions that have nothing to do with the layer."""


def sorted_correlations(
    x: Float[Array, "image unit_x"] | Decomposed, end: Float[Array, "image unit_end"] | Decomposed
) -> Float[np.ndarray, "rank"]:
    """Canonical correlations of a layer with the same layer at the end of training, largest first, 0 to 1.

    The first are signal, directions that are there already; the last are noise, directions that change until the end.
    There are as many as the side of fewer dimensions has.

    Raises:
        ValueError: images <= units (every correlation would be 1), different images, NaN or infinity.

    Warns:
        UserWarning: fewer than 5 images a unit.

    >>> x = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0], [-1.0, -1.0]] * 3)
    >>> sorted_correlations(x, x @ [[1.0, 2.0], [0.0, 1.0]]).round(6).tolist()
    [1.0, 1.0]
    """
    pair = pair_of(x, end)
    refuse_few_images(pair.x, pair.y)
    return _numpy(pair.canonical.correlations)


def direction_paths(
    layers: Sequence[Decomposed], end: Decomposed, *, chosen_at: int, n_directions: int
) -> DirectionPaths:
    """Follow the end's best and worst preserved directions through training.

    The canonical directions of the end with the layer at time `chosen_at` are sorted by their correlation; the first
    `n_directions` are signal, the last noise. At every time t these fixed sets of directions H (orthonormal over the
    images) correlate with the layer by the singular values of U_t' H. Correlations at `chosen_at` are high and low by
    choice; the other times tell.

    Args:
        layers: one layer at several times, on the same images.
        end: the layer at the end.
        chosen_at: index of the time at which the sets are chosen.
        n_directions: size of each set.

    Raises:
        ValueError: fewer than two sets of directions, a time that is not there, images <= units, different images.

    Warns:
        UserWarning: fewer than 5 images a unit.

    >>> from featcx_core.measures.decomposed import decompose
    >>> chance = np.random.default_rng(0)
    >>> first, kept, new = chance.normal(size=(3, 400, 2))
    >>> start, end = decompose(np.hstack([kept, first])), decompose(np.hstack([kept, new]))
    >>> paths = direction_paths([start, end], end, chosen_at=0, n_directions=2)
    >>> paths.signal.round(1).tolist(), paths.noise.round(1).tolist()
    ([[1.0, 1.0], [1.0, 1.0]], [[0.1, 0.0], [1.0, 1.0]])
    """
    if not 0 <= chosen_at < len(layers):
        raise ValueError(f"wanted a time from 0 to {len(layers) - 1} to choose at, got {chosen_at}; try 0")
    for layer in layers:
        refuse_other_centring(layer, end)
    refuse_few_images(*layers, end)
    directions = Pair(layers[chosen_at], end).canonical.mixing_y
    if n_directions < 1 or directions.shape[1] < 2 * n_directions:
        raise ValueError(
            f"wanted two sets of 1 to {directions.shape[1] // 2} of the {directions.shape[1]} directions, got "
            f"{n_directions}; try fewer"
        )
    overlaps = [Pair(layer, end).overlap for layer in layers]
    signal, noise = (
        np.stack([_correlations(overlap @ kept) for overlap in overlaps])
        for kept in (directions[:, :n_directions], directions[:, -n_directions:])
    )
    dimensions = np.array([len(layer.strengths) for layer in layers])
    return DirectionPaths(signal, noise, np.sqrt(dimensions / (end.n_images - len(end.members))))


def _correlations(overlap: Float[Tensor, "direction kept"]) -> Float[np.ndarray, "kept"]:
    """The kept directions' canonical correlations; directions that the layer has no dimension for correlate by 0."""
    values = torch.linalg.svdvals(overlap).clamp(max=1)
    return _numpy(torch.nn.functional.pad(values, (0, overlap.shape[1] - len(values))))


def _numpy(values: Tensor) -> Float[np.ndarray, "rank"]:
    array: np.ndarray = values.cpu().numpy()
    return array
