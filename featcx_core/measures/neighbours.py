"""Neighbours of a concept: the concepts whose atoms have nearly its direction."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int

from featcx_core.arrays import Array, as_tensors

_ROWS = 512  # concepts compared with all others at once


class Neighbours(NamedTuple):
    """Nearest other concepts of each concept, nearest first."""

    concepts: Int[Array, "concept rank"]
    """Index of the neighbour; -1 where there is none (too few concepts, or a zero atom)."""
    cosines: Float[Array, "concept rank"]
    """Cosine of the two atoms, -1 to 1; 1 = the same direction; 0 where there is no neighbour."""


def neighbours(atoms: Float[Array, "concept unit"], *, n_neighbours: int) -> Neighbours:
    """Return the concepts whose atoms have the highest cosine with each concept's, d_i · d_j / (||d_i|| ||d_j||).

    Memory is O(concepts), never concepts². A zero (dead) atom has no neighbours and is nobody's neighbour.

    Raises:
        ValueError: If `n_neighbours` is below 1.

    >>> import numpy as np
    >>> neighbours(np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0]]), n_neighbours=1).concepts.tolist()
    [[1], [0], [1]]
    """
    if n_neighbours < 1:
        raise ValueError(f"wanted at least one neighbour, got {n_neighbours}")
    (d,), restore = as_tensors(atoms)
    norms = torch.linalg.vector_norm(d, dim=1, keepdim=True)
    unit, is_zero = torch.where(norms > 0, d / norms, 0), norms[:, 0] == 0
    n = min(n_neighbours, len(d) - 1)
    concepts = torch.full((len(d), n_neighbours), -1, dtype=torch.int64, device=d.device)
    cosines = d.new_zeros(len(d), n_neighbours)
    for start in range(0, len(d), _ROWS):
        rows = torch.arange(start, min(start + _ROWS, len(d)), device=d.device)
        cosine = unit[rows] @ unit.T
        cosine[:, is_zero] = -torch.inf
        cosine[is_zero[rows]] = -torch.inf
        cosine[rows - start, rows] = -torch.inf
        highest, nearest = cosine.topk(n, dim=1)
        is_neighbour = highest > -torch.inf
        concepts[rows, :n] = torch.where(is_neighbour, nearest, -1)
        cosines[rows, :n] = torch.where(is_neighbour, highest.clamp(-1, 1), 0)
    return Neighbours(restore(concepts), restore(cosines))
