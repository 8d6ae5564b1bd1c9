"""Predictions of a network whose units or directions of a layer are ablated, or with noise on all units.

Morcos, Barrett, Rabinowitz, Botvinick, *On the importance of single directions for generalization*, ICLR 2018. The
network below the layer runs once an image, however many ablations there are (featcx_core.features.replay).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from featcx_core.features.ablations import Edit
from featcx_core.features.replay import Replay
from featcx_core.images.noise import white_noise
from featcx_core.networks.anatomy import Layout

ROWS_AT_ONCE = 256
"""Ablated copies of images that run through the upper part of a network together: what a CPU's cache holds."""


def ablated_logits(
    model: nn.Module,
    inputs: Iterable[Tensor],
    edits: Sequence[Edit | None],
    *,
    layer: str,
    layout: Layout,
    rows_at_once: int = ROWS_AT_ONCE,
) -> Iterator[Float[Tensor, "edit image class"]]:
    """Yield the logits of every ablation, batch after batch of normalised images.

    Args:
        model: in evaluation mode, on the images' device.
        inputs: batches.
        edits: of the layer's activations; None: none.
        layer: name of a layer that all of the network passes through: a stem, a block, a stage.
        layout: where the units are in its output.
        rows_at_once: ablated copies that run together; changes nothing but speed and memory.

    Raises:
        ValueError: as `Replay`.

    >>> network = nn.Sequential(nn.Identity(), nn.Flatten()).eval()
    >>> halve = lambda acts: acts / 2
    >>> list(ablated_logits(network, [torch.tensor([[4.0, 2.0]])], [None, halve], layer="0", layout="vector"))
    [tensor([[[4., 2.]],
    <BLANKLINE>
            [[2., 1.]]])]
    """
    with Replay(model, layer) as replay:
        for images in inputs:
            acts, whole = replay.record(images)
            units, restore = _by_unit(acts, layout)
            some = [edit for edit in edits if edit is not None]
            together = max(1, rows_at_once // max(1, len(images)))
            logits: list[Tensor] = []
            for start in range(0, len(some), together):
                with torch.inference_mode():
                    parts = [restore(edit(units)) for edit in some[start : start + together]]
                logits += replay.each(parts, rows_at_once=rows_at_once)
            ablated = iter(logits)
            yield torch.stack([whole if edit is None else next(ablated) for edit in edits])


def noisy_logits(
    model: nn.Module,
    inputs: Iterable[Tensor],
    images: Int[np.ndarray, "image"],
    *,
    layer: str,
    layout: Layout,
    scales: Sequence[float],
    deviation: Float[Tensor, "unit"],
    seed: int,
    rows_at_once: int = ROWS_AT_ONCE,
) -> Iterator[Float[Tensor, "scale image class"]]:
    """Yield the logits with noise N(0, (scale · deviation)²) on all units and positions of a layer, batch after batch.

    The noise follows from the seed and the image's number alone, so that batches of any size give the same; all scales
    share it. The sum is not clipped at 0. Arguments as `ablated_logits`, and:

    Args:
        images: numbers of the images, in the order of the inputs.
        scales: of the noise, in standard deviations of each unit; 0: none.
        deviation: of each unit (`unit_moments`).
        seed: of the noise.

    Raises:
        ValueError: as `Replay`; a scale below 0, or more images in the inputs than numbers.

    >>> network, still = nn.Sequential(nn.Identity(), nn.Flatten()).eval(), torch.zeros(2)
    >>> (logits,) = noisy_logits(network, [torch.tensor([[4.0, 2.0]])], np.array([7]), layer="0", layout="vector",
    ...                          scales=(0.0, 1.0), deviation=still, seed=0)
    >>> logits[0].equal(logits[1])   # units that never vary have no noise
    True
    """
    if min(scales, default=0) < 0:
        raise ValueError(f"wanted scales of at least 0, got {min(scales)}; try (0, 0.5, 1, 2)")
    with Replay(model, layer) as replay:
        first = 0
        for batch in inputs:
            acts, whole = replay.record(batch)
            units, restore = _by_unit(acts, layout)
            rows = images[first : first + len(batch)]
            first += len(batch)
            if len(rows) < len(batch):
                raise ValueError(
                    f"wanted the numbers of {first} images, got {len(images)}; try one a row of the inputs"
                )
            noise = white_noise(rows, np.zeros_like(rows), shape=tuple(units.shape[1:]), seed=seed)
            scaled = torch.from_numpy(noise).to(units) * deviation.to(units)
            with torch.inference_mode():
                parts = [restore(torch.add(units, scaled, alpha=scale)) for scale in scales if scale]
            logits = replay.each(parts, rows_at_once=rows_at_once)
            yield torch.stack([next(logits) if scale else whole for scale in scales])


class UnitMoments(NamedTuple):
    """Each unit's mean and deviation over images and positions."""

    mean: Float[Tensor, "unit"]
    """What a unit is clamped to."""
    deviation: Float[Tensor, "unit"]
    """Population standard deviation: what noise is scaled by."""


def unit_moments(model: nn.Module, inputs: Iterable[Tensor], *, layer: str, layout: Layout) -> UnitMoments:
    """Return each unit's mean and deviation over images and positions, in one forward pass; sums in float64.

    Raises:
        ValueError: as `Replay`, or no image.

    >>> network = nn.Sequential(nn.Identity(), nn.Flatten()).eval()
    >>> unit_moments(network, [torch.tensor([[4.0, 2.0], [0.0, 2.0]])], layer="0", layout="vector").deviation
    tensor([2., 0.])
    """
    n, total, squares = 0, torch.zeros(1), torch.zeros(1)
    kind = torch.float32
    with Replay(model, layer) as replay:
        for images in inputs:
            acts = replay.record(images).acts
            kind, units = acts.dtype, _by_unit(acts, layout)[0].flatten(0, -2)
            exact = (units.cpu() if units.device.type == "mps" else units).double()
            n += len(exact)
            total = total.to(exact) + exact.sum(0)
            squares = squares.to(exact) + exact.square().sum(0)
    if n == 0:
        raise ValueError("wanted at least one image, got none; try another selection")
    mean = total / n
    deviation = (squares / n - mean.square()).clamp(min=0).sqrt()
    return UnitMoments(mean.to(kind), deviation.to(kind))


def _by_unit(acts: Tensor, layout: Layout) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return a view (image, …, unit) of a layer's output, and the way back."""
    if layout == "vector":
        return acts.flatten(1), lambda units: units.reshape(acts.shape)
    axis = 1 if layout == "channels_first" else -1
    return acts.movedim(axis, -1), lambda units: units.movedim(-1, axis)
