"""Sources of labelled images: arrays of pixels, or files that are decoded when they are read."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int64, UInt8
from PIL.Image import Image


@runtime_checkable
class ImageArray(Protocol):
    """Pixels, indexed by image: an array in memory, one mapped from its file, or images decoded at each reading."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(image, channel, height, width)."""

    def __getitem__(self, rows: Int[np.ndarray, "_"], /) -> UInt8[np.ndarray, "_ channel height width"]: ...


class ImageHeader(NamedTuple):
    """Size and colours of an image file, from its header."""

    width: int
    """Pixels across."""
    height: int
    """Pixels down."""
    is_grey: bool
    """True if it has no colours."""


class Files(NamedTuple):
    """Images of any size, each read by functions of its index."""

    load: Callable[[int], Image]
    """Decodes an image; raises what the decoder raises."""
    inspect: Callable[[int], ImageHeader]
    """Reads the header of a whole file; raises what the decoder raises for a damaged one."""
    name: Callable[[int], str]
    """Names an image in messages."""
    path: Callable[[int], str] = lambda row: ""
    """Path of an image's file below the source's folder; empty where it has none."""


class Source(NamedTuple):
    """All labelled images of a source."""

    images: ImageArray | Files
    """Pixels, or files to decode."""
    labels: Int64[np.ndarray, "image"]
    """Class of each image."""
    class_names: tuple[str, ...]
    """Name of each class, in order."""
    n_train: int | None = None
    """Number of training images, which come first; None if the source does not tell them apart."""
