"""Sums of each group of a half's images, side by side: the sums of any set of groups follow, about its means.

Group g of G holds the images g, g + G, g + 2·G, … of either half. The groups are the same everywhere, so that a group
left out is one of the same images for every measure.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Generic, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featcx_core.arrays import Array
from featcx_core.features.moments import S, refuse_unequal

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


class GroupedSums(Generic[S]):
    """The sums of each group, as `Moments` or a subclass holds them: memory is `groups` times theirs.

    Chunks come in the order of the images, in any size; how they were cut matters only to rounding.

    Args:
        kind: `Moments` or a subclass with further sums.
        groups: how many.

    Raises:
        ValueError: fewer than two groups.

    >>> from featcx_core.features.moments import Moments
    >>> images = torch.tensor([[0.0], [2.0], [4.0], [6.0]])
    >>> sums = GroupedSums(Moments, groups=2)
    >>> sums.add(images, images)
    >>> sums.without(0, 2).xx.flatten().tolist()   # 2 and 6 are left, then 0 and 4
    [8.0, 8.0]
    """

    def __init__(self, kind: type[S], *, groups: int) -> None:
        if groups < 2:
            raise ValueError(f"wanted at least 2 groups of images, got {groups}; try probe.groups = 20")
        self.kind: type[S] = kind
        self.groups, self.n_images = groups, 0
        self._first: S | None = None  # without images: the offset, and the kind of the arrays
        self._sums: dict[str, Tensor] = {}

    @classmethod
    def of(
        cls,
        kind: type[S],
        x: Float[Array, "image unit"],
        z: Float[Array, "image concept"],
        *,
        groups: int,
        at_once: int = 2048,
    ) -> "GroupedSums[S]":
        """The sums of a half that memory holds; raises what `add` raises."""
        refuse_unequal(x, z)
        sums = cls(kind, groups=groups)
        for start in range(0, len(x), at_once):
            sums.add(x[start : start + at_once], z[start : start + at_once])
        return sums

    def add(self, x: Float[Array, "image unit"], z: Float[Array, "image concept"]) -> None:
        """Add a chunk of images that follow the last ones.

        Raises:
            ValueError: acts and codes count different images, or one of them holds NaN or infinity (how many, where).
        """
        if self._first is None:
            self._first = self.kind.before(x, z)
            sums = self._first.sums().items()
            self._sums = {name: torch.stack([part] * self.groups) for name, part in sums}
        x_chunk, z_chunk = self._first.shifted(x, z, first_image=self.n_images)
        for name, product in self.kind.products(self._dealt(x_chunk), self._dealt(z_chunk)):
            self._sums[name] += product.to(self._sums[name].device)
        self.n_images += len(x_chunk)

    @cached_property
    def whole(self) -> S:
        """The sums over all images; to be asked for once all chunks are added.

        Raises:
            ValueError: a group has no image.
        """
        if self.n_images < self.groups:
            raise ValueError(
                f"wanted at least one image for each of {self.groups} groups, got {self.n_images} images; try more"
            )
        return self._with(self.n_images, {name: part.sum(0) for name, part in self._sums.items()})

    @property
    def eps(self) -> float:
        """Relative rounding of the products: that of float64, or on MPS of float32."""
        return torch.finfo(self.whole.x_offset.dtype).eps

    def outside(self, group: int) -> S:
        """The sums over all images but those of a group."""
        n = self.n_images - int(self._n_of_groups()[group])
        return self._with(n, {name: part - self._sums[name][group] for name, part in self.whole.sums().items()})

    def everything(self) -> CentredSets:
        """One set: all images."""
        sums = {name: part[None] for name, part in self.whole.sums().items()}
        return self._about_means(self._n_of_groups().sum(0, keepdim=True), sums)

    def without(self, start: int, stop: int) -> CentredSets:
        """A set for each group from `start` up to `stop`: all images but those of the group."""
        rows = slice(start, stop)
        left = {name: part - self._sums[name][rows] for name, part in self.whole.sums().items()}
        return self._about_means(self.n_images - self._n_of_groups()[rows], left)

    def every_second(self, first: int) -> CentredSets:
        """One set: the images of the groups first, first + 2, …"""
        rows = slice(first, None, 2)
        sums = {name: part[rows].sum(0, keepdim=True) for name, part in self._sums.items()}
        return self._about_means(self._n_of_groups()[rows].sum(0, keepdim=True), sums)

    def _with(self, n: int, sums: dict[str, Tensor]) -> S:
        assert self._first is not None
        return self._first.with_sums(n, sums)

    def _n_of_groups(self) -> Float[Tensor, "group"]:
        group = torch.arange(self.groups, device=self.whole.xx.device)
        return ((self.n_images - group + self.groups - 1) // self.groups).double()

    def _about_means(self, n: Float[Tensor, "set"], sums: dict[str, Any]) -> CentredSets:
        x_mean, z_mean = sums["x_sum"] / n[:, None], sums["z_sum"] / n[:, None]
        squares = (sums["zz"] - sums["z_sum"] * z_mean).clamp(min=0)
        x_columns = sums["x_sum"][..., None]
        return CentredSets(
            n=n,
            x_mean=x_mean + self.whole.x_offset.to(x_mean),
            z_mean=z_mean + self.whole.z_offset.to(z_mean),
            xx=torch.baddbmm(sums["xx"], x_columns, x_mean[:, None], alpha=-1),
            xz=torch.baddbmm(sums["xz"], x_columns, z_mean[:, None], alpha=-1),
            zz=squares,
            varies=squares > _CONSTANT * self.whole.zz,
        )

    def _dealt(self, chunk: Float[Tensor, "image column"]) -> Float[Tensor, "group round column"]:
        """The images of each group; rows of zeros, which add nothing, fill the first and last round."""
        before = self.n_images % self.groups
        after = -(before + len(chunk)) % self.groups
        padded = torch.nn.functional.pad(chunk, (0, 0, before, after))
        return padded.reshape(-1, self.groups, chunk.shape[1]).transpose(0, 1)


def outside_each(fit: GroupedSums[S], score: GroupedSums[S]) -> Iterator[S]:
    """Yield the sums over both halves but for the images of a group, group by group."""
    return (fit.outside(group).merge(score.outside(group)) for group in range(fit.groups))
