"""What a source of images gives: pixels that are there, or files that are decoded when they are read."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int64, UInt8
from PIL.Image import Image


@runtime_checkable
class ImageArray(Protocol):
    """Pixels, indexed by image: an array in memory, one mapped from its file, or images decoded at every reading."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(image, channel, height, width)."""

    def __getitem__(self, rows: Int[np.ndarray, "_"], /) -> UInt8[np.ndarray, "_ channel height width"]: ...


class ImageHeader(NamedTuple):
    """What an image file says about itself."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    is_grey: bool
    """Whether it has no colours."""


class Files(NamedTuple):
    """Images of any size, behind functions of their index."""

    load: Callable[[int], Image]
    """The decoded image; raises whatever its decoder does."""
    inspect: Callable[[int], ImageHeader]
    """Its header, where the file is whole; raises whatever its decoder does where it is not."""
    name: Callable[[int], str]
    """What to call it in a message."""


class Source(NamedTuple):
    """All labelled images of a source."""

    images: ImageArray | Files
    """Pixels, or files that give them."""
    labels: Int64[np.ndarray, "image"]
    """Class of each."""
    class_names: tuple[str, ...]
    """Name of each class."""
    n_train: int | None = None
    """How many, the first ones, are for training; None where the source does not say."""
