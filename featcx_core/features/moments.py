"""Moments: the sums from which every linear probe of a layer follows, gathered chunk by chunk.

One pass over activations x (image, unit) and codes z (image, concept) serves all concepts at once; memory is
O(units² + units·concepts), whatever the number of images.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featcx_core.arrays import Array, as_tensors

Chunks: TypeAlias = Iterable[tuple[Array, Array]]
"""Pairs (acts, codes) of the same images, chunk after chunk, in any chunk size."""

S = TypeVar("S", bound="Moments")
"""Moments, or a subclass with further sums."""
_NOT_SUMMED = {"n", "x_offset", "z_offset", "numpy"}


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
    """Sums n, Σx, Σz, X'X, X'Z, Σz² over images, all counted from an offset; sums of several parts can be merged.

    The offset is the mean of the first chunk, so that large means cancel before anything is multiplied. Chunks are
    multiplied and summed in float64 (on MPS multiplied in float32, summed on the CPU); how the images were cut into
    chunks matters only to rounding. Products in float32 take two thirds of the time, but lose a layer's smallest
    directions: R² moves by 5e-4, and where two penalties are nearly as good, the choice tips and R² moves by 1e-2.

    A subclass with further sums adds fields, and says in `products` and `_moved` how they follow; all else is shared.

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
    def before(cls: type[S], x: Float[Array, "image unit"], z: Float[Array, "image concept"]) -> S:
        """Return sums of no image, counted from the mean of a first chunk; raises ValueError where that is empty."""
        if len(x) == 0 or len(z) == 0:
            raise ValueError("wanted at least one image in the first chunk, got none; try leaving empty chunks out")
        (x_first, z_first), _ = as_tensors(x, z)
        is_mps = x_first.device.type == "mps"
        dtype = torch.float32 if is_mps else torch.float64  # MPS has no float64
        x_offset, z_offset = _offset(x_first.to(dtype)), _offset(z_first.to(dtype))
        nothing = cls.products(x_offset.new_zeros(0, len(x_offset)), z_offset.new_zeros(0, len(z_offset)))
        device = torch.device("cpu") if is_mps else x_offset.device
        sums = {name: product.to(device, torch.float64) for name, product in nothing}
        return cls(n=0, x_offset=x_offset, z_offset=z_offset, numpy=not isinstance(x, Tensor), **sums)

    @classmethod
    def of(cls: type[S], x: Float[Array, "image unit"], z: Float[Array, "image concept"]) -> S:
        """Return the sums of a first chunk, which also fixes the offset; raises as `before` and `add`."""
        sums = cls.before(x, z)
        sums.add(x, z)
        return sums

    @classmethod
    def over(cls: type[S], chunks: Chunks) -> S:
        """Return the sums of all chunks, in one pass; raises as `of`, and ValueError where there is no chunk."""
        rest = iter(chunks)
        first = next(rest, None)
        if first is None:
            raise ValueError("wanted at least one chunk of activations and codes, got none; try another selection")
        sums = cls.of(*first)
        for x, z in rest:
            sums.add(x, z)
        return sums

    def add(self, x: Float[Array, "image unit"], z: Float[Array, "image concept"]) -> None:
        """Add a chunk.

        Raises:
            ValueError: acts and codes count different images, or one of them holds NaN or infinity (how many, where).
        """
        self.add_shifted(*self.shifted(x, z, first_image=self.n))

    def add_shifted(self, x: Float[Tensor, "image unit"], z: Float[Tensor, "image concept"]) -> None:
        """Add images that `shifted` has checked and counted from the offset."""
        self.n += len(x)
        for name, product in self.products(x, z):
            getattr(self, name).add_(product.to(self.xx))

    def shifted(
        self, x: Float[Array, "image unit"], z: Float[Array, "image concept"], *, first_image: int
    ) -> tuple[Tensor, Tensor]:
        """Return a chunk counted from the offset, in the dtype of the products; raises as `add`.

        `first_image` is the number of its first image, for the error.
        """
        (x_chunk, z_chunk), _ = as_tensors(x, z)
        refuse_unequal(x_chunk, z_chunk)
        refuse_non_finite(x_chunk, what="activations", column="unit", first_image=first_image)
        refuse_non_finite(z_chunk, what="codes", column="concept", first_image=first_image)
        dtype = self.x_offset.dtype
        # copied: what was given is never changed in place
        return x_chunk.to(dtype, copy=True).sub_(self.x_offset), z_chunk.to(dtype, copy=True).sub_(self.z_offset)

    def merge(self: S, other: S) -> S:
        """Return the sums over the images of both, counted from this one's offset; neither is changed."""
        added = other.sums()
        if other.x_offset is not self.x_offset:  # parts of one whole share it
            dx = other.x_offset.to(self.x_sum) - self.x_offset.to(self.x_sum)
            dz = other.z_offset.to(self.z_sum) - self.z_offset.to(self.z_sum)
            added = other._moved(dx, dz)
        return self.with_sums(self.n + other.n, {name: part + added[name] for name, part in self.sums().items()})

    def only(self, concepts: Int[Tensor, "chosen"]) -> "Moments":
        """Return the moments of some of the concepts, by their numbers."""
        z = (self.z_offset[concepts], self.z_sum[concepts], self.xz[:, concepts], self.zz[concepts])
        return Moments(self.n, self.x_offset, z[0], self.x_sum, z[1], self.xx, z[2], z[3], self.numpy)

    def centred(self) -> Centred:
        """Return the same sums about the means."""
        x_mean, z_mean = self.x_sum / self.n, self.z_sum / self.n
        xx = torch.addr(self.xx, self.x_sum, x_mean, alpha=-1)
        xz = torch.addr(self.xz, self.x_sum, z_mean, alpha=-1)
        return Centred(self.n, x_mean, z_mean, xx, xz, (self.zz - self.z_sum * z_mean).clamp(min=0))

    def restore(self, result: Tensor) -> Any:
        """Return a result as the kind of array that the chunks were."""
        return result.cpu().numpy() if self.numpy else result

    @classmethod
    def products(
        cls, x: Float[Tensor, "*group image unit"], z: Float[Tensor, "*group image concept"]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield name and value of each sum over the images of one chunk, counted from the offset; also by group."""
        yield "x_sum", x.sum(-2)
        yield "z_sum", z.sum(-2)
        yield "xx", x.mT @ x
        yield "xz", x.mT @ z
        yield "zz", z.square().sum(-2)

    def _moved(self, dx: Tensor, dz: Tensor) -> dict[str, Tensor]:
        """The sums of x + dx and z + dz, multiplied out."""
        n, x, z = self.n, self.x_sum, self.z_sum
        xx = self.xx + torch.outer(x, dx) + torch.outer(dx, x + n * dx)
        xz = self.xz + torch.outer(x, dz) + torch.outer(dx, z + n * dz)
        return {"x_sum": x + n * dx, "z_sum": z + n * dz, "xx": xx, "xz": xz, "zz": self.zz + dz * (2 * z + n * dz)}

    def sums(self) -> dict[str, Tensor]:
        """Return every sum by its name."""
        return {name: value for name, value in vars(self).items() if name not in _NOT_SUMMED}

    def with_sums(self: S, n: int, sums: dict[str, Tensor]) -> S:
        """Return other sums of n images, counted from the same offset."""
        return type(self)(n=n, x_offset=self.x_offset, z_offset=self.z_offset, numpy=self.numpy, **sums)


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
