"""Readings of a module's output: one vector an image, or one vector a position."""

from collections.abc import Sequence
from itertools import pairwise
from math import log, prod
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch.nn.functional import adaptive_avg_pool2d

from featcx_core.networks.anatomy import Layout
from featcx_core.networks.trace import Call


class Reading(NamedTuple):
    """The place of images, positions and units in an output."""

    layout: Layout
    """Order of the axes."""
    height: int
    """Positions down."""
    width: int
    """Positions across."""
    rectified: bool = False
    """True if it is read after a ReLU."""


def per_image(
    output: Float[torch.Tensor, "image ..."], reading: Reading, *, side: int = 1
) -> Float[torch.Tensor, "image unit"]:
    """Return one vector an image, in a new tensor: the class token, or the mean over positions.

    With `side`, means over side x side parts of the map. An output without positions is flattened.
    """
    values = output.relu() if reading.rectified else output
    if reading.layout == "vector":
        return values.flatten(1).clone()
    if reading.layout == "class_token" and side == 1:
        return values[:, 0].clone()
    maps = _maps(values, reading)
    return (maps.mean((2, 3)) if side == 1 else adaptive_avg_pool2d(maps, side)).flatten(1)


def per_position(
    output: Float[torch.Tensor, "image ..."], reading: Reading
) -> Float[torch.Tensor, "image position unit"]:
    """Return one vector a position, row by row, in a new tensor, without class token and registers.

    An output without positions has one.
    """
    values = output.relu() if reading.rectified else output
    if reading.layout == "vector":
        return values.flatten(1)[:, None].clone()
    return _maps(values, reading).permute(0, 2, 3, 1).flatten(1, 2).clone(memory_format=torch.contiguous_format)


def readings(calls: Sequence[Call], image_shape: tuple[int, int, int]) -> dict[str, Reading]:
    """Decide how each call's output is read, by name; outputs of other than two, three or four axes are left out.

    - (image, unit): a vector.
    - (image, channel, height, width) or (image, height, width, channel): the order in which height : width is the
      image's; if both are, the order of the same class's other outputs, else channels first.
    - (image, token, unit): the last tokens are the positions of the finest earlier map with no more positions than
      tokens; tokens before them are the class token and registers. The class token represents the image if the network
      makes a vector of it, otherwise the mean over positions does.
    """
    decided: dict[str, Reading] = {}
    grids: list[tuple[int, int]] = []
    layouts = _map_layouts(calls, image_shape[1] / image_shape[2])
    for call in calls:
        shape = call.output.shape
        if len(shape) == 2:
            decided[call.name] = Reading("vector", 1, 1)
        elif len(shape) == 3:
            fitting = [grid for grid in grids if prod(grid) <= shape[1] < 2 * prod(grid)]
            decided[call.name] = Reading("tokens", *max(fitting, key=prod, default=(1, shape[1])))
        elif len(shape) == 4:
            layout = layouts[call.name]
            height, width = shape[2:] if layout == "channels_first" else shape[1:3]
            decided[call.name] = Reading(layout, height, width)
            grids.append((height, width))
    tokens = [call for call in calls if call.output.ndim == 3 and _has_class_token(call, decided[call.name])]
    vectors = [call.vectors for call in calls if call.vectors is not None]
    if any(same(call.output[:, 0], vector) for call in reversed(tokens) for vector in vectors):
        decided |= {call.name: decided[call.name]._replace(layout="class_token") for call in tokens}
    return decided


def same(a: Shaped[torch.Tensor, "..."], b: Shaped[torch.Tensor, "..."]) -> bool:
    """Return True if two tensors are equal but for the rounding of sums in another order."""
    return a.shape == b.shape and bool((a - b).abs().max() <= 1e-5 * b.abs().max())


def _has_class_token(call: Call, reading: Reading) -> bool:
    return call.output.shape[1] > reading.height * reading.width


def _map_layouts(calls: Sequence[Call], aspect: float) -> dict[str, Layout]:
    """Return channels first or last for every output with four axes, by name."""

    def fits(height: int, width: int) -> bool:
        return abs(log(height / width / aspect)) < log(1.5)  # borders and odd sizes distort small maps

    possible: dict[str, list[Layout]] = {}
    by_class: dict[type, Layout] = {}
    for call in calls:
        if call.output.ndim == 4:
            first, last = (fits(height, width) for height, width in list(pairwise(call.output.shape[1:]))[::-1])
            orders: dict[Layout, bool] = {"channels_first": first, "channels_last": last}
            possible[call.name] = [order for order, is_possible in orders.items() if is_possible]
            if len(possible[call.name]) == 1:
                by_class.setdefault(type(call.module), possible[call.name][0])
    classes = {call.name: type(call.module) for call in calls}
    return {
        name: orders[0] if len(orders) == 1 else by_class.get(classes[name], "channels_first")
        for name, orders in possible.items()
    }


def _maps(values: torch.Tensor, reading: Reading) -> torch.Tensor:
    """Return a view (image, unit, height, width)."""
    if reading.layout == "channels_first":
        return values
    if reading.layout == "channels_last":
        return values.permute(0, 3, 1, 2)
    positions = reading.height * reading.width
    tokens = values[:, -positions:]
    return tokens.reshape(len(tokens), reading.height, reading.width, -1).permute(0, 3, 1, 2)
