"""What is said about many images, read some at a time: their digest, their mean and deviation."""

import hashlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Float64, Int, UInt8

from featcx_core.images.decoding import Decoded, read_ahead
from featcx_core.images.reading import ImageArray
from featcx_core.images.transforms import Preprocessing

STATISTICS_IMAGES = 4096
"""Decoded training images behind mean and deviation, where the study states none: they are known to 0.5 %."""
_ROWS = 4096  # images read at once
_BYTES = 16 << 20  # and fewer where they are large


def pixel_digest(images: ImageArray, rows: Int[np.ndarray, "image"]) -> str:
    """Digest of the images' pixels, in order."""
    digest = hashlib.sha256()
    for pixels in _passed_over(images, rows):
        digest.update(pixels.tobytes())
    return digest.hexdigest()[:16]


def mean_and_deviation(
    images: ImageArray, rows: Int[np.ndarray, "image"], steps: Preprocessing
) -> tuple[Float32[np.ndarray, "channel"], Float32[np.ndarray, "channel"]]:
    """Of each channel's pixels in [0, 1]: what is stated, else what these images have."""
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
    """Mean and deviation of each channel's pixels, exactly, from their histogram: 256 counts, however many images."""
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)
    for batch in _passed_over(images, np.sort(rows)):  # read in the order of the file
        for channel, pixels in enumerate(batch.swapaxes(0, 1)):
            counts[channel] += np.bincount(pixels.ravel(), minlength=256)
    values, total = np.arange(256), counts[0].sum()
    mean = counts @ values / total
    return mean, np.sqrt((counts * (values - mean[:, None]) ** 2).sum(axis=1) / total)


def _passed_over(
    images: ImageArray, rows: Int[np.ndarray, "image"]
) -> Iterator[UInt8[np.ndarray, "_ channel height width"]]:
    at_once = max(1, min(_ROWS, _BYTES // int(np.prod(images.shape[1:]))))
    return read_ahead(images, (rows[start : start + at_once] for start in range(0, len(rows), at_once)))
