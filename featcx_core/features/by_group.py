"""Sums of each group of images, and from them the sums without each group.

Group g of G holds the images g, g + G, g + 2·G, … of either half. The groups are the same everywhere, so a resample of
the groups is a resample of the same images for every measure.
"""

from collections.abc import Iterator
from functools import cached_property, reduce
from typing import Generic

from jaxtyping import Float

from featcx_core.arrays import Array
from featcx_core.features.moments import S


class GroupedSums(Generic[S]):
    """The sums of every group, each as large as those of all images: memory is `groups` times theirs.

    Args:
        kind: `Moments` or a subclass with further sums.
        groups: Number of groups.

    >>> import torch
    >>> from featcx_core.features.moments import Moments
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
        """Add a chunk whose first image has this number within its half; raises as the sums' `add`."""
        if not self._parts:
            first = self.kind.before(x, z)
            self._parts = [first.empty() for _ in range(self.groups)]
        x_chunk, z_chunk = self._parts[0].shifted(x, z, first_image=first_image)
        for row in range(min(self.groups, len(x))):
            part = self._parts[(first_image + row) % self.groups]
            part.add_shifted(x_chunk[row :: self.groups], z_chunk[row :: self.groups])

    @cached_property
    def whole(self) -> S:
        """The sums over all images, once all chunks are added."""
        return reduce(self.kind.merge, self._parts)

    def without_each(self) -> Iterator[S]:
        """Yield the sums over the images outside each group, group by group."""
        return (self.whole.without(part) for part in self._parts)
