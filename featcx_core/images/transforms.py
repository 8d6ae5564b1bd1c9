"""The transform from an image to a network's input: as the study states, else as the network's weights do."""

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
    """A transform in which every `auto` is decided."""

    resize: int | None
    """Pixels of the shorter side; None: not resized."""
    crop: int | None
    """Pixels of the square cut from the centre; None: no crop."""
    interpolation: str
    """Name of Pillow's filter."""
    mean: tuple[float, ...] | None
    """Mean of each channel to subtract, for pixels in [0, 1]; None: that of the training images."""
    std: tuple[float, ...] | None
    """Standard deviation of each channel to divide by; None: that of the training images."""
    channels: int | None
    """1 = grey, 3 = colour; None: as many as the images have."""
    fit: str = "crop"
    """`squash` resizes both sides to `resize`; `crop` keeps their ratio."""

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height after the transform."""
        return (self.crop, self.crop) if self.crop else self._resized(width, height)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Return (image, channel, height, width) after the transform."""
        n_images, channels, height, width = shape
        width, height = self.size(width, height)
        return n_images, self.channels or channels, height, width

    def changes(self, shape: tuple[int, ...]) -> bool:
        """Return True unless images of that shape (image, channel, height, width) stay as they are."""
        return self.shape(shape) != shape or self._resized(shape[3], shape[2]) != (shape[3], shape[2])

    def refuse_other(self, channels: int) -> None:
        """Raise StudyError if mean or deviation have another number of values than the images have channels."""
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != channels:
                raise StudyError(f"data.transform.{name}: wanted {channels} values, one a channel, got {len(values)}")

    def pixels(self, image: Image.Image, *, channels: int) -> UInt8[np.ndarray, "channel height width"]:
        """Return the image, resized and cropped to the pixel as torchvision's `Resize` and `CenterCrop` do."""
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
    """Return True if an image has no colours, by its mode."""
    return image.mode.startswith(_GREY_MODES) and image.mode != "LAB"


def preprocessing(study: Study) -> Preprocessing:
    """Decide the study's transform: its open fields follow from the network's weights, if the study names weights.

    Raises StudyError for weights that torchvision does not have.
    """
    stated, of_weights = study.data.transform, network_transform(study)
    if stated.resize != "auto" or stated.crop != "auto":  # sizes of one's own keep the ratio of the sides
        of_weights = of_weights.model_copy(update={"fit": "auto"})
    values: dict[str, Any] = {}
    for name in Transform.model_fields.keys() - {"weights", "bgr"}:
        value = getattr(stated, name)
        value = getattr(of_weights, name) if value == "auto" else value
        values[name] = None if value == "auto" else value
    if values["resize"] is None or (stated.resize == "auto" and stated.crop != "auto"):
        values["resize"] = values["crop"]  # a stated crop is of the whole image, not of the size that the weights state
    if values["resize"] and values["crop"] and values["resize"] < values["crop"]:
        raise StudyError(f"data.transform: crop = {values['crop']} is larger than resize = {values['resize']}")
    if values["channels"] is None and (per_channel := values["mean"] or values["std"]):
        values["channels"] = len(per_channel)
    defaults = {"interpolation": values["interpolation"] or "bilinear", "fit": values["fit"] or "crop"}
    return Preprocessing(**{**values, **defaults})


def network_transform(study: Study) -> Transform:
    """Return the transform with which the study's weights were evaluated; all `auto` if it names no weights.

    Raises StudyError for weights that torchvision does not have.
    """
    kind, _, name = study.model.source.partition(":")
    transform, model = study.data.transform, study.model
    if transform.weights:
        return _of_torchvision(transform.weights, model=name, field="data.transform.weights")
    if model.weights and not model.weights_path:
        return _of_torchvision(model.weights, model=name, field="model.weights")
    if kind == "timm" and "." in name:  # a tag after the dot names weights
        of_weights = timm_transform(name)
        if of_weights.crop != "auto" and "auto" in (transform.resize, transform.crop):
            _refuse_border(name, of_weights)
        return of_weights
    return Transform()


@cache
def _of_torchvision(weights: str, *, model: str, field: str) -> Transform:
    preset = torchvision_weights(weights, model=model, field=field).transforms()
    return Transform(
        resize=preset.resize_size[0],
        crop=preset.crop_size[0],
        interpolation=preset.interpolation.value,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


@cache
def timm_transform(model: str) -> Transform:
    """Return the transform with which timm's weights of a model were evaluated; all `auto` if timm states none."""
    try:
        config: Any = import_module("timm.models").get_pretrained_cfg(model, allow_unregistered=False)
    except (ImportError, RuntimeError):  # the network's own error says more
        return Transform()
    side = min(config.input_size[1:])
    return Transform(
        resize=max(side, math.floor(side / config.crop_pct)),  # of more than 1 the border is padded
        crop=side,
        fit="squash" if config.crop_mode == "squash" else "auto",
        interpolation=config.interpolation,
        mean=tuple(config.mean),
        std=tuple(config.std),
    )


def _refuse_border(model: str, transform: Transform) -> None:
    """Raise StudyError for weights that were evaluated on padded images."""
    config: Any = import_module("timm.models").get_pretrained_cfg(model)
    if config.crop_mode == "border" or config.crop_pct > 1:
        sizes = f"{{resize = {transform.resize}, crop = {transform.crop}}}"
        how = f"(crop_mode = {config.crop_mode})" if config.crop_pct <= 1 else f"(crop_pct = {config.crop_pct})"
        raise StudyError(
            f"data.transform: timm:{model} was evaluated on images padded to a square {how}, which is not done here; "
            f"state the sizes, for instance transform = {sizes}"
        )


def _in_channels(image: Image.Image, channels: int) -> Image.Image:
    """Convert an image to grey or colour, without transparency; 16 bits become 8."""
    if image.mode.startswith("I"):  # Pillow would cut off values above 255
        image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    if "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("L" if channels == 1 else "RGB")
