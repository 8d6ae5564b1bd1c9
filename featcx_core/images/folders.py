"""Folders of image files, one folder a class, as torchvision's `ImageFolder` reads them."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from PIL import Image

from featcx_core.images.jpeg import is_plain
from featcx_core.images.listing import IMAGE_SUFFIXES, files_in
from featcx_core.images.reading import Files, ImageHeader, Source
from featcx_core.images.transforms import is_grey
from featcx_core.study.fields import StudyError

_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}


def image_folder(folder: Path) -> Source:
    """List the images in CLASS/…, or those in train/CLASS/… and then those in val/CLASS/…; classes by sorted name.

    Raises StudyError if there is no such folder, no image in it, or a class of `val` that `train` lacks.
    """
    if not folder.is_dir():
        raise StudyError(f"data.source: no folder {folder}")
    parts = ["train", "val"] if (folder / "train").is_dir() and (folder / "val").is_dir() else [""]
    classes = sorted(place.name for place in (folder / parts[0]).iterdir() if place.is_dir() and place.name[0] != ".")
    if parts == [""] and classes and _SPLITS.issuperset(classes):
        raise StudyError(
            f"data.source: {folder} holds {', '.join(classes)}, which name parts, not classes; wanted train and val "
            "(rename the held-out one), or a folder a class"
        )
    names: list[bytes] = []
    labels: list[Int64[np.ndarray, "_"]] = []
    n_train = 0
    for part in parts:
        n_train = len(names)
        _refuse_unknown(folder / part, classes)
        for label, class_name in enumerate(classes):
            place = folder / part / class_name
            paths = files_in(place, suffixes=IMAGE_SUFFIXES) if place.is_dir() else ()
            before = len(names)
            names.extend(os.fsencode(f"{part}/{class_name}/{path}".lstrip("/")) for path in paths)
            labels.append(np.full(len(names) - before, label, dtype=np.int64))
    if not names:
        if has_images(folder):
            raise StudyError(
                f"data.source: the images in {folder} lie in no folder of a class; state data.unlabelled = true, or "
                "put them into CLASS/"
            )
        raise StudyError(
            f"data.source: no image files in {folder}; wanted CLASS/*.jpg, or train/CLASS/*.jpg and val/CLASS/*.jpg, "
            f"with the ending {', '.join(IMAGE_SUFFIXES)}"
        )
    return Source(
        image_files(folder, names), np.concatenate(labels), tuple(classes), n_train if len(parts) > 1 else None
    )


def unlabelled_folder(folder: Path) -> Source:
    """List the images at any depth of a folder, without classes.

    Raises StudyError if there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise StudyError(f"data.source: no folder {folder}")
    names = [os.fsencode(path) for path in files_in(folder, suffixes=IMAGE_SUFFIXES)]
    if not names:
        endings = ", ".join(IMAGE_SUFFIXES)
        raise StudyError(f"data.source: no image files in {folder}; wanted files with the ending {endings}")
    return Source(image_files(folder, names), np.zeros(len(names), dtype=np.int64), ("unlabelled",))


def inspect(path: Path) -> ImageHeader:
    """Return size and colours of a whole image file; raises what Pillow raises for a damaged one.

    A PNG is whole if its checksums are right, a JPEG if its markers are: thirty times as fast as decoding. Files of
    other formats are decoded.
    """
    with path.open("rb") as file, Image.open(file) as image:
        header = ImageHeader(*image.size, is_grey(image))
        if image.format == "PNG":
            image.verify()
        elif image.format != "JPEG" or not is_plain(path.read_bytes()):
            image.load()
    return header


def has_images(folder: Path) -> bool:
    """Return True if image files lie in the folder itself."""
    return any(place.suffix.lower() in IMAGE_SUFFIXES and place.is_file() for place in folder.iterdir())


def image_files(folder: Path, names: list[bytes]) -> Files:
    """Return the image files of a folder, each named by its path below it."""
    table = np.array(names)  # a third of the memory of as many Python strings

    def path(row: int) -> Path:
        return folder / os.fsdecode(bytes(table[row]))

    def load(row: int) -> Image.Image:
        with Image.open(path(row)) as image:
            image.load()
            return image

    def below(row: int) -> str:
        return bytes(table[row]).decode("utf-8", "replace")  # tables hold valid text alone

    return Files(load, lambda row: inspect(path(row)), lambda row: str(path(row)), below)


def _refuse_unknown(folder: Path, classes: list[str]) -> None:
    for place in sorted(folder.iterdir()):
        if place.is_dir() and place.name[0] != "." and place.name not in classes:
            raise StudyError(f"data.source: class {place.name!r} is in {folder} but not among those for training")
