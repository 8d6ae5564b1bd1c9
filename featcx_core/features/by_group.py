"""Sums of each group of images, from which those without a group follow.

Group g of G holds the images g, g + G, g + 2·G, … of either half: the same groups everywhere, so that a resample of the
groups is one of the same images for every measure (`measures.over_images`).
"""

from collections.abc import Iterator
from functools import cached_property, reduce
from typing import Generic, TypeVar

from jaxtyping import Float

from featcx_core.arrays import Array
from featcx_core.features.kernels import KernelSums
from featcx_core.features.moments import Moments

S = TypeVar("S", Moments, KernelSums)


class GroupedSums(Generic[S]):
    """The sums of every group, each as large as those of all images: memory is `groups` times theirs.

    Args:
        kind: `Moments` or `KernelSums`.
        groups: how many.

    >>> import torch
    >>> images = torch.tensor([[0.0], [2.0], [4.0], [6.0]])
    >>> grouped = GroupedSums(Moments, groups=2)
    >>> grouped.add(images, images, first_image=0)
    >>> [left.centred().xx.item() for left in grouped.without_each()]   # 2 and 6 are left, then 0 and 4
    [8.0, 8.0]
    """

    def __init__(self, kind: type[S], *, groups: int) -> None:
        self.kind: type[S] = kind
        self.groups = groups
        self._parts: list[S] = []

    def add(self, x: Float[Array, "image unit"], z: Float[Array, "image concept"], *, first_image: int) -> None:
        """Add a chunk whose first image has this number within its half; raises what the sums' `add` raises."""
        if not self._parts:
            first: S = self.kind.of(x, z)
            self._parts = [first.empty() for _ in range(self.groups)]
        for row in range(min(self.groups, len(x))):
            self._parts[(first_image + row) % self.groups].add(x[row :: self.groups], z[row :: self.groups])

    @cached_property
    def whole(self) -> S:
        """The sums over all images; to be asked for once all chunks are added."""
        return reduce(self.kind.merge, self._parts)

    def without_each(self) -> Iterator[S]:
        """The sums over all images but those of a group, group by group."""
        return (self.whole.without(part) for part in self._parts)
