"""Moments of each group of a half's images, side by side: the sums of any set of groups follow, about its means.

Group g of G holds the images g, g + G, g + 2·G, … of either half: the same groups everywhere, so that a group left out
is one of the same images for every measure.
"""

from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featcx_core.arrays import Array
from featcx_core.features.moments import Moments, refuse_unequal

_CONSTANT = 1e-12
"""Share of a code's squares that is rounding where the code is constant on a set of images."""


class CentredSets(NamedTuple):
    """Sums about the means of several sets of images."""

    n: Float[Tensor, "set"]
    """Images."""
    x_mean: Float[Tensor, "set unit"]
    """Mean activations."""
    z_mean: Float[Tensor, "set concept"]
    """Mean codes."""
    xx: Float[Tensor, "set unit unit"]
    """X'X."""
    xz: Float[Tensor, "set unit concept"]
    """X'Z."""
    zz: Float[Tensor, "set concept"]
    """z'z of each concept."""
    varies: Bool[Tensor, "set concept"]
    """Whether a code varies on the set, rounding aside."""


class MomentsByGroup:
    """The sums that `Moments` holds, of each group: memory is `groups` times theirs.

    Chunks come in the order of the images, in any size; how they were cut matters only to rounding.

    Args:
        groups: how many.

    Raises:
        ValueError: fewer than two groups.

    >>> images = torch.tensor([[0.0], [2.0], [4.0], [6.0]])
    >>> sums = MomentsByGroup(groups=2)
    >>> sums.add(images, images)
    >>> sums.without(0, 2).xx.flatten().tolist()   # 2 and 6 are left, then 0 and 4
    [8.0, 8.0]
    """

    def __init__(self, *, groups: int) -> None:
        if groups < 2:
            raise ValueError(f"wanted at least 2 groups of images, got {groups}; try probe.groups = 20")
        self.groups, self.n_images = groups, 0
        self._first: Moments | None = None  # without images: the offset, and the kind of the arrays
        self._sums: tuple[Tensor, ...] = ()

    @classmethod
    def of(
        cls, x: Float[Array, "image unit"], z: Float[Array, "image concept"], *, groups: int, at_once: int = 2048
    ) -> "MomentsByGroup":
        """The sums of a half that memory holds; raises what `add` raises."""
        refuse_unequal(x, z)
        sums = cls(groups=groups)
        for start in range(0, len(x), at_once):
            sums.add(x[start : start + at_once], z[start : start + at_once])
        return sums

    def add(self, x: Float[Array, "image unit"], z: Float[Array, "image concept"]) -> None:
        """Add a chunk of images that follow the last ones.

        Raises:
            ValueError: acts and codes count different images, or one of them holds NaN or infinity (how many, where).
        """
        if self._first is None:
            self._first = Moments.before(x, z)
            parts = (getattr(self._first, name) for name in ("x_sum", "z_sum", "xx", "xz", "zz"))
            self._sums = tuple(part.repeat(self.groups, *(1 for _ in part.shape)) for part in parts)
        x_chunk, z_chunk = self._first.shifted(x, z, first_image=self.n_images)
        x_groups, z_groups = (self._dealt(chunk) for chunk in (x_chunk, z_chunk))
        added = (
            x_groups.sum(1),
            z_groups.sum(1),
            x_groups.mT @ x_groups,
            x_groups.mT @ z_groups,
            z_groups.square().sum(1),
        )
        for total, part in zip(self._sums, added, strict=True):
            total += part.to(total.device)
        self.n_images += len(x_chunk)

    @cached_property
    def whole(self) -> Moments:
        """The sums over all images; to be asked for once all chunks are added.

        Raises:
            ValueError: a group has no image.
        """
        if self.n_images < self.groups:
            raise ValueError(
                f"wanted at least one image for each of {self.groups} groups, got {self.n_images} images; try more"
            )
        assert self._first is not None
        x_sum, z_sum, xx, xz, zz = (part.sum(0) for part in self._sums)
        first = self._first
        return Moments(self.n_images, first.x_offset, first.z_offset, x_sum, z_sum, xx, xz, zz, first.numpy)

    @property
    def eps(self) -> float:
        """Relative rounding of the products: that of float64, or on MPS of float32."""
        return torch.finfo(self.whole.x_offset.dtype).eps

    def everything(self) -> CentredSets:
        """One set: all images."""
        whole = self.whole
        sums = (whole.x_sum, whole.z_sum, whole.xx, whole.xz, whole.zz)
        return self._about_means(self._n_of_groups().sum(0, keepdim=True), [part[None] for part in sums])

    def without(self, start: int, stop: int) -> CentredSets:
        """A set for each group from `start` up to `stop`: all images but those of the group."""
        whole, rows = self.whole, slice(start, stop)
        sums = (whole.x_sum, whole.z_sum, whole.xx, whole.xz, whole.zz)
        left = [total - part[rows] for total, part in zip(sums, self._sums, strict=True)]
        return self._about_means(self.n_images - self._n_of_groups()[rows], left)

    def every_second(self, first: int) -> CentredSets:
        """One set: the images of the groups first, first + 2, …"""
        rows = slice(first, None, 2)
        return self._about_means(
            self._n_of_groups()[rows].sum(0, keepdim=True), [part[rows].sum(0, keepdim=True) for part in self._sums]
        )

    def _n_of_groups(self) -> Float[Tensor, "group"]:
        group = torch.arange(self.groups, device=self.whole.xx.device)
        return ((self.n_images - group + self.groups - 1) // self.groups).double()

    def _about_means(self, n: Float[Tensor, "set"], sums: list[Tensor]) -> CentredSets:
        x_sum, z_sum, xx, xz, zz = sums
        x_mean, z_mean = x_sum / n[:, None], z_sum / n[:, None]
        squares = (zz - z_sum * z_mean).clamp(min=0)
        return CentredSets(
            n=n,
            x_mean=x_mean + self.whole.x_offset.to(x_sum),
            z_mean=z_mean + self.whole.z_offset.to(x_sum),
            xx=torch.baddbmm(xx, x_sum[..., None], x_mean[:, None], alpha=-1),
            xz=torch.baddbmm(xz, x_sum[..., None], z_mean[:, None], alpha=-1),
            zz=squares,
            varies=squares > _CONSTANT * self.whole.zz,
        )

    def _dealt(self, chunk: Float[Tensor, "image column"]) -> Float[Tensor, "group round column"]:
        """The images of each group; rows of zeros, which add nothing, fill the first and last round."""
        before = self.n_images % self.groups
        after = -(before + len(chunk)) % self.groups
        padded = torch.nn.functional.pad(chunk, (0, 0, before, after))
        return padded.reshape(-1, self.groups, chunk.shape[1]).transpose(0, 1)
