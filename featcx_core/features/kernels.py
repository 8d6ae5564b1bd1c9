"""Kernel sums: what the alignment of a layer's kernel XX' with each code's kernel zz' follows from, chunk by chunk.

One pass over activations x (image, unit) and codes z (image, concept) serves all concepts at once; memory is
O(units² + units·concepts), and no (image, image) matrix is ever made.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from featcx_core.arrays import Array
from featcx_core.features.moments import Chunks, Moments


class Higher(NamedTuple):
    """Sums of third and fourth powers, over images; q = |x|² is an image's place on the kernel's diagonal."""

    xq: Float[Tensor, "unit"]
    """Σ x·q."""
    qq: Float[Tensor, ""]
    """Σ q²."""
    qz: Float[Tensor, "concept"]
    """Σ q·z."""
    qzz: Float[Tensor, "concept"]
    """Σ q·z²: the diagonals of the two kernels, multiplied."""
    xzz: Float[Tensor, "unit concept"]
    """Σ x·z²."""
    zzz: Float[Tensor, "concept"]
    """Σ z³."""
    zzzz: Float[Tensor, "concept"]
    """Σ z⁴."""


class Diagonals(NamedTuple):
    """Sums over images of the kernels' diagonals q and z², multiplied, about the means."""

    qq: Float[Tensor, ""]
    """Σ q²."""
    qzz: Float[Tensor, "concept"]
    """Σ q·z²."""
    zzzz: Float[Tensor, "concept"]
    """Σ z⁴."""


@dataclass
class KernelSums:
    """Moments of activations and codes, and the higher sums that unbiased alignment needs; all from one offset.

    >>> sums = KernelSums.over([(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]]))])
    >>> sums.diagonals().qzz.item()
    8.0
    """

    moments: Moments
    """Sums up to the second power; they hold the offset."""
    higher: Higher
    """The others."""

    @classmethod
    def of(cls, x: Float[Array, "image unit"], z: Float[Array, "image concept"]) -> "KernelSums":
        """Sums of a first chunk, which also fixes the offset; raises what `Moments.of` raises."""
        moments = Moments.of(x, z)
        return cls(moments, _higher(*moments.shifted(x, z, first_image=0), moments.xx.device))

    @classmethod
    def over(cls, chunks: Chunks) -> "KernelSums":
        """Sums of all chunks, in one pass; raises what `Moments.over` raises."""
        sums = None
        for x, z in chunks:
            if sums is None:
                sums = cls.of(x, z)
            else:
                sums.add(x, z)
        if sums is None:
            raise ValueError("wanted at least one chunk of activations and codes, got none; try another selection")
        return sums

    def add(self, x: Float[Array, "image unit"], z: Float[Array, "image concept"]) -> None:
        """Add a chunk; raises what `Moments.add` raises."""
        added = _higher(*self.moments.shifted(x, z, first_image=self.moments.n), self.moments.xx.device)
        self.moments.add(x, z)
        self.higher = _sum(self.higher, added)

    def merge(self, other: "KernelSums") -> "KernelSums":
        """Sums over the images of both, counted from this one's offset; neither is changed."""
        mine, theirs = self.moments, other.moments
        dx = theirs.x_offset.to(mine.x_sum) - mine.x_offset.to(mine.x_sum)
        dz = theirs.z_offset.to(mine.z_sum) - mine.z_offset.to(mine.z_sum)
        return KernelSums(mine.merge(theirs), _sum(self.higher, _moved(other, dx, dz)))

    def empty(self) -> "KernelSums":
        """Sums of no image, counted from the same offset."""
        return KernelSums(self.moments.empty(), Higher(*(torch.zeros_like(part) for part in self.higher)))

    def without(self, part: "KernelSums") -> "KernelSums":
        """Sums over the images that are left when a part of them is taken away; both counted from the same offset."""
        left = (whole - taken for whole, taken in zip(self.higher, part.higher, strict=True))
        return KernelSums(self.moments.without(part.moments), Higher(*left))

    def diagonals(self) -> Diagonals:
        """The sums of the kernels' diagonals, about the means."""
        moments = self.moments
        return _diagonals(self, -moments.x_sum / moments.n, -moments.z_sum / moments.n)


def _higher(x: Float[Tensor, "image unit"], z: Float[Tensor, "image concept"], device: torch.device) -> Higher:
    q, zz = x.square().sum(1), z.square()
    sums = (q @ x, q @ q, q @ z, q @ zz, x.T @ zz, (zz * z).sum(0), zz.square().sum(0))
    return Higher(*(part.to(device, torch.float64) for part in sums))


def _sum(a: Higher, b: Higher) -> Higher:
    return Higher(*(one + other for one, other in zip(a, b, strict=True)))


def _moved(sums: KernelSums, dx: Float[Tensor, "unit"], dz: Float[Tensor, "concept"]) -> Higher:
    """The higher sums of x + dx and z + dz, multiplied out: q becomes q + 2 dx·x + |dx|²."""
    moments, higher = sums.moments, sums.higher
    n, x, z, xx, xz, zz = moments.n, moments.x_sum, moments.z_sum, moments.xx, moments.xz, moments.zz
    q, c = xx.trace(), dx @ dx
    zz_moved = zz + 2 * dz * z + n * dz.square()
    along, along_z = dx @ x, dx @ xz
    diagonals = _diagonals(sums, dx, dz)
    return Higher(
        xq=higher.xq + q * dx + 2 * (xx @ dx) + 2 * along * dx + c * x + n * c * dx,
        qq=diagonals.qq,
        qz=higher.qz + dz * q + 2 * along_z + 2 * dz * along + c * (z + n * dz),
        qzz=diagonals.qzz,
        xzz=higher.xzz + 2 * dz * xz + torch.outer(x, dz.square()) + torch.outer(dx, zz_moved),
        zzz=higher.zzz + 3 * dz * zz + 3 * dz.square() * z + n * dz.pow(3),
        zzzz=diagonals.zzzz,
    )


def _diagonals(sums: KernelSums, dx: Float[Tensor, "unit"], dz: Float[Tensor, "concept"]) -> Diagonals:
    """The diagonals' sums of x + dx and z + dz, multiplied out."""
    moments, higher = sums.moments, sums.higher
    n, x, z, xx, xz, zz = moments.n, moments.x_sum, moments.z_sum, moments.xx, moments.xz, moments.zz
    q, c, along = xx.trace(), dx @ dx, dx @ x
    return Diagonals(
        qq=higher.qq + 4 * (dx @ xx @ dx) + n * c.square() + 4 * (dx @ higher.xq) + 2 * c * q + 4 * c * along,
        qzz=higher.qzz
        + 2 * dz * higher.qz
        + dz.square() * (q + 2 * along)
        + 2 * (dx @ higher.xzz)
        + 4 * dz * (dx @ xz)
        + c * (zz + 2 * dz * z + n * dz.square()),
        zzzz=higher.zzzz + 4 * dz * higher.zzz + 6 * dz.square() * zz + 4 * dz.pow(3) * z + n * dz.pow(4),
    )
