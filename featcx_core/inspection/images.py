"""Survey of a source of images: number, classes and sizes, and the transform that follows from them."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64

from featcx_core.images.data import load_data
from featcx_core.images.decoding import N_THREADS
from featcx_core.images.folders import has_images
from featcx_core.images.loading import SOURCES, open_source
from featcx_core.images.reading import Files, ImageHeader
from featcx_core.images.transforms import network_transform, preprocessing
from featcx_core.study.fields import Data, Study, StudyError

_LOOKED_AT = 2000  # files whose headers are read; those that the study uses are all read when it is registered
_LARGEST = 512  # pixels of the shorter side; larger pictures are cut down even where they are of one size
_USUAL = 224  # side of the square where neither network nor images say another


class ImagesFound(NamedTuple):
    """The images of a source."""

    labels: Int64[np.ndarray, "image"]
    """Class of each."""
    class_names: tuple[str, ...]
    """Name of each class."""
    n_train: int | None
    """Number of images for training, the first ones; None where the source does not say."""
    sizes: tuple[tuple[int, int], ...]
    """Width and height, the most frequent first."""
    channels: int
    """1: grey, 3: colour."""
    n_looked_at: int
    """Images behind sizes and channels."""
    broken: tuple[str, ...]
    """Files among them that cannot be read."""

    @property
    def short_side(self) -> int:
        """Pixels of the shorter side of the most frequent size."""
        return min(self.sizes[0])


def data_source(text: str) -> str:
    """A source as a study names it, of such a name or of a path: folders of classes, a folder of .npy files, an .npz.

    Raises StudyError where there is nothing at the path.
    """
    kind, colon, rest = text.partition(":")
    if colon and any(prefix.startswith(f"{kind}:") for prefix in SOURCES):
        if kind == "torchvision":
            name, _, root = rest.partition(":")
            return f"torchvision:{name}:{Path(root).resolve()}" if root else text
        return text if kind == "packaged" else f"{kind}:{Path(rest).resolve()}"
    path = Path(text).resolve()
    if path.is_dir():
        return f"{'npy' if (path / 'images.npy').is_file() else 'folder'}:{path}"
    if path.is_file() and path.suffix == ".npz":
        return f"npz:{path}"
    got = "a file that is not .npz" if path.is_file() else "nothing there"
    raise StudyError(f"data: wanted a folder, an .npz file or one of {', '.join(SOURCES)}; got {text!r}: {got}")


def find_images(data: Data) -> ImagesFound:
    """Survey a source. Raises StudyError where it cannot be used, or none of its files can be read."""
    images, labels, names, n_train = open_source(data)
    if not isinstance(images, Files):
        n_images, channels, height, width = images.shape
        return ImagesFound(labels, names, n_train, ((width, height),), channels, n_images, ())
    rows = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), _LOOKED_AT)).astype(int)).tolist()
    with ThreadPoolExecutor(N_THREADS) as pool:
        headers = dict(zip(rows, pool.map(lambda row: _header(images, row), rows), strict=True))
    sizes = Counter((header.width, header.height) for header in headers.values() if header)
    broken = tuple(images.name(row) for row, header in headers.items() if not header)
    if not sizes:
        raise StudyError(f"data: none of {len(rows)} image files can be read, the first is {broken[0]}")
    is_grey = all(header.is_grey for header in headers.values() if header)
    frequent = tuple(size for size, _ in sizes.most_common())
    return ImagesFound(labels, names, n_train, frequent, 1 if is_grey else 3, len(rows), broken)


def propose_transform(images: ImagesFound, study: Study) -> dict[str, Any]:
    """Return the `data.transform` that these images and this network need; empty where they need none.

    A square is cut where the images are of several sizes, or large: that of the network's own weights where it has
    any and the images are nearly as large, else what fits into the images in steps of 32 pixels.
    """
    from_network = network_transform(study)
    values: dict[str, Any] = {}
    if from_network.crop == "auto" and (len(images.sizes) > 1 or images.short_side > _LARGEST):
        values["crop"] = _side(images.short_side, _trained_at(study.model.source))
    if images.channels == 1 and from_network.mean == "auto" and study.model.source.startswith("torchvision:"):
        values["channels"] = 3  # its networks take colour only
    return values


def transform_in_force(study: Study) -> dict[str, Any]:
    """Every key of `data.transform` with the value that the study's images are prepared with.

    Raises StudyError where the images cannot be used.
    """
    data, steps = load_data(study), preprocessing(study)
    blue_first = {"bgr": True} if study.data.transform.bgr else {}
    return {
        "resize": steps.resize or "auto",
        "crop": steps.crop or "auto",
        "fit": steps.fit,
        "channels": data.image_shape[0],
        "interpolation": steps.interpolation,
        "mean": [round(float(value), 4) for value in data.mean],
        "std": [round(float(value), 4) for value in data.std],
        **blue_first,
    }


def why_unlabelled(data: Data) -> str:
    """Return why the images of a folder have no classes: as they lie; empty where they have."""
    if data.kind != "folder" or not Path(data.path).is_dir():
        return ""
    if has_images(Path(data.path)):
        return "the images lie in no folder of a class"
    try:
        source = open_source(data)
    except StudyError:
        return ""
    alone = len(source.labels) == len(source.class_names) > 1
    return "no class has more than one image" if alone else ""


def image_lines(images: ImagesFound, data: Data) -> Iterator[str]:
    """Yield the survey, for people."""
    parts = "" if images.n_train is None else f", {images.n_train} of them for training"
    yield f"data: {data.source}: {len(images.labels)} images{parts}"
    if data.unlabelled:
        yield "  no classes: data.unlabelled = true"
    else:
        yield _class_line(images)
    sizes = ", ".join(f"{width} x {height}" for width, height in images.sizes[:3])
    more = f" and {len(images.sizes) - 3} more sizes" if len(images.sizes) > 3 else ""
    colours = {1: "grey", 3: "colour"}.get(images.channels, f"{images.channels} channels")
    looked = "" if images.n_looked_at == len(images.labels) else f" ({images.n_looked_at} looked at)"
    yield f"  images: {sizes}{more} pixels, {colours}{looked}"
    if images.broken:
        listed = ", ".join(images.broken[:5]) + (" …" if len(images.broken) > 5 else "")
        counted = f"{len(images.broken)} of the {images.n_looked_at} files looked at"
        yield f"  {counted} cannot be read and are left out: {listed}"


def _class_line(images: ImagesFound) -> str:
    counts = np.bincount(images.labels, minlength=len(images.class_names))
    few, many = int(counts.argmin()), int(counts.argmax())
    names = ", ".join(images.class_names[:8]) + (" …" if len(images.class_names) > 8 else "")
    smallest, largest = (f"{counts[i]} ({images.class_names[i]})" for i in (few, many))
    spread = f"smallest {smallest}, largest {largest}" if counts[few] < counts[many] else f"{counts[few]} images each"
    return f"  classes: {len(images.class_names)}: {names}; {spread}"


def _header(files: Files, row: int) -> ImageHeader | None:
    try:
        return files.inspect(row)
    except Exception:  # a damaged file fails in many ways; each means: broken
        return None


def _side(short: int, trained_at: int) -> int:
    if short >= 0.75 * trained_at:
        return trained_at
    return short // 32 * 32 if short >= 32 else short


def _trained_at(source: str) -> int:
    """Side of the images that the network's published weights were trained for; no weights are loaded."""
    kind, _, name = source.partition(":")
    if kind == "torchvision":
        from torchvision.models import get_model_weights, list_models

        if name in list_models():
            transform = next(iter(get_model_weights(name))).transforms()
            return int(transform.crop_size[0]) if hasattr(transform, "crop_size") else _USUAL
    if kind == "timm":
        from featcx_core.images.transforms import timm_transform

        crop = timm_transform(name).crop
        return _USUAL if crop == "auto" else crop
    return _USUAL
