"""Anatomy: what was found in a network, so that later steps (and the web UI) need not load it.

Written to `layers.json` beside the study file.
"""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from featcx_core.images.digests import content_digest
from featcx_core.study.fields import Study

Role = Literal["stem", "block", "penultimate", "other"]
Layout = Literal["channels_first", "channels_last", "class_token", "tokens", "vector"]
Shortcut = Literal["", "identity", "projection"]

MADE_FROM = ("data.source", "data.transform", "model", "activations.layers", "activations.pooling")
"""The study's fields that decide a network's anatomy."""
VERSION = 2
"""Raised by hand when other things are found in the same network, or more: it is looked at anew then."""


class Branch(BaseModel):
    """Where a branch of a residual block comes by: an operand of one of the sums that the block makes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    place: int
    """Which sum of two tensors, counted from the block's call, 0 = first."""
    operand: int
    """Which of the two, 0 or 1."""


def call_name(module: str, times: int) -> str:
    """Name of the layer that a module gives when it is called for the n-th time in a forward pass.

    >>> call_name("relu", 1), call_name("relu", 3)
    ('relu', 'relu#3')
    """
    return module if times == 1 else f"{module}#{times}"


def module_and_call(layer: str) -> tuple[str, int]:
    """Name of the module that gives a layer, and at which of its calls in a forward pass.

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
    """Place in forward order, 0 = first."""
    role: Role
    """`stem`, `block`, `penultimate` (what the head reads) or `other`."""
    in_complexity: bool
    """Whether it counts in K."""
    kind: str
    """Class name of the module."""
    units: int
    """Recorded numbers an image, after pooling."""
    height: int
    """Positions down, before pooling."""
    width: int
    """Positions across, before pooling; a class token and its like are none."""
    layout: Layout
    """Axes of the output: `channels_first` (image, unit, height, width), `channels_last` (image, height, width, unit),
    `class_token` or `tokens` (image, token, unit), `vector` (image, unit). For the image stands the mean over
    positions, the class token where the head reads that, or the vector."""
    rectified: bool
    """Whether it is recorded after a ReLU, because the head reads it after one that is no module."""
    shortcut: Shortcut
    """What a residual block adds its branch to: what it was given (identity) or a projection of that;
    empty elsewhere."""
    branches: dict[str, Branch] = {}
    """What a residual block adds, by name: `residual` (what its first sum gets by the shortcut) and `main`, or
    `attention` and `mlp`; none where it adds nothing, or where nobody can tell which operand is the shortcut."""

    @property
    def n_samples(self) -> int:
        """Samples that an image gives a dictionary fitted here: its positions, or its class token alone."""
        return 1 if self.layout == "class_token" else self.height * self.width


class Anatomy(BaseModel):
    """A network's layers and head, and the input it was found with."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    made_from: str
    """Digest of the study's fields that decide it."""
    layers: tuple[Layer, ...]
    """In forward order."""
    head: str
    """Name of the last linear map."""
    n_classes: int
    """Its outputs."""
    signed: bool
    """Whether what it reads goes below zero; it does not after a ReLU."""
    image_shape: tuple[int, int, int]
    """(channel, height, width) of an input image."""
    parameters: dict[str, tuple[int, ...]]
    """Name and shape of every tensor of a checkpoint, so that one is checked without loading the network."""

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


def read_anatomy(path: Path) -> Anatomy:
    """The anatomy in a `layers.json`."""
    return Anatomy.model_validate_json(path.read_text(encoding="utf-8"))


def anatomy_digest(study: Study) -> str:
    """Digest of what decides a network's anatomy: what is found, the study's fields, what lies at its data's path."""
    fields, content = study.digest(*MADE_FROM), content_digest(study.data)
    return hashlib.sha256(f"{VERSION}\n{fields}\n{content}".encode()).hexdigest()[:16]
