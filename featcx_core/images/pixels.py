"""Digest, mean and deviation of many images, which are read some at a time."""

import hashlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Float64, Int, UInt8

from featcx_core.images.decoding import Decoded, read_ahead
from featcx_core.images.reading import ImageArray
from featcx_core.images.transforms import Preprocessing

STATISTICS_IMAGES = 4096
"""Decoded training images behind mean and deviation that the study leaves open: enough for 0.5 %."""
_ROWS = 4096  # images read at once
_BYTES = 16 << 20  # fewer if they are large


def pixel_digest(images: ImageArray, rows: Int[np.ndarray, "image"]) -> str:
    """Return a digest of the images' pixels, in order."""
    digest = hashlib.sha256()
    for pixels in _chunks(images, rows):
        digest.update(pixels.tobytes())
    return digest.hexdigest()[:16]


def mean_and_deviation(
    images: ImageArray, rows: Int[np.ndarray, "image"], steps: Preprocessing
) -> tuple[Float32[np.ndarray, "channel"], Float32[np.ndarray, "channel"]]:
    """Return mean and deviation of each channel's pixels in [0, 1]: the stated ones, else those of these images."""
    if steps.mean is not None and steps.std is not None:
        return np.array(steps.mean, dtype=np.float32), np.array(steps.std, dtype=np.float32)
    mean, std = _moments(images, rows[:STATISTICS_IMAGES] if isinstance(images, Decoded) else rows)
    std = np.maximum(std, 1)  # a constant channel stays finite
    return (
        (mean / 255).astype(np.float32) if steps.mean is None else np.array(steps.mean, dtype=np.float32),
        (std / 255).astype(np.float32) if steps.std is None else np.array(steps.std, dtype=np.float32),
    )


def _moments(
    images: ImageArray, rows: Int[np.ndarray, "image"]
) -> tuple[Float64[np.ndarray, "channel"], Float64[np.ndarray, "channel"]]:
    """Return the exact mean and deviation of each channel's pixels, 0 to 255, from a histogram of 256 counts."""
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)
    for batch in _chunks(images, np.sort(rows)):  # read in the order of the file
        for channel, pixels in enumerate(batch.swapaxes(0, 1)):
            counts[channel] += np.bincount(pixels.ravel(), minlength=256)
    values, total = np.arange(256), counts[0].sum()
    mean = counts @ values / total
    return mean, np.sqrt((counts * (values - mean[:, None]) ** 2).sum(axis=1) / total)


def _chunks(
    images: ImageArray, rows: Int[np.ndarray, "image"]
) -> Iterator[UInt8[np.ndarray, "_ channel height width"]]:
    at_once = max(1, min(_ROWS, _BYTES // int(np.prod(images.shape[1:]))))
    return read_ahead(images, (rows[start : start + at_once] for start in range(0, len(rows), at_once)))
