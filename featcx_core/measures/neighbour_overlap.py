"""Nearest images of every image in a layer, and how many of them two layers share.

Huh, Cheung, Wang, Isola, *The platonic representation hypothesis*, ICML 2024, App. A (mutual nearest neighbours).
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featcx_core.measures.decomposed import Decomposed
from featcx_core.measures.layer_pair import Pair

_ROWS = 1024  # images compared with all others at once
_ZERO = 1e-12
"""Length of an image's activations, of the longest one's, that is rounding."""


def nearest_images(acts: Float[Tensor, "image unit"], *, n_neighbours: int = 10) -> Int[Tensor, "image rank"]:
    """Find the other images with the highest cosine `x_i · x_j / (||x_i|| ||x_j||)`, nearest first.

    -1 stands for no image: an image without any activation has no neighbours and is nobody's. The order of images of
    equal cosine is arbitrary. Memory is O(images), never images².

    Raises:
        ValueError: fewer than 1 neighbour, or fewer than `n_neighbours + 2` images (all lists would be the same).

    >>> acts = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    >>> nearest_images(acts, n_neighbours=1).tolist()
    [[1], [0], [3], [2]]
    """
    if n_neighbours < 1:
        raise ValueError(f"wanted at least 1 neighbour, got {n_neighbours}; try 10")
    if len(acts) < n_neighbours + 2:
        raise ValueError(
            f"wanted at least {n_neighbours + 2} images for {n_neighbours} neighbours, got {len(acts)}; "
            "try more probe images, or fewer neighbours"
        )
    lengths = torch.linalg.vector_norm(acts, dim=1, keepdim=True)
    is_silent = lengths[:, 0] <= _ZERO * lengths.max()
    directions = acts / torch.where(is_silent[:, None], 1, lengths)
    nearest = torch.empty(len(acts), n_neighbours, dtype=torch.int64, device=acts.device)
    for rows in torch.split(torch.arange(len(acts), device=acts.device), _ROWS):
        cosines = directions[rows] @ directions.T
        cosines[:, is_silent] = -torch.inf
        cosines[is_silent[rows]] = -torch.inf
        cosines[torch.arange(len(rows)), rows] = -torch.inf
        highest, images = cosines.topk(n_neighbours, dim=1)
        nearest[rows] = torch.where(highest > -torch.inf, images, -1)
    return nearest


def mutual_knn(pair: Pair, *, n_neighbours: int = 10) -> float:
    """Share of an image's nearest images that both layers have in common; see `similarity.mutual_knn`."""
    x, y = (_lists(side, n_neighbours) for side in (pair.x, pair.y))
    if len(pair.x.strengths) == 0 or len(pair.y.strengths) == 0:
        return math.nan
    if pair.order is not None:
        y = _permuted(y, pair.order)
    is_shared = (x[:, :, None] == y[:, None, :]) & (x[:, :, None] >= 0)
    return float(is_shared.sum()) / x.numel()


def _lists(side: Decomposed, n_neighbours: int) -> Int[Tensor, "image rank"]:
    """The lists of a layer, which are kept for its next comparison."""

    def work() -> Int[Tensor, "image rank"]:
        inside = side.mean @ side.loadings
        outside = torch.linalg.vector_norm(side.mean - side.loadings @ inside)  # the same for every image
        rows = torch.cat([side.scores * side.strengths + inside, outside.expand(side.n_images, 1)], dim=1)
        return nearest_images(rows, n_neighbours=n_neighbours)

    return side.once(("nearest", n_neighbours), work)


def _permuted(nearest: Int[Tensor, "image rank"], order: Int[Tensor, "image"]) -> Int[Tensor, "image rank"]:
    """The lists of the layer with its images in another order: image i is what was image `order[i]`."""
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    moved = nearest[order]
    return torch.where(moved >= 0, place[moved.clamp(min=0)], -1)
