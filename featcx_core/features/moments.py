"""Moments: the sums from which every linear probe of a layer follows, gathered chunk by chunk.

One pass over activations x (image, unit) and codes z (image, concept) serves all concepts at once; memory is
O(units² + units·concepts), whatever the number of images.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featcx_core.arrays import Array, as_tensors

Chunks: TypeAlias = Iterable[tuple[Array, Array]]
"""Pairs (acts, codes) of the same images, chunk after chunk, in any chunk size."""


class Centred(NamedTuple):
    """Sums about the means."""

    n: int
    """Images."""
    x_mean: Float[Tensor, "unit"]
    """Mean activations, counted from the offset."""
    z_mean: Float[Tensor, "concept"]
    """Mean codes, counted from the offset."""
    xx: Float[Tensor, "unit unit"]
    """X'X."""
    xz: Float[Tensor, "unit concept"]
    """X'Z."""
    zz: Float[Tensor, "concept"]
    """z'z of each concept; exactly 0 for a code that never changes."""


@dataclass
class Moments:
    """Sums n, Σx, Σz, X'X, X'Z, Σz² over images, all counted from an offset.

    The offset is the mean of the first chunk, so that large means cancel before anything is multiplied. Chunks are
    multiplied and summed in float64 (on MPS multiplied in float32, summed on the CPU); how the images were cut into
    chunks matters only to rounding. Products in float32 take two thirds of the time, but lose a layer's smallest
    directions: R² moves by 5e-4, and where two penalties are nearly as good, the choice tips and R² moves by 1e-2.

    >>> sums = Moments.of(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]])).centred()
    >>> sums.xx.item(), sums.xz.item(), sums.zz.item()
    (2.0, 4.0, 8.0)
    """

    n: int
    """Images so far."""
    x_offset: Float[Tensor, "unit"]
    """Subtracted from activations; its dtype is the one chunks are multiplied in."""
    z_offset: Float[Tensor, "concept"]
    """Subtracted from codes."""
    x_sum: Float[Tensor, "unit"]
    """Σx."""
    z_sum: Float[Tensor, "concept"]
    """Σz."""
    xx: Float[Tensor, "unit unit"]
    """X'X."""
    xz: Float[Tensor, "unit concept"]
    """X'Z."""
    zz: Float[Tensor, "concept"]
    """Σz²."""
    numpy: bool
    """Whether the chunks were NumPy arrays, and so results are."""

    @classmethod
    def of(cls, x: Float[Array, "image unit"], z: Float[Array, "image concept"]) -> "Moments":
        """Sums of a first chunk, which also fixes the offset; raises what `add` raises, and for an empty chunk."""
        moments = cls.before(x, z)
        moments.add(x, z)
        return moments

    @classmethod
    def before(cls, x: Float[Array, "image unit"], z: Float[Array, "image concept"]) -> "Moments":
        """Sums of no image, counted from the offset that a first chunk fixes; ValueError for an empty chunk."""
        if len(x) == 0 or len(z) == 0:
            raise ValueError("wanted at least one image in the first chunk, got none; try leaving empty chunks out")
        (x_first, z_first), _ = as_tensors(x, z)
        dtype = torch.float32 if x_first.device.type == "mps" else torch.float64  # MPS has no float64
        x_offset, z_offset = _offset(x_first.to(dtype)), _offset(z_first.to(dtype))
        device = torch.device("cpu") if x_offset.device.type == "mps" else x_offset.device
        units, concepts = len(x_offset), len(z_offset)
        x_sum, z_sum, xx, xz, zz = (
            torch.zeros(shape, dtype=torch.float64, device=device)
            for shape in ((units,), (concepts,), (units, units), (units, concepts), (concepts,))
        )
        return cls(0, x_offset, z_offset, x_sum, z_sum, xx, xz, zz, not isinstance(x, Tensor))

    @classmethod
    def over(cls, chunks: Chunks) -> "Moments":
        """Sums of all chunks, in one pass; raises what `add` raises, and for no chunk at all."""
        moments = None
        for x, z in chunks:
            if moments is None:
                moments = cls.of(x, z)
            else:
                moments.add(x, z)
        if moments is None:
            raise ValueError("wanted at least one chunk of activations and codes, got none; try another selection")
        return moments

    def add(self, x: Float[Array, "image unit"], z: Float[Array, "image concept"]) -> None:
        """Add a chunk.

        Raises:
            ValueError: acts and codes count different images, or one of them holds NaN or infinity (how many, where).
        """
        x_chunk, z_chunk = self.shifted(x, z, first_image=self.n)
        device = self.xx.device
        self.n += len(x_chunk)
        self.x_sum += x_chunk.sum(0).to(device)
        self.z_sum += z_chunk.sum(0).to(device)
        self.xx += (x_chunk.T @ x_chunk).to(device)
        self.xz += (x_chunk.T @ z_chunk).to(device)
        self.zz += z_chunk.square().sum(0).to(device)

    def shifted(
        self, x: Float[Array, "image unit"], z: Float[Array, "image concept"], *, first_image: int
    ) -> tuple[Tensor, Tensor]:
        """A chunk counted from the offset, in the dtype of the products; raises what `add` raises.

        `first_image` is the number of its first image, for the error.
        """
        (x_chunk, z_chunk), _ = as_tensors(x, z)
        refuse_unequal(x_chunk, z_chunk)
        refuse_non_finite(x_chunk, what="activations", column="unit", first_image=first_image)
        refuse_non_finite(z_chunk, what="codes", column="concept", first_image=first_image)
        dtype = self.x_offset.dtype
        # copied: what was given is never changed in place
        return x_chunk.to(dtype, copy=True).sub_(self.x_offset), z_chunk.to(dtype, copy=True).sub_(self.z_offset)

    def merge(self, other: "Moments") -> "Moments":
        """Sums over the images of both, counted from this one's offset; neither is changed."""
        dx = (other.x_offset.to(self.x_sum) - self.x_offset.to(self.x_sum)).to(other.x_sum)
        dz = (other.z_offset.to(self.z_sum) - self.z_offset.to(self.z_sum)).to(other.z_sum)
        n, x, z = other.n, other.x_sum, other.z_sum
        # x - own offset = (x - other offset) + dx, multiplied out
        xx = other.xx + torch.outer(x, dx) + torch.outer(dx, x + n * dx)
        xz = other.xz + torch.outer(x, dz) + torch.outer(dx, z + n * dz)
        zz = other.zz + dz * (2 * z + n * dz)
        sums = (self.x_sum + x + n * dx, self.z_sum + z + n * dz, self.xx + xx, self.xz + xz, self.zz + zz)
        return Moments(self.n + n, self.x_offset, self.z_offset, *sums, self.numpy)

    def empty(self) -> "Moments":
        """Sums of no image, counted from the same offset."""
        x_sum, z_sum, xx, xz, zz = map(torch.zeros_like, (self.x_sum, self.z_sum, self.xx, self.xz, self.zz))
        return Moments(0, self.x_offset, self.z_offset, x_sum, z_sum, xx, xz, zz, self.numpy)

    def without(self, part: "Moments") -> "Moments":
        """Sums over the images that are left when a part of them is taken away; both counted from the same offset."""
        x_sum, z_sum, zz = self.x_sum - part.x_sum, self.z_sum - part.z_sum, self.zz - part.zz
        xx, xz = self.xx - part.xx, self.xz - part.xz
        return Moments(self.n - part.n, self.x_offset, self.z_offset, x_sum, z_sum, xx, xz, zz, self.numpy)

    def only(self, concepts: Int[Tensor, "chosen"]) -> "Moments":
        """The sums of some of the concepts, by their numbers."""
        z = (self.z_offset[concepts], self.z_sum[concepts], self.xz[:, concepts], self.zz[concepts])
        return Moments(self.n, self.x_offset, z[0], self.x_sum, z[1], self.xx, z[2], z[3], self.numpy)

    def centred(self) -> Centred:
        """The same sums about the means."""
        x_mean, z_mean = self.x_sum / self.n, self.z_sum / self.n
        xx = torch.addr(self.xx, self.x_sum, x_mean, alpha=-1)
        xz = torch.addr(self.xz, self.x_sum, z_mean, alpha=-1)
        return Centred(self.n, x_mean, z_mean, xx, xz, (self.zz - self.z_sum * z_mean).clamp(min=0))

    def restore(self, result: Tensor) -> Any:
        """A result as the kind of array that the chunks were."""
        return result.cpu().numpy() if self.numpy else result


def refuse_non_finite(array: Tensor, *, what: str, column: str, first_image: int = 0) -> None:
    """Raise a ValueError that counts NaN and infinite values and names the place of the first."""
    if torch.isfinite(array.sum(dtype=torch.float32)):  # one number to look at; only an overflow needs the long way
        return
    wrong = ~torch.isfinite(array)
    if not wrong.any():
        return
    image, place = (int(i) for i in wrong.nonzero()[0])
    raise ValueError(
        f"wanted finite {what}, got {int(wrong.sum())} values that are NaN or infinite, the first at image "
        f"{first_image + image}, {column} {place}; try a checkpoint from before the training diverged"
    )


def refuse_unequal(acts: Array, codes: Array) -> None:
    """Raise a ValueError unless both count the same images."""
    if len(acts) != len(codes):
        raise ValueError(
            f"wanted activations and codes of the same images, got {len(acts)} and {len(codes)} images; "
            "try the same selection for both"
        )


def _offset(chunk: Float[Tensor, "image column"]) -> Float[Tensor, "column"]:
    # by way of the first row: a constant column then becomes exact zeros, whatever its value
    return chunk[0] + (chunk - chunk[0]).mean(0)
