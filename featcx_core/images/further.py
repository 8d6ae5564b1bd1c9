"""Further images for the dictionary alone (`data.dictionary`): a folder of files or an archive, without labels."""

import zipfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from featcx_core.images.data import StudyImages
from featcx_core.images.decoding import Decoded, decoded
from featcx_core.images.digests import further_digest
from featcx_core.images.folders import image_files
from featcx_core.images.listing import IMAGE_SUFFIXES, files_in
from featcx_core.images.loading import picture_files
from featcx_core.images.reading import Files, ImageArray
from featcx_core.images.transforms import Preprocessing, preprocessing
from featcx_core.study.fields import Study, StudyError


class _Key(NamedTuple):
    """All that decides the further images, hashable; a change on disk changes it."""

    source: str
    steps: Preprocessing
    broken_share: float
    contents: str


def further_images(study: Study, data: StudyImages) -> StudyImages | None:
    """Return the further images, all of them in the part `train`, in the study's normalisation; None without any.

    Raises StudyError if they cannot be read, or are of another size than the study's.
    """
    if not study.data.dictionary:
        return None
    contents = further_digest(study.data)
    images, rows = _load(_Key(study.data.dictionary, preprocessing(study), study.data.broken_share, contents))
    if images.shape[1:] != data.images.shape[1:]:
        raise StudyError(
            f"data.dictionary: wanted images of {_size(data.images)} as the study's, got {_size(images)}; state "
            "data.transform, for instance {crop = 224}"
        )
    labels = np.zeros(images.shape[0], dtype=np.int64)
    return data._replace(images=images, labels=labels, split={"train": rows}, broken=())


@lru_cache(maxsize=2)
def _load(key: _Key) -> tuple[ImageArray, np.ndarray]:
    kind, _, path = key.source.partition(":")
    images = _folder(Path(path)) if kind == "folder" else _archive(Path(path))
    if isinstance(images, np.ndarray):
        rows = np.arange(len(images))
        if key.steps.changes(images.shape):
            return Decoded(picture_files(images), key.steps, shape=key.steps.shape(images.shape)), rows
        return images, rows
    files, n_images = images
    found, split, _ = decoded(
        files, {"train": np.arange(n_images)}, key.steps, n_images=n_images, broken_share=key.broken_share
    )
    return found, split["train"]


def _folder(folder: Path) -> tuple[Files, int]:
    names = [*files_in(folder, suffixes=IMAGE_SUFFIXES)] if folder.is_dir() else []
    if not names:
        raise StudyError(
            f"data.dictionary: no image files in {folder}; wanted files with the ending {', '.join(IMAGE_SUFFIXES)}"
        )
    return image_files(folder, [name.encode(errors="surrogateescape") for name in names]), len(names)


def _archive(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as archive:
            images: np.ndarray = archive["images"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StudyError(f"data.dictionary: {path}: wanted an .npz with an array `images`, got: {error}") from None
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise StudyError(
            f"data.dictionary: {path}: wanted images as uint8 (image, [channel,] height, width), "
            f"got {images.dtype} {images.shape}"
        )
    return images.reshape(len(images), -1, *images.shape[-2:])


def _size(images: ImageArray) -> str:
    channels, height, width = images.shape[1:]
    return f"{channels} x {height} x {width}"
