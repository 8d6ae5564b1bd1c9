"""A layer's activations, centred and decomposed once for its similarities with all other layers."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.moments import refuse_non_finite

T = TypeVar("T")

_LEAST_KEPT = 1e-3
"""Share of a direction's variance that the remaining images must carry, or it is decomposed anew."""


@dataclass(frozen=True, eq=False)
class Decomposed:
    """The thin singular value decomposition X = U S V' of a layer's centred activations.

    Directions weaker than about 1e-7 of the strongest are rounding of float32 data and are left out. A constant layer
    has no directions at all; its similarities are NaN.
    """

    scores: Float[Tensor, "image direction"]
    """U: orthonormal columns, float64."""
    strengths: Float[Tensor, "direction"]
    """S: singular values, largest first."""
    loadings: Float[Tensor, "unit direction"]
    """V: orthonormal columns."""
    mean: Float[Tensor, "unit"]
    """Mean over all images, which was subtracted; zeros where class means were."""
    classes: Int[Tensor, "image"] | None
    """Class of each image, counted from 0, where class means were subtracted; else None."""
    _kept: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.scores)

    @property
    def n_units(self) -> int:
        """Number of units, constant ones included."""
        return len(self.loadings)

    @cached_property
    def members(self) -> list[Int[Tensor, "member"]]:
        """Images of each class; all images where there are no classes."""
        if self.classes is None:
            return [torch.arange(self.n_images, device=self.scores.device)]
        return list(torch.split(self.classes.argsort(stable=True), torch.bincount(self.classes).tolist()))

    @cached_property
    def energies(self) -> Float[Tensor, "image"]:
        """Squared length of every image's centred activations: the diagonal of XX'."""
        return self.scores.square() @ self.strengths.square()

    def once(self, what: Hashable, work: Callable[[], T]) -> T:
        """Return the result of `work`, which is called the first time only and kept under the name `what`."""
        if what not in self._kept:
            self._kept[what] = work()
        result: T = self._kept[what]
        return result

    def leading(self, threshold: float, *, squared: bool = False) -> int:
        """Return the smallest m with `Σ_{i≤m} s_i >= threshold · Σ s`; `squared`: of s², the variance."""
        if threshold == 1:
            return len(self.strengths)
        return self.once(("leading", threshold, squared), partial(self._leading, threshold, squared=squared))

    def _leading(self, threshold: float, *, squared: bool) -> int:
        mass = (self.strengths.square() if squared else self.strengths).cumsum(0)
        return min(int((mass < threshold * mass[-1:]).sum()) + 1, len(mass))

    def by_class(self, order: Int[Tensor, "image"] | None) -> Float[Tensor, "class member direction"]:
        """Return U S class by class, zeros beyond a class's members; `order`: of the images in another order."""
        if order is None:
            return self.once("by class", lambda: self._rows[self._padded])
        return self._rows[torch.nn.functional.pad(order, (0, 1), value=self.n_images)[self._padded]]

    @cached_property
    def _rows(self) -> Float[Tensor, "image_and_none direction"]:
        """U S, and a row of zeros."""
        return torch.nn.functional.pad(self.scores * self.strengths, (0, 0, 0, 1))

    @cached_property
    def _padded(self) -> Int[Tensor, "class member"]:
        """Images of each class; the row of zeros beyond its members."""
        return torch.nn.utils.rnn.pad_sequence(self.members, batch_first=True, padding_value=self.n_images)

    def without_each(self, groups: int) -> Iterator["Decomposed"]:
        """Decompose the layer without each group of images in turn; group g holds the images g, g + groups, …"""
        group = torch.arange(self.n_images, device=self.scores.device) % groups
        return (self._only(group != number) for number in range(groups))

    def _only(self, kept: Bool[Tensor, "image"]) -> "Decomposed":
        rows = (self.scores * self.strengths)[kept]
        classes = None if self.classes is None else _counted(self.classes[kept])
        mean = self.mean if self.classes is not None else self.mean + self.loadings @ rows.mean(0)
        u, s, v = self._updated(_centred(self.scores[kept], classes)) or _svd(_centred(rows, classes))
        return Decomposed(u, s, self.loadings @ v, mean, classes)

    def _updated(self, scores: Float[Tensor, "image direction"]) -> tuple[Tensor, Tensor, Tensor] | None:
        """Decompose U S from U of some images: U = Q R, and R S is small. None where U has lost a direction."""
        lower, failed = torch.linalg.cholesky_ex(scores.T @ scores)
        if failed or (lower.diagonal().square() < _LEAST_KEPT).any():
            return None
        a, s, v = _svd(lower.T * self.strengths)
        return scores @ torch.linalg.solve_triangular(lower.T, a, upper=True), s, v


def decompose(acts: Float[Array, "image unit"], *, labels: Int[Array, "image"] | None = None) -> Decomposed:
    """Centre a layer's activations and decompose them, once for all of its comparisons.

    Arithmetic is in float64 on the device of the activations (on the CPU instead of MPS, which has no float64).

    Args:
        acts: activations, (image, unit).
        labels: class of each image. Class means are subtracted instead of the mean over all images, and similarities
            are those within classes.

    Raises:
        ValueError: NaN or infinity, or labels of other images.

    >>> import numpy as np
    >>> decompose(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0], [0.0, -3.0]])).strengths.numpy().round(6).tolist()
    [4.242641, 1.414214]
    """
    return decompose_side(acts, labels=labels, what="activations")


def decompose_side(acts: Array, *, labels: Array | None, what: str) -> Decomposed:
    """Decompose as `decompose` does; an error calls the activations `what`."""
    (x,), _ = as_tensors(acts)
    refuse_non_finite(x, what=what, column="unit")
    x = (x.cpu() if x.device.type == "mps" else x).double()
    classes = None
    if labels is not None:
        if len(labels) != len(x):
            raise ValueError(
                f"wanted a label for every image, got {len(labels)} labels and {len(x)} images; "
                "try one selection for both"
            )
        classes = _counted(as_tensors(x, labels)[0][1])
    mean = x[0] + (x - x[0]).mean(0) if classes is None else torch.zeros_like(x[0])
    u, s, v = _svd(_centred(x, classes))
    return Decomposed(u, s, v, mean, classes)


def _counted(labels: Int[Tensor, "image"]) -> Int[Tensor, "image"]:
    """Number the classes from 0 without gaps."""
    classes: Tensor = torch.unique(labels, return_inverse=True)[1]
    return classes


def _centred(x: Float[Tensor, "image unit"], classes: Int[Tensor, "image"] | None) -> Float[Tensor, "image unit"]:
    """Subtract the means. The first image is subtracted before, so that a constant unit becomes exact zeros."""
    if classes is None:
        x = x - x[:1]
        return x - x.mean(0)
    belongs = torch.nn.functional.one_hot(classes).to(x)
    first = belongs.argmax(0)
    x = x - x[first][classes]
    return x - (belongs.T @ x / belongs.sum(0)[:, None])[classes]


def _svd(x: Float[Tensor, "image unit"]) -> tuple[Tensor, Tensor, Tensor]:
    u, s, vt = torch.linalg.svd(x, full_matrices=False)
    # the cut is at 1e-7 of the largest: weaker directions of float32 data are rounding
    kept = s.square() > 8 * len(s) ** 0.5 * torch.finfo(s.dtype).eps * s[:1].square()
    return u[:, kept].contiguous(), s[kept], vt[kept].T.contiguous()
