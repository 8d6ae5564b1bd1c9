"""The images of a study: opened, checked, divided and, if they are files, set up for decoding."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64
from PIL import Image

from featcx_core.images.arrays import npy, npz, packaged_digits
from featcx_core.images.corruption import (
    CorruptedLabels,
    CorruptedPixels,
    MarkedImages,
    corrupt_labels,
    corrupt_pixels,
    draw_rows,
)
from featcx_core.images.decoding import Decoded, decoded
from featcx_core.images.folders import image_folder, unlabelled_folder
from featcx_core.images.generated import SURE_PATCH, bits, factors, shortcut, twins
from featcx_core.images.reading import Files, ImageArray, ImageHeader, Source
from featcx_core.images.splits import divided
from featcx_core.images.torchvision_sets import torchvision_set
from featcx_core.images.transforms import Preprocessing
from featcx_core.study.fields import Data, StudyError
from featcx_core.study.nearest import nearest

PACKAGED: dict[str, Callable[[], Source]] = {
    "packaged:mnist5k": packaged_digits,
    "packaged:factors": lambda: Source(*factors()[:3]),
    "packaged:shortcut": lambda: Source(*shortcut()[:3]),
    "packaged:sure_shortcut": lambda: Source(*shortcut(shares=SURE_PATCH)[:3]),
    "packaged:no_shortcut": lambda: Source(*shortcut(has_patch=False)[:3]),
    "packaged:bits": lambda: Source(*bits()[:3]),
    "packaged:twins": lambda: Source(*twins()[:3]),
}
"""Images that come with featcx, by source; all but the first are generated."""
SOURCES = (*PACKAGED, "npz:FILE", "npy:FOLDER", "folder:PATH", "torchvision:NAME:ROOT")
"""All sources of images."""


class Loaded(NamedTuple):
    """Readable images and their parts."""

    images: ImageArray
    """All images of the source."""
    labels: Int64[np.ndarray, "image"]
    """Class of each image."""
    class_names: tuple[str, ...]
    """Name of each class in the source."""
    split: dict[str, Int64[np.ndarray, "_"]]
    """Indices of each part's images, without unreadable ones."""
    broken: tuple[str, ...]
    """Names of the unreadable files that are left out."""
    drawn: CorruptedLabels | None
    """Labels that were drawn at random; None where the study corrupts none."""


def load(data: Data, steps: Preprocessing, *, seed: int, every_class: bool = True) -> Loaded:
    """Open the source, divide its images, check the ones that are used.

    `every_class`: each class needs a training image.

    Raises StudyError for an unknown source, one that cannot be read, a split larger than the data, fewer than two
    classes, a class without a training image, too many broken files, or images of several sizes.
    """
    images, labels, names, n_train = open_source(data)
    seed = seed if data.split_seed == "study" else data.split_seed
    if (n_classes := len(np.unique(labels))) < 2 and not data.unlabelled:
        raise StudyError(f"data.source: wanted at least two classes, got {n_classes} in {data.source}")
    split = divided(labels, n_train=n_train, sizes=data.split.model_dump(), seed=seed)
    broken: tuple[str, ...] = ()
    if isinstance(images, Files):
        images, split, broken = decoded(images, split, steps, n_images=len(labels), broken_share=data.broken_share)
    elif steps.changes(images.shape):
        images = Decoded(picture_files(images), steps, shape=steps.shape(images.shape))
    steps.refuse_other(images.shape[1])
    if every_class:
        _refuse_lacking(data, labels, names, split["train"])
    wrong, drawn = data.corruption, None
    if wrong.probability:
        train, n_classes = split["train"], len(names)
        drawn = corrupt_labels(labels, probability=wrong.probability, n_classes=n_classes, seed=seed, rows=train)
        labels = drawn.labels
        if every_class:
            _refuse_lacking(data, labels, names, split["train"])
    if wrong.pixels != "none":
        images = _corrupted(images, wrong.pixels, seed=seed, rows=split["train"])
    if wrong.shortcut:
        images = _marked(images, labels, rows=draw_rows(split["train"], share=wrong.shortcut, seed=seed))
    return Loaded(images, labels, names, split, broken, drawn)


def _corrupted(images: ImageArray, how: str, *, seed: int, rows: Int64[np.ndarray, "_"]) -> ImageArray:
    """Corrupt images at once where they lie in memory, else when they are read."""
    if isinstance(images, np.ndarray) and not isinstance(images, np.memmap):
        return corrupt_pixels(images, how=how, seed=seed, rows=rows)
    return CorruptedPixels(images, how=how, seed=seed, rows=rows)


def _marked(images: ImageArray, labels: Int64[np.ndarray, "image"], *, rows: Int64[np.ndarray, "_"]) -> ImageArray:
    """Mark images with their label, at once where they lie in memory. Raises StudyError for too many classes."""
    try:
        marked = MarkedImages(images, labels=labels, rows=rows)
    except ValueError as error:
        raise StudyError(f"data.corruption.shortcut: {error}") from None
    if isinstance(images, np.ndarray) and not isinstance(images, np.memmap):
        return marked[np.arange(len(images))]
    return marked


def open_source(data: Data) -> Source:
    """Return all images of the source that a study names. Raises StudyError if it is unknown or cannot be read."""
    if not data.unlabelled:
        return _opened(data)
    source = unlabelled_folder(Path(data.path)) if data.kind == "folder" and data.path else _opened(data)
    return source._replace(labels=np.zeros_like(source.labels), class_names=("unlabelled",))


def _opened(data: Data) -> Source:
    if data.source in PACKAGED:
        return PACKAGED[data.source]()
    match data.kind if data.path else "":
        case "npz":
            return npz(Path(data.path), unlabelled=data.unlabelled)
        case "npy":
            return npy(Path(data.path), unlabelled=data.unlabelled)
        case "folder":
            return image_folder(Path(data.path))
        case "torchvision":
            return torchvision_set(data.source.split(":")[1], Path(data.path))
    raise StudyError(f"data.source: unknown source {data.source!r}; {nearest(data.source, SOURCES)}")


def picture_files(images: ImageArray) -> Files:
    """Turn arrays into pictures that a transform can resize."""
    _, channels, height, width = images.shape
    if channels not in (1, 3):
        raise StudyError(f"data.transform: wanted images with 1 or 3 channels to transform, got {channels}")

    def picture(row: int) -> Image.Image:
        (pixels,) = images[np.array([row])]
        return Image.fromarray(pixels[0] if channels == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))

    return Files(picture, lambda row: ImageHeader(width, height, channels == 1), lambda row: f"image {row}")


def _refuse_lacking(
    data: Data, labels: Int64[np.ndarray, "image"], names: tuple[str, ...], train: Int64[np.ndarray, "_"]
) -> None:
    """Raise StudyError for a class without a training image."""
    counts = np.bincount(labels[train], minlength=len(names))
    if (lacking := np.flatnonzero(counts == 0)).size:
        total = int((labels == lacking[0]).sum())
        raise StudyError(
            f"data: class {names[lacking[0]]!r} has no training image (it has {total} of {len(labels)} images in "
            f"{data.source}); give it more images or raise data.split.train"
        )
