"""Rows of activations, appended to chunked Zarr arrays as they come."""

from typing import Any

import numpy as np
import zarr
from jaxtyping import Float, Float32, Shaped
from zarr.codecs import Crc32cCodec, ZstdCodec

CHUNK_BYTES = 4 << 20
"""Rows of an array are collected up to this size: large enough for fast files, small enough to stream."""


class Writer:
    """Appends rows to a Zarr array, whole chunks at a time: a part of a chunk would be read and written again.

    Rows are copied into one buffer. Kept as they come, they would lie between the maps of the forward pass, whose
    memory could then not be used again: 16 MB a batch were lost so.
    """

    def __init__(self, array: zarr.Array[Any]) -> None:
        self.array = array
        self.buffer = np.empty((array.chunks[0], *array.shape[1:]), dtype=array.dtype)
        self.n_held = self.n_written = 0

    def append(self, rows: Shaped[np.ndarray, "image ..."]) -> None:
        """Rows that follow the last ones."""
        while len(rows):
            part = rows[: len(self.buffer) - self.n_held]
            self.buffer[self.n_held : self.n_held + len(part)] = part
            self.n_held += len(part)
            rows = rows[len(part) :]
            if self.n_held == len(self.buffer):
                self._write()

    def close(self) -> None:
        """The last, smaller chunk."""
        self._write()
        assert self.n_written == self.array.shape[0]

    def _write(self) -> None:
        if self.n_held:
            self.array[self.n_written : self.n_written + self.n_held] = self.buffer[: self.n_held]
            self.n_written, self.n_held = self.n_written + self.n_held, 0


def checked(
    values: Float32[np.ndarray, "*shape"], *, epoch: int, layer: str, dtype: str
) -> Float[np.ndarray, "*shape"]:
    """The values in the type that is stored. Raises ValueError when some are not finite, or too large for it."""
    if broken := values.size - int(np.isfinite(values).sum()):
        raise ValueError(
            f"epoch {epoch}, layer {layer}: {broken} of {values.size} activations are NaN or infinite; "
            "the checkpoint's weights are broken: replace or delete it"
        )
    limit = float(np.finfo(dtype).max)
    if dtype != "float32" and (large := int((np.abs(values) > limit).sum())):
        raise ValueError(
            f"epoch {epoch}, layer {layer}: {large} activations are beyond {dtype}'s {limit:g}; "
            'use activations.dtype = "float32"'
        )
    return values.astype(dtype, copy=False)


def layout(shape: tuple[int, ...], dtype: str) -> dict[str, Any]:
    """Chunks of whole rows, compressed fast (twice as small for ReLU activations), with checksums.

    Chunks of zeros are written, too: one that is missing is missing.
    """
    row_bytes = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
    rows = max(1, min(shape[0], CHUNK_BYTES // row_bytes))
    return {
        "shape": shape,
        "chunks": (rows, *shape[1:]),
        "dtype": dtype,
        "compressors": (ZstdCodec(level=1), Crc32cCodec()),
        "config": {"write_empty_chunks": True},
    }
