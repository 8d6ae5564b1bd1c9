"""Pairs of layers on the same images, with the products that all their similarities share."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.measures.decomposed import Decomposed, decompose_side


class Canonical(NamedTuple):
    """Canonical correlations of two layers, and the directions that have them."""

    correlations: Float[Tensor, "rank"]
    """ρ, largest first, 0 to 1."""
    mixing_x: Float[Tensor, "direction_x rank"]
    """A: the canonical variables of x over the images are the orthonormal columns of U_x A."""
    mixing_y: Float[Tensor, "direction_y rank"]
    """B: those of y are U_y B."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two decomposed layers."""

    x: Decomposed
    """First layer."""
    y: Decomposed
    """Second layer, on the same images."""
    order: Int[Tensor, "image"] | None = None
    """Image of y that is put beside each image of x; None: the same one."""

    @cached_property
    def overlap(self) -> Float[Tensor, "direction_x direction_y"]:
        """U_x' U_y: cosines between the directions of both."""
        if self.x.classes is not None and self._is_cheaper_by_units:  # CKA needs the products of each class anyway
            return self._by_class.sum(0) / (self.x.strengths[:, None] * self.y.strengths)
        y = self.y.scores if self.order is None else self.y.scores[self.order]
        return self.x.scores.T @ y

    @cached_property
    def squared_by_class(self) -> Float[Tensor, "class"]:
        """||X_c'Y_c||² of each class's images, by X_c'Y_c or by the kernels, whichever is smaller."""
        if self._is_cheaper_by_units:
            return self._by_class.square().sum((1, 2))
        x, y = self.x.by_class(None), self.y.by_class(self.order)
        return ((x @ x.mT) * (y @ y.mT)).sum((1, 2))

    @cached_property
    def _by_class(self) -> Float[Tensor, "class direction_x direction_y"]:
        """X_c'Y_c of each class's images."""
        return self.x.by_class(None).mT @ self.y.by_class(self.order)

    @property
    def _is_cheaper_by_units(self) -> bool:
        return len(self.x.strengths) * len(self.y.strengths) <= max(map(len, self.x.members)) ** 2

    @cached_property
    def cross(self) -> Float[Tensor, "direction_x direction_y"]:
        """X'Y, each side in its own singular directions."""
        return self.x.strengths[:, None] * self.overlap * self.y.strengths

    @cached_property
    def canonical(self) -> Canonical:
        """All canonical correlations."""
        return self.canonical_of(len(self.x.strengths), len(self.y.strengths))

    def canonical_of(self, n_x: int, n_y: int) -> Canonical:
        """Return the canonical correlations between the first singular directions of each side."""
        a, correlations, bt = torch.linalg.svd(self.overlap[:n_x, :n_y], full_matrices=False)
        return Canonical(correlations.clamp(max=1), a, bt.T)


def pair_of(x: Array | Decomposed, y: Array | Decomposed, *, labels: Array | None = None) -> Pair:
    """Pair two layers; a side that is an array is decomposed first.

    Raises:
        ValueError: different images, sides that are centred differently, or labels beside a decomposed side.
    """
    if labels is not None and (isinstance(x, Decomposed) or isinstance(y, Decomposed)):
        raise ValueError("wanted labels before the layer is decomposed, got both; try decompose(acts, labels=…)")
    if not isinstance(y, Decomposed):
        (_, y), _ = as_tensors(x.scores if isinstance(x, Decomposed) else x, y)
    if len(_images(x)) != len(_images(y)):
        raise ValueError(
            f"wanted the same images on both sides, got {len(_images(x))} and {len(_images(y))}; "
            "try one selection for both"
        )
    a = x if isinstance(x, Decomposed) else decompose_side(x, labels=labels, what="activations of the first side")
    b = y if isinstance(y, Decomposed) else decompose_side(y, labels=labels, what="activations of the second side")
    refuse_other_centring(a, b)
    return Pair(a, b)


def refuse_other_centring(x: Decomposed, y: Decomposed) -> None:
    """Raise a ValueError unless both sides have the same images and are centred alike."""
    if x.n_images != y.n_images:
        raise ValueError(
            f"wanted the same images on both sides, got {x.n_images} and {y.n_images}; try one selection for both"
        )
    if (x.classes is None) != (y.classes is None) or (
        x.classes is not None and y.classes is not None and not torch.equal(x.classes, y.classes)
    ):
        raise ValueError("wanted both sides centred alike, got different classes; try the same labels for both")


def _images(side: Array | Decomposed) -> Array:
    return side.scores if isinstance(side, Decomposed) else side
