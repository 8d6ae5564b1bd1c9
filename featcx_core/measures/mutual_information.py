"""Mutual information of single units with the class, in bits: a control of class selectivity that sees any dependence.

The activation is binned; Morcos, Barrett, Rabinowitz, Botvinick, *On the importance of single directions for
generalization*, ICLR 2018, use it beside the selectivity. By chance: the exact expectation with both margins held fixed
[Vinh, Epps, Bailey, *Information theoretic measures for clusterings comparison*, JMLR 2010, eq. 24a].
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.moments import refuse_non_finite

RULES = ("population", "width")
"""Ways to cut bins: equally many images in each, or equally wide ones between the smallest and the largest value."""


class MutualInformation(NamedTuple):
    """Information of each unit about the class."""

    bits: Float64[np.ndarray, "unit"]
    """I(bin; class), in bits; 0 = nothing, at most the class's entropy. Never negative, hence too high by chance."""
    by_chance_bits: Float64[np.ndarray, "unit"]
    """Its expectation where unit and class have nothing to do with each other, with the same bins and classes."""


def mutual_information(
    acts: Float[Array, "image unit"],
    labels: Int[Array, "image"],
    *,
    n_classes: int,
    n_bins: int = 20,
    rule: str = "population",
) -> MutualInformation:
    """Return the mutual information of each unit's binned activation with the class, in bits.

    `Σ_bc p_bc log2(p_bc / (p_b p_c))`, p the shares of images in bin b and class c. With bins of equal population it is
    free of any increasing change of a unit. `by_chance_bits` grows with bins x classes / images.

    Args:
        acts: (image, unit).
        labels: class of each image.
        n_classes: labels go from 0 to n_classes - 1.
        n_bins: of each unit.
        rule: how they are cut, one of `RULES`.

    Raises:
        ValueError: as `bin_edges` and `BinCounts`, or no image.

    >>> import numpy as np
    >>> acts = np.array([[0.0], [0.1], [5.0], [5.1]])
    >>> mutual_information(acts, np.array([0, 0, 1, 1]), n_classes=2, n_bins=2).bits
    array([1.])
    """
    counts = BinCounts(bin_edges(acts, n_bins=n_bins, rule=rule), n_classes=n_classes)
    counts.add(acts, labels)
    return counts.result()


def bin_edges(
    acts: Float[Array, "image unit"], *, n_bins: int = 20, rule: str = "population"
) -> Float[Tensor, "unit edge"]:
    """Return the inner edges of each unit's bins, `n_bins - 1` of them, rising.

    A bin reaches from above one edge to the next, which belongs to it. With equal populations the edges are quantiles:
    a value that many images share (a rectified unit's 0) has a bin of its own, and fewer bins are filled.

    Raises:
        ValueError: no image, fewer than two bins, an unknown rule, or NaN or infinity.

    >>> bin_edges(torch.tensor([[0.0], [1.0], [2.0], [8.0]]), n_bins=2, rule="width").tolist()
    [[4.0]]
    """
    (x,), _ = as_tensors(acts)
    if len(x) == 0 or n_bins < 2:
        raise ValueError(f"wanted at least 1 image and 2 bins, got {len(x)} and {n_bins}; try n_bins=20")
    if rule not in RULES:
        raise ValueError(f"wanted the rule population or width, got {rule!r}; try population")
    refuse_non_finite(x, what="activations", column="unit")
    x = x.to(torch.float32 if x.device.type == "mps" else torch.float64)
    shares = torch.arange(1, n_bins, device=x.device, dtype=x.dtype) / n_bins
    if rule == "width":
        low, high = x.amin(0), x.amax(0)
        return low[:, None] + (high - low)[:, None] * shares
    ranked = x.sort(dim=0).values.T  # torch.quantile takes at most 16 million values
    place = shares * (len(x) - 1)
    below = place.floor().long()
    above = (below + 1).clamp(max=len(x) - 1)
    return torch.lerp(ranked[:, below], ranked[:, above], place - below)


class BinCounts:
    """Images by unit, bin and class, for more images than memory holds; memory is units·bins·classes.

    Args:
        edges: of each unit's bins, from `bin_edges` of all images or of some.
        n_classes: labels go from 0 to n_classes - 1.

    >>> counts = BinCounts(torch.tensor([[0.5]]), n_classes=2)
    >>> counts.add(torch.tensor([[0.0], [1.0], [1.0]]), torch.tensor([0, 1, 1]))
    >>> counts.counts.tolist()   # of the unit: bins down, classes across
    [[[1, 0], [0, 2]]]
    """

    def __init__(self, edges: Float[Tensor, "unit edge"], *, n_classes: int) -> None:
        self.edges, self.n_classes = edges.contiguous(), n_classes
        shape = (len(edges), edges.shape[1] + 1, n_classes)
        self.counts: Int64[Tensor, "unit bin class"] = torch.zeros(shape, dtype=torch.int64, device=edges.device)
        self.n = 0

    def add(self, acts: Float[Array, "image unit"], labels: Int[Array, "image"]) -> None:
        """Add images.

        Raises:
            ValueError: other units than the edges', a label an image missing or without a class, or NaN or infinity.
        """
        (_, x, label), _ = as_tensors(self.edges, acts, labels)
        units, bins, _ = self.counts.shape
        if x.shape != (len(label), units):
            raise ValueError(
                f"wanted activations of {len(label)} images, one a label, and {units} units, got {tuple(x.shape)}"
            )
        if len(label) and (label.min() < 0 or label.max() >= self.n_classes):
            raise ValueError(
                f"wanted labels from 0 to {self.n_classes - 1}, got {int(label.min())} to {int(label.max())}; "
                "try n_classes = largest label + 1"
            )
        refuse_non_finite(x, what="activations", column="unit", first_image=self.n)
        place = torch.searchsorted(self.edges, x.T.to(self.edges).contiguous())
        cell = (torch.arange(units, device=x.device)[:, None] * bins + place) * self.n_classes + label
        self.counts.view(-1).scatter_add_(0, cell.flatten(), torch.ones_like(cell.flatten()))
        self.n += len(label)

    def result(self) -> MutualInformation:
        """Return what came of all images.

        Raises:
            ValueError: none was added.
        """
        if self.n == 0:
            raise ValueError("wanted at least one image, got none; try another selection")
        counts = self.counts.cpu().numpy()
        return MutualInformation(_bits(counts), _by_chance_bits(counts))


def _bits(counts: Int64[np.ndarray, "unit bin class"]) -> Float64[np.ndarray, "unit"]:
    n_images = int(counts[0].sum())
    alone = counts.sum(axis=2, keepdims=True) * counts.sum(axis=1, keepdims=True)
    ratio = np.divide(counts * n_images, alone, out=np.ones(counts.shape), where=counts > 0)
    bits: np.ndarray = (counts * np.log2(ratio)).sum(axis=(1, 2)).clip(min=0) / n_images
    return bits


def _by_chance_bits(counts: Int64[np.ndarray, "unit bin class"]) -> Float64[np.ndarray, "unit"]:
    """Return the expectation of `_bits`, which follows from the margins: units whose bins are filled alike share it."""
    from sklearn.metrics.cluster import expected_mutual_information  # 1 s to import

    n_images = int(counts[0].sum())
    fillings = np.sort(counts.sum(axis=2), axis=1)
    _, members, which = np.unique(fillings, axis=0, return_index=True, return_inverse=True)
    nats = [expected_mutual_information(_filled(counts[member]), n_images) for member in members]
    bits: np.ndarray = np.array(nats)[which.ravel()] / math.log(2)
    return bits


def _filled(table: Int64[np.ndarray, "bin class"]) -> Int64[np.ndarray, "filled_bin filled_class"]:
    """Leave out bins and classes without images, whose logarithm is not defined."""
    filled: np.ndarray = table[table.any(axis=1)][:, table.any(axis=0)]
    return filled
