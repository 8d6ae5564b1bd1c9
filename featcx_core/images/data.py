"""The images of a study, their labels and their four parts.

`train` trains the network and feeds the dictionary, `fit` and `score` are the probe images, `test` is only for accuracy
and loss. Images stay uint8: in memory, mapped from their file, or decoded when they are read. Batches are normalised on
the device.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64, UInt8

from featcx_core.images.classes import class_names, superclasses
from featcx_core.images.corruption import CorruptedLabels
from featcx_core.images.decoding import read_ahead
from featcx_core.images.digests import content_digest, text_digest
from featcx_core.images.loading import load
from featcx_core.images.pixels import mean_and_deviation, pixel_digest
from featcx_core.images.reading import Files, ImageArray
from featcx_core.images.transforms import Preprocessing, preprocessing
from featcx_core.study.fields import Data, Study, StudyError

PIXELS_AT_ONCE = 1 << 22
"""Pixels of a batch, at most: 83 images of 224 x 224. A network's early maps hold some hundred floats for each."""


COPIED_BYTES = 1 << 30
"""Images that training copies to the device, at most: larger arrays travel batch by batch."""


class StudyImages(NamedTuple):
    """The images of a study; the arrays are read-only, because they are shared."""

    images: ImageArray
    """Pixels, 0 to 255, uint8 (image, channel, height, width): an array, an `np.memmap` or files to decode."""
    labels: Int64[np.ndarray, "image"]
    """Class of each image, 0 to n_classes - 1."""
    class_names: tuple[str, ...]
    """Name of each class."""
    split: dict[str, Int64[np.ndarray, "_"]]
    """Indices of `train`, `fit`, `score` and `test`: disjoint, stratified, in a seeded order."""
    mean: Float32[np.ndarray, "channel"]
    """Mean of each channel: the stated one, or that of the training images' pixels in [0, 1]."""
    std: Float32[np.ndarray, "channel"]
    """Standard deviation of each channel, likewise."""
    superclass_of: tuple[str, ...] = ()
    """Super-class of each class; empty for a class that the study puts in none."""
    broken: tuple[str, ...] = ()
    """Unreadable image files, which are in no part."""
    drawn: CorruptedLabels | None = None
    """Labels that the study had drawn at random, in `labels`; None: it corrupts none."""

    @property
    def labels_before(self) -> Int64[np.ndarray, "image"]:
        """Labels before some were drawn at random."""
        if self.drawn is None:
            return self.labels
        labels = self.labels.copy()
        labels[self.drawn.drawn] = self.drawn.before
        return labels

    @property
    def probe(self) -> Int64[np.ndarray, "image"]:
        """Indices of the probe images: fit, then score."""
        return np.concatenate([self.split["fit"], self.split["score"]])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channel, height, width)."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    @property
    def in_memory(self) -> bool:
        """True if the images are an array in memory, small enough (1 GiB) for a copy on the device."""
        if not isinstance(self.images, np.ndarray) or isinstance(self.images, np.memmap):
            return False
        return self.images.nbytes <= COPIED_BYTES

    def file_of(self, image: int) -> str:
        """Return the path of an image's file below the source's folder; empty where images are no files."""
        files: Files | None = getattr(self.images, "files", None)
        return files.path(image) if files else ""

    def at_once(self, most: int) -> int:
        """Return the number of images of a batch: `most`, fewer if they are large; it changes no result."""
        return max(1, min(most, PIXELS_AT_ONCE // (self.image_shape[1] * self.image_shape[2])))


class _Key(NamedTuple):
    """All that decides a study's images, hashable; a change on disk changes it, and the images are loaded again."""

    settings: str
    steps: Preprocessing
    seed: int
    every_class: bool
    contents: tuple[str, ...]

    @classmethod
    def of(cls, study: Study) -> "_Key":
        data, groups = study.data, study.data.superclasses
        files = {"data.classes": data.classes, "data.superclasses": groups if isinstance(groups, str) else ""}
        contents = (content_digest(data), *(text_digest(path, field=field) for field, path in files.items()))
        every_class = study.dictionary.scope == "class" or not study.checkpoints.folder
        return cls(data.model_dump_json(), preprocessing(study), study.seed, every_class, contents)


def load_data(study: Study) -> StudyImages:
    """Load the study's images, divided; once a process.

    Raises StudyError for an unknown source, one that cannot be read, a split larger than the data, fewer than two
    classes, too many broken files, images of several sizes, or a class without a training image where each class has a
    dictionary or is trained.
    """
    return _load(_Key.of(study))


@lru_cache(maxsize=4)
def _load(key: _Key) -> StudyImages:
    settings = Data.model_validate_json(key.settings)
    images, labels, source_names, split, broken, drawn = load(
        settings, key.steps, seed=key.seed, every_class=key.every_class
    )
    names = class_names(settings, source_names)
    mean, std = mean_and_deviation(images, split["train"], key.steps)
    data = StudyImages(images, labels, names, split, mean, std, superclasses(settings, names), broken, drawn)
    for array in (data.images, data.labels, data.mean, data.std, *split.values()):
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    return data


def dictionary_images(data: StudyImages, study: Study) -> list[Int64[np.ndarray, "_"]]:
    """Return the images behind each class's atoms: indices of its first training images, up to the study's cap."""
    rows = data.split["train"]
    cap = study.dictionary.images_per_class
    return [rows[data.labels[rows] == class_id][:cap] for class_id in range(len(data.class_names))]


def selection_digest(parts: Sequence[Int64[np.ndarray, "_"]]) -> str:
    """Return a digest of a choice of images, in order, by their indices; the fingerprint covers their files."""
    rows = [row for indices in parts for row in (len(indices), *indices.tolist())]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def refuse_too_many_atoms(study: Study, data: StudyImages, *, units: int, n_further: int = 0) -> None:
    """Raise StudyError if a class has fewer dictionary images than atoms, or the layer fewer units.

    `n_further` images come from `data.dictionary`. A number of atoms that is found later is never too large.
    """
    wanted, counts = study.dictionary.atoms_per_class, [len(rows) for rows in dictionary_images(data, study)]
    if wanted == "auto":
        return
    if study.dictionary.scope == "all":
        counts = [sum(counts) + n_further]
    for class_id, count in enumerate(counts):
        if count < wanted:
            name = f"class {data.class_names[class_id]!r}" if study.dictionary.scope == "class" else "the study"
            raise StudyError(
                f"dictionary.atoms_per_class = {wanted}: {name} has only {count} dictionary images; lower it, or raise "
                "data.split.train or dictionary.images_per_class"
            )
    if units < wanted:
        raise StudyError(
            f"dictionary.atoms_per_class = {wanted}: the layer before the head has only {units} units; lower it"
        )


def batches(
    data: StudyImages, indices: Int[np.ndarray, "image"], *, batch_size: int, device: torch.device
) -> Iterator[Float[torch.Tensor, "batch channel height width"]]:
    """Yield normalised images in order, channels last. They travel to the device as uint8, a quarter of the bytes."""
    parts = (indices[start : start + batch_size] for start in range(0, len(indices), batch_size))
    for pixels in read_ahead(data.images, parts):
        yield normalised(torch.from_numpy(pixels).to(device), data)


def normalised(
    pixels: UInt8[torch.Tensor, "batch channel height width"], data: StudyImages
) -> Float[torch.Tensor, "batch channel height width"]:
    """Return (pixels / 255 - mean) / std, channels last."""
    mean, std = (torch.tensor(x * 255, device=pixels.device)[:, None, None] for x in (data.mean, data.std))
    # map by map, and then rearranged: with three channels side by side each step would take four times as long
    return pixels.to(torch.float32).sub_(mean).div_(std).contiguous(memory_format=torch.channels_last)


def probe_digest(study: Study) -> str:
    """Return a digest of the probe images' pixels; computed once a process, not once an epoch."""
    return _probe_digest(_Key.of(study))


@lru_cache(maxsize=4)
def _probe_digest(key: _Key) -> str:
    data = _load(key)
    return image_digest(data, data.probe)


def image_digest(data: StudyImages, indices: Int[np.ndarray, "image"]) -> str:
    """Return a digest of the images' pixels, in order."""
    return pixel_digest(data.images, indices)
