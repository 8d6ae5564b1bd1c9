"""How images become a network's input: what the study states, else what the network's weights do."""

import math
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from featcx_core.images.torchvision_weights import torchvision_weights
from featcx_core.study.fields import Study, StudyError, Transform

_GREY_MODES = ("1", "L", "LA", "I", "F")


class Preprocessing(NamedTuple):
    """A transform without open ends."""

    resize: int | None
    """Pixels of the shorter side; None: left as it is."""
    crop: int | None
    """Pixels of the square from the centre; None: all of it."""
    interpolation: str
    """Name of Pillow's filter."""
    mean: tuple[float, ...] | None
    """To be subtracted, of pixels in [0, 1]; None: the training images'."""
    std: tuple[float, ...] | None
    """To be divided by; None: the training images'."""
    channels: int | None
    """1 = grey, 3 = colour; None: as the images are."""
    fit: str = "crop"
    """`squash`: both sides are resized to the same; `crop`: they keep their ratio."""

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of what becomes of an image."""
        return (self.crop, self.crop) if self.crop else self._resized(width, height)

    def shape(self, of: tuple[int, ...]) -> tuple[int, int, int, int]:
        """(image, channel, height, width) of what becomes of images of that shape."""
        n_images, channels, height, width = of
        width, height = self.size(width, height)
        return n_images, self.channels or channels, height, width

    def changes(self, of: tuple[int, ...]) -> bool:
        """Whether images of that shape (image, channel, height, width) do not stay as they are."""
        return self.shape(of) != of or self._resized(of[3], of[2]) != (of[3], of[2])

    def refuse_other(self, channels: int) -> None:
        """Raises StudyError where mean or deviation are those of other images than with so many channels."""
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != channels:
                raise StudyError(f"data.transform.{name}: wanted {channels} values, one a channel, got {len(values)}")

    def pixels(self, image: Image.Image, *, channels: int) -> UInt8[np.ndarray, "channel height width"]:
        """The image, resized and cropped to the pixel as torchvision's `Resize` and `CenterCrop` do."""
        image = _in_channels(image, channels)
        if (size := self._resized(*image.size)) != image.size:
            image = image.resize(size, Image.Resampling[self.interpolation.upper()])
        if self.crop:
            left, top = (round((side - self.crop) / 2) for side in image.size)
            image = image.crop((left, top, left + self.crop, top + self.crop))
        pixels = np.asarray(image)
        return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.resize is None:
            return width, height
        if self.fit == "squash":
            return self.resize, self.resize
        short, long = min(width, height), max(width, height)
        long = int(self.resize * long / short)
        return (self.resize, long) if width <= height else (long, self.resize)


def is_grey(image: Image.Image) -> bool:
    """Whether an image has no colours, by its mode."""
    return image.mode.startswith(_GREY_MODES) and image.mode != "LAB"


def preprocessing(study: Study) -> Preprocessing:
    """The study's transform; what it leaves open follows from the network's weights, where the study names weights.

    Raises StudyError for weights that torchvision does not have.
    """
    said, known = study.data.transform, network_transform(study)
    if said.resize != "auto" or said.crop != "auto":  # of one's own, so the weights' ratio of sides is not
        known = known.model_copy(update={"fit": "auto"})
    found: dict[str, Any] = {}
    for name in Transform.model_fields.keys() - {"weights"}:
        value = getattr(said, name)
        value = getattr(known, name) if value == "auto" else value
        found[name] = None if value == "auto" else value
    if found["resize"] is None or (said.resize == "auto" and said.crop != "auto"):
        found["resize"] = found["crop"]  # a crop of one's own is of the whole image, not of what the weights resize to
    if found["resize"] and found["crop"] and found["resize"] < found["crop"]:
        raise StudyError(f"data.transform: crop = {found['crop']} is larger than resize = {found['resize']}")
    if found["channels"] is None and (per_channel := found["mean"] or found["std"]):
        found["channels"] = len(per_channel)
    defaults = {"interpolation": found["interpolation"] or "bilinear", "fit": found["fit"] or "crop"}
    return Preprocessing(**{**found, **defaults})


def network_transform(study: Study) -> Transform:
    """What the weights that a study names were evaluated with; all `auto` where it names none.

    Raises StudyError for weights that torchvision does not have.
    """
    kind, _, name = study.model.source.partition(":")
    stated, starts_from = study.data.transform.weights, study.model
    if stated:
        return _of_torchvision(stated, model=name, field="data.transform.weights")
    if starts_from.weights and not starts_from.weights_path:
        return _of_torchvision(starts_from.weights, model=name, field="model.weights")
    if kind == "timm" and "." in name:  # a tag after the dot names weights
        known, stated_sizes = timm_transform(name), study.data.transform
        if known.crop != "auto" and "auto" in (stated_sizes.resize, stated_sizes.crop):
            _refuse_border(name, known)
        return known
    return Transform()


@cache
def _of_torchvision(weights: str, *, model: str, field: str) -> Transform:
    own = torchvision_weights(weights, model=model, field=field).transforms()
    return Transform(
        resize=own.resize_size[0],
        crop=own.crop_size[0],
        interpolation=own.interpolation.value,
        mean=tuple(own.mean),
        std=tuple(own.std),
    )


@cache
def timm_transform(model: str) -> Transform:
    """What timm says the weights of a model were evaluated with; all `auto` where it knows none."""
    try:
        own: Any = import_module("timm.models").get_pretrained_cfg(model, allow_unregistered=False)
    except (ImportError, RuntimeError):  # the network's own error says more
        return Transform()
    side = min(own.input_size[1:])
    return Transform(
        resize=math.floor(side / own.crop_pct),
        crop=side,
        fit="squash" if own.crop_mode == "squash" else "auto",
        interpolation=own.interpolation,
        mean=tuple(own.mean),
        std=tuple(own.std),
    )


def _refuse_border(model: str, known: Transform) -> None:
    own: Any = import_module("timm.models").get_pretrained_cfg(model)
    if own.crop_mode == "border":
        sizes = f"{{resize = {known.resize}, crop = {known.crop}}}"
        raise StudyError(
            f"data.transform: timm:{model} was evaluated on images padded to a square (crop_mode = border), which "
            f"is not done here; state the sizes, for instance transform = {sizes}"
        )


def _in_channels(image: Image.Image, channels: int) -> Image.Image:
    """In grey or in colour, without transparency; 16 bits become 8."""
    if image.mode.startswith("I"):  # Pillow would cut off what is above 255
        image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    if "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("L" if channels == 1 else "RGB")
