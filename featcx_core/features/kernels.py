"""Kernel sums: the sums from which the alignment of a layer's kernel XX' with each code's kernel zz' follows.

One pass over activations x (image, unit) and codes z (image, concept) serves all concepts at once; memory is
O(units² + units·concepts), and no (image, image) matrix is ever made.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, outer

from featcx_core.features.moments import Moments


class Diagonals(NamedTuple):
    """Sums over images of the kernels' diagonals q and z², multiplied, about the means."""

    qq: Float[Tensor, ""]
    """Σ q²."""
    qzz: Float[Tensor, "concept"]
    """Σ q·z²."""
    zzzz: Float[Tensor, "concept"]
    """Σ z⁴."""


@dataclass
class KernelSums(Moments):
    """Moments, and the sums of third and fourth powers that unbiased alignment needs; all from one offset.

    q = |x|² is an image's place on the diagonal of the layer's kernel.

    >>> import torch
    >>> sums = KernelSums.of(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]]))
    >>> sums.diagonals().qzz.item()
    8.0
    """

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

    def diagonals(self) -> Diagonals:
        """Return the sums of the kernels' diagonals, about the means."""
        return self._diagonals(-self.x_sum / self.n, -self.z_sum / self.n)

    @classmethod
    def products(
        cls, x: Float[Tensor, "*group image unit"], z: Float[Tensor, "*group image concept"]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield name and value of each sum over the images of one chunk, counted from the offset; also by group."""
        yield from super().products(x, z)
        q, zz = x.square().sum(-1, keepdim=True), z.square()
        yield "xq", (q.mT @ x).squeeze(-2)
        yield "qq", q.square().sum((-2, -1))
        yield "qz", (q.mT @ z).squeeze(-2)
        yield "qzz", (q.mT @ zz).squeeze(-2)
        yield "xzz", x.mT @ zz
        yield "zzz", (zz * z).sum(-2)
        yield "zzzz", zz.square().sum(-2)

    def _moved(self, dx: Tensor, dz: Tensor) -> dict[str, Tensor]:
        n, x, z, xx, xz, zz = self.n, self.x_sum, self.z_sum, self.xx, self.xz, self.zz
        q, c = xx.trace(), dx @ dx  # q becomes q + 2 dx·x + |dx|²
        zz_moved = zz + 2 * dz * z + n * dz.square()
        along, along_z = dx @ x, dx @ xz
        return {
            **super()._moved(dx, dz),
            **self._diagonals(dx, dz)._asdict(),
            "xq": self.xq + q * dx + 2 * (xx @ dx) + 2 * along * dx + c * x + n * c * dx,
            "qz": self.qz + dz * q + 2 * along_z + 2 * dz * along + c * (z + n * dz),
            "xzz": self.xzz + 2 * dz * xz + outer(x, dz.square()) + outer(dx, zz_moved),
            "zzz": self.zzz + 3 * dz * zz + 3 * dz.square() * z + n * dz.pow(3),
        }

    def _diagonals(self, dx: Tensor, dz: Tensor) -> Diagonals:
        """The diagonals' sums of x + dx and z + dz, multiplied out."""
        n, x, z, xx, xz, zz = self.n, self.x_sum, self.z_sum, self.xx, self.xz, self.zz
        q, c, along = xx.trace(), dx @ dx, dx @ x
        return Diagonals(
            qq=self.qq + 4 * (dx @ xx @ dx) + n * c.square() + 4 * (dx @ self.xq) + 2 * c * q + 4 * c * along,
            qzz=self.qzz
            + 2 * dz * self.qz
            + dz.square() * (q + 2 * along)
            + 2 * (dx @ self.xzz)
            + 4 * dz * (dx @ xz)
            + c * (zz + 2 * dz * z + n * dz.square()),
            zzzz=self.zzzz + 4 * dz * self.zzz + 6 * dz.square() * zz + 4 * dz.pow(3) * z + n * dz.pow(4),
        )
