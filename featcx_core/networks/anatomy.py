"""Anatomy: layers, head and tensors of a network, so that later steps (and the web UI) need not load it.

It is written to `layers.json` beside the study file.
"""

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from featcx_core.images.digests import content_digest
from featcx_core.study.fields import Study

Role = Literal["stem", "block", "penultimate", "other"]
Layout = Literal["channels_first", "channels_last", "class_token", "tokens", "vector"]
Shortcut = Literal["", "identity", "projection"]

MADE_FROM = ("data.source", "data.transform", "model", "activations.layers", "activations.pooling")
"""Fields of the study that decide a network's anatomy."""
VERSION = 2
"""Raised by hand when the same network gets another anatomy; registered studies are then looked at again."""


class Branch(BaseModel):
    """A branch of a residual block: an operand of one of the block's sums."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    place: int
    """Number of the sum of two tensors since the block's call, 0 = first."""
    operand: int
    """Number of the operand, 0 or 1."""


def call_name(module: str, times: int) -> str:
    """Return the name of the layer that a module's n-th call in a forward pass gives.

    >>> call_name("relu", 1), call_name("relu", 3)
    ('relu', 'relu#3')
    """
    return module if times == 1 else f"{module}#{times}"


def module_and_call(layer: str) -> tuple[str, int]:
    """Return the name of a layer's module, and the number of its call in a forward pass.

    >>> module_and_call("layer1.0"), module_and_call("relu#3")
    (('layer1.0', 1), ('relu', 3))
    """
    module, _, times = layer.partition("#")
    return module, int(times or 1)


class Layer(BaseModel):
    """One recorded layer."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    layer: str
    """Name from `model.named_modules()`; `NAME#2` is the second call of a module that is called several times."""
    depth: int
    """Place of the layer in forward order, 0 = first."""
    role: Role
    """`stem`, `block`, `penultimate` (the layer that the head reads) or `other`."""
    in_complexity: bool
    """True if the layer counts in K."""
    kind: str
    """Class name of the module."""
    units: int
    """Recorded numbers of an image, after pooling."""
    height: int
    """Positions down, before pooling."""
    width: int
    """Positions across, before pooling; a class token and registers are no positions."""
    layout: Layout
    """Axes of the output: `channels_first` (image, unit, height, width), `channels_last` (image, height, width, unit),
    `class_token` or `tokens` (image, token, unit), `vector` (image, unit). An image is represented by the mean over
    positions, by the class token if the head reads that, or by the vector."""
    rectified: bool
    """True if it is recorded after a ReLU, because the head reads it after a ReLU that is no module."""
    shortcut: Shortcut
    """Operand to which a residual block adds its branch: its argument (`identity`) or a projection of it; empty for
    other layers."""
    branches: dict[str, Branch] = {}
    """Operands of a residual block's sums, by name: `residual` (the shortcut of the first sum) and `main`, or
    `attention` and `mlp`; empty if the block adds nothing or its shortcut is undecidable."""

    @property
    def n_samples(self) -> int:
        """Samples an image for a dictionary of this layer: its positions, or its class token alone."""
        return 1 if self.layout == "class_token" else self.height * self.width


class Anatomy(BaseModel):
    """A network's layers, head and tensors, and the shape of its input."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    made_from: str
    """Digest of the study's fields and data that decide it."""
    layers: tuple[Layer, ...]
    """Recorded layers, in forward order."""
    head: str
    """Name of the last linear map."""
    n_classes: int
    """Outputs of the head."""
    signed: bool
    """True if the head reads negative values; after a ReLU it does not."""
    image_shape: tuple[int, int, int]
    """(channel, height, width) of an input image."""
    parameters: dict[str, tuple[int, ...]]
    """Shape of every tensor of a checkpoint, by name: checkpoints are checked without loading the network."""

    @property
    def penultimate(self) -> str:
        """Name of the layer that the head reads."""
        return next(row.layer for row in self.layers if row.role == "penultimate")

    @property
    def n_units(self) -> int:
        """Units of the penultimate layer."""
        return next(row.units for row in self.layers if row.role == "penultimate")

    @property
    def names(self) -> list[str]:
        """Names of the layers, in forward order."""
        return [row.layer for row in self.layers]

    @property
    def in_complexity(self) -> list[str]:
        """Names of the layers that count in K."""
        return [row.layer for row in self.layers if row.in_complexity]


def anatomy_text(anatomy: Anatomy) -> str:
    """Return the text of a `layers.json`, with a digest of what it says."""
    values = anatomy.model_dump(mode="json") | {"digest": _text_digest(anatomy)}
    return json.dumps(values, indent=1) + "\n"


def read_anatomy(path: Path) -> Anatomy:
    """Read the anatomy in a `layers.json`. Raises ValueError where it is by another version, or was altered."""
    values = json.loads(path.read_text(encoding="utf-8"))
    digest = values.pop("digest", None) if isinstance(values, dict) else None
    anatomy = Anatomy.model_validate_json(json.dumps(values))
    if digest not in (None, _text_digest(anatomy)):  # the packaged ones carry none
        raise ValueError(f"{path} is not as it was written")
    return anatomy


def _text_digest(anatomy: Anatomy) -> str:
    return hashlib.sha256(anatomy.model_dump_json().encode()).hexdigest()[:32]


def anatomy_digest(study: Study) -> str:
    """Return a digest of all that decides a network's anatomy: version, fields of the study, images on disk."""
    fields, content = study.digest(*MADE_FROM), content_digest(study.data)
    return hashlib.sha256(f"{VERSION}\n{fields}\n{content}".encode()).hexdigest()[:16]
