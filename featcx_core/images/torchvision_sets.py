"""Data sets of torchvision that lie on this machine; nothing is downloaded."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64
from PIL import Image

from featcx_core.images.reading import Files, ImageHeader, Source
from featcx_core.images.transforms import is_grey
from featcx_core.study.fields import StudyError
from featcx_core.study.nearest import nearest

_TRAINING, _HELD_OUT = ("train", "trainval"), ("test", "val")


def torchvision_set(name: str, root: Path) -> Source:
    """Open a data set by the name of its class: its training images, then its held-out ones if it has both.

    Raises StudyError for an unknown data set, for one that is not at `root`, and for one whose images have not exactly
    one class each.
    """
    parts = list(_parts(name, root))
    labels = [_labels(name, part) for part in parts]
    n_classes = max(int(part.max(initial=-1)) for part in labels) + 1
    names = getattr(parts[0], "classes", range(n_classes))
    starts = np.cumsum([0, *map(len, labels)])

    def load(row: int) -> Image.Image:
        part = int(np.searchsorted(starts, row, side="right")) - 1
        image = parts[part][row - int(starts[part])][0]
        if not isinstance(image, Image.Image):
            raise TypeError(f"wanted an image, got {type(image).__name__}")
        return image

    def header(row: int) -> ImageHeader:
        image = load(row)
        return ImageHeader(*image.size, is_grey(image))

    files = Files(load, header, lambda row: f"image {row} of {name} in {root}")
    class_names = tuple(map(str, names)) if len(names) >= n_classes else tuple(map(str, range(n_classes)))
    return Source(files, np.concatenate(labels), class_names, len(labels[0]) if len(parts) > 1 else None)


def _parts(name: str, root: Path) -> Iterator[Any]:
    from torchvision import datasets

    if name not in datasets.__all__:
        raise StudyError(f"data.source: torchvision has no data set {name!r}; {nearest(name, datasets.__all__)}")
    make = getattr(datasets, name)
    parameters = inspect.signature(make).parameters
    if "root" not in parameters:
        raise StudyError(f"data.source: torchvision's {name} has no root; wanted a data set that lies in a folder")
    if "train" in parameters:
        yield from (_made(partial(make, root, train=train), name, root) for train in (True, False))
    elif "split" in parameters:
        yield from (_split(make, splits, name, root) for splits in (_TRAINING, _HELD_OUT))
    else:
        yield _made(partial(make, root), name, root)


def _split(make: Callable[..., Any], splits: tuple[str, ...], name: str, root: Path) -> Any:
    """Return the first of these parts that the data set has."""
    for split in splits:
        try:
            return _made(partial(make, root, split=split), name, root)
        except ValueError as error:
            if isinstance(error, StudyError):
                raise
    raise StudyError(f"data.source: torchvision's {name} has none of the parts {', '.join(splits)}")


def _made(make: Callable[[], Any], name: str, root: Path) -> Any:
    try:
        return make()
    except (RuntimeError, OSError, ImportError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StudyError(
            f"data.source: torchvision's {name} cannot be read from {root} ({reason}); put it there first: featcx "
            "downloads nothing"
        ) from error


def _labels(name: str, part: Any) -> Int64[np.ndarray, "image"]:
    """Return one label an image: from the list that most data sets keep, otherwise image by image."""
    for attribute in ("targets", "labels", "_labels"):
        labels = np.asarray(getattr(part, attribute, None))
        if labels.ndim == 1 and len(labels) == len(part) and labels.dtype.kind in "iu":
            break
    else:
        try:
            labels = np.array([int(part[row][1]) for row in range(len(part))], dtype=np.int64)
        except (TypeError, ValueError):
            raise StudyError(f"data.source: wanted one class an image, torchvision's {name} has others") from None
    if labels.min(initial=0) < 0:
        raise StudyError(f"data.source: torchvision's {name} has images without a class")
    return labels.astype(np.int64)
