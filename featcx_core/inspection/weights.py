"""Published weights, recognised in a file: by its digest, a configuration beside it, its name, or the network's name.

torchvision and timm name their files after the first digits of their SHA-256 (`resnet18-f37072fd.pth`), so a file that
was renamed is known too.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from math import floor
from pathlib import Path
from typing import Any, NamedTuple

from featcx_core.images.transforms import timm_transform

_HASH = re.compile(r"-([0-9a-f]{8,})\.")
_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic")  # Pillow's numbers, of 0 to 3
_IMAGENET = 1000  # outputs of published classifiers


class Recognised(NamedTuple):
    """Published weights, and how their images were prepared."""

    name: str
    """As people know them."""
    by: str
    """How they were recognised."""
    transform: dict[str, Any]
    """`data.transform` of their evaluation."""


class _Published(NamedTuple):
    name: str
    file: str
    of_timm: str = ""

    @property
    def transform(self) -> dict[str, Any]:
        """Return the transform of their evaluation."""
        return _timms(self.of_timm) if self.of_timm else {"weights": self.name}


def recognise(path: Path, *, source: str, n_outputs: int) -> Recognised | None:
    """Return the published weights in a file, of the network of that source; None for weights that are not known."""
    if about := _configured(path.parent):
        return about
    kind = source.partition(":")[0]
    known = [*_of_torchvision(), *(_of_timm() if kind == "timm" else ())]
    digest = _sha256(path)
    for each in known:
        if (match := _HASH.search(each.file)) and digest.startswith(match[1]):
            return Recognised(each.name, "the digest of the file", each.transform)
    for each in known:
        if each.file == path.name:
            return Recognised(each.name, "the name of the file, whose bytes are others", each.transform)
    return _by_network(source) if n_outputs == _IMAGENET else None


def _by_network(source: str) -> Recognised | None:
    """Return the weights that a network of that name with ImageNet's outputs probably has."""
    kind, _, name = source.partition(":")
    by = "the network's name and its 1,000 outputs"
    if kind == "torchvision":
        for each in _of_torchvision():
            if each.name.partition("_Weights")[0].lower().replace("_", "") == name.lower().replace("_", ""):
                return Recognised(each.name, by, each.transform)
    if kind == "timm" and (transform := _timms(name)):
        return Recognised(f"timm's {name}", by, transform)
    return None


@cache
def _of_torchvision() -> tuple[_Published, ...]:
    from torchvision.models import get_model_weights, list_models

    found = [weights for model in list_models() for weights in get_model_weights(model)]
    return tuple(
        _Published(str(weights), str(weights.url).rpartition("/")[2])
        for weights in found
        if hasattr(weights.transforms(), "crop_size") and "Quantized" not in str(weights)
    )


@cache
def _of_timm() -> tuple[_Published, ...]:
    try:
        models: Any = import_module("timm.models")
    except ImportError:
        return ()
    return tuple(_timm_files(models))


def _timm_files(models: Any) -> Iterator[_Published]:
    for name in models.list_pretrained():
        url = models.get_pretrained_cfg(name).url
        if url:
            yield _Published(f"timm's {name}", url.rpartition("/")[2], of_timm=name)


def _timms(name: str) -> dict[str, Any]:
    return timm_transform(name).model_dump(mode="json", exclude_defaults=True)


def _configured(folder: Path) -> Recognised | None:
    """Return what a Hugging Face configuration beside the file says: timm's, or that of transformers."""
    about = _json(folder / "config.json")
    of_timm = about.get("pretrained_cfg")
    if isinstance(of_timm, dict) and "mean" in of_timm and "std" in of_timm:
        name = f"{about.get('architecture', 'timm model')} in {folder.name}"
        return Recognised(name, "the configuration beside the file", _timm_config(of_timm))
    images = _json(folder / "preprocessor_config.json")
    if "image_mean" in images and "image_std" in images:
        name = f"{about.get('model_type', 'model')} in {folder.name}"
        return Recognised(name, "the configuration beside the file", _image_processor(images))
    return None


def _timm_config(about: Mapping[str, Any]) -> dict[str, Any]:
    side = min(about.get("input_size", (3, 224, 224))[1:])
    values: dict[str, Any] = {"resize": floor(side / about.get("crop_pct", 0.875)), "crop": side}
    if about.get("crop_mode") == "squash":
        values["fit"] = "squash"
    return values | {"interpolation": about.get("interpolation", "bicubic"), **_lists(about["mean"], about["std"])}


def _image_processor(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the transform of an image processor of transformers."""
    size, values = about.get("size", 224), dict[str, Any]()
    shortest = size.get("shortest_edge") if isinstance(size, dict) else None
    side = shortest or (min(size["height"], size["width"]) if isinstance(size, dict) else int(size))
    crop = about.get("crop_size", side)
    crop = min(crop["height"], crop["width"]) if isinstance(crop, dict) else int(crop)
    if about.get("do_center_crop"):
        values = {"resize": side, "crop": min(crop, side)}
    elif shortest and "crop_pct" in about and side < 384:  # ConvNeXt's
        values = {"resize": int(side / about["crop_pct"]), "crop": side}
    else:
        values = {"resize": side, "crop": side, "fit": "squash"}
    number = about.get("resample", 2)
    values["interpolation"] = _FILTERS[number] if number in range(len(_FILTERS)) else "bilinear"
    if not about.get("do_normalize", True):
        return values | _lists([0.0] * 3, [1.0] * 3)
    return values | _lists(about["image_mean"], about["image_std"])


def _lists(mean: Any, std: Any) -> dict[str, list[float]]:
    return {"mean": [float(value) for value in mean], "std": [float(value) for value in std]}


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
