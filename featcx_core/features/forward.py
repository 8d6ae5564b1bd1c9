"""One forward pass, from which hooks take activations."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import nn

from featcx_core.checkpoints.survey import load_checkpoint
from featcx_core.features.exact import exact
from featcx_core.features.operands import Operands, Take
from featcx_core.images.data import StudyImages, batches, load_data
from featcx_core.networks.anatomy import Branch, Layer, module_and_call
from featcx_core.networks.layouts import Reading, per_image, per_position
from featcx_core.networks.models import build_model, on_device, torch_device
from featcx_core.progress import Progress, silent
from featcx_core.store.places import Store

Reduce = Callable[[torch.Tensor], torch.Tensor]
"""Makes a new tensor of a module's output: the next module may overwrite the output itself."""


class Tap(NamedTuple):
    """A layer's output, or a branch of a block, to be taken from a forward pass."""

    layer: str
    """Name of the layer: a module, or one of its calls, `relu#2`."""
    reduce: Reduce
    """Applied to the output or to the branch's activations."""
    branch: Branch | None = None
    """Branch of the block; None: the output."""


class Network(NamedTuple):
    """An epoch's network on its device, with the study's images."""

    model: nn.Module
    """In evaluation mode."""
    data: StudyImages
    """The images."""
    device: torch.device
    """Where the model lies."""

    @classmethod
    def load(cls, store: Store, *, epoch: int, device: str = "auto") -> "Network":
        """Build the network and load the epoch's checkpoint. Raises CheckpointError when that cannot be used."""
        data, where = load_data(store.study), torch_device(device)
        model = build_model(store.study, n_classes=len(data.class_names), image_shape=data.image_shape, is_filled=True)
        load_checkpoint(store, model, epoch=epoch)
        return cls(on_device(model, where).eval(), data, where)

    def forward(
        self,
        indices: Int64[np.ndarray, "image"],
        taps: Sequence[Tap],
        *,
        batch_size: int = 256,
        progress: Progress | None = None,
    ) -> Iterator[list[Float32[np.ndarray, "batch ..."]]]:
        """Yield the taps' arrays, batch after batch, in the images' order; batches of large images are smaller."""
        batch_size = self.data.at_once(batch_size)
        inputs = batches(self.data, indices, batch_size=batch_size, device=self.device)
        n_batches = -(-len(indices) // batch_size)
        return self.over(inputs, taps, n_batches=n_batches, progress=progress, desc="forward pass")

    def over(
        self,
        inputs: Iterator[torch.Tensor],
        taps: Sequence[Tap],
        *,
        n_batches: int,
        desc: str,
        progress: Progress | None = None,
    ) -> Iterator[list[Float32[np.ndarray, "batch ..."]]]:
        """The same for batches that come normalised, on the device."""
        with _tapped(self.model, taps) as (taken, watching):
            for _ in (progress or silent)(range(n_batches), desc=desc):
                with torch.inference_mode(), exact(), watching:  # not around the yield: all would leak into the caller
                    self.model(next(inputs))
                if lacking := [tap.layer for place, tap in enumerate(taps) if place not in taken]:
                    raise ValueError(f"{lacking[0]}: wanted its activations of every batch, got none of this one")
                yield [taken.pop(place).float().cpu().numpy() for place in range(len(taps))]

    def through(self, inputs: torch.Tensor, tap: Tap) -> torch.Tensor:
        """Return the tap's part of one batch, as a tensor on the device that gradients pass through."""
        with _tapped(self.model, [tap]) as (taken, watching), exact(), watching:
            self.model(inputs)
        return taken[0]


def pooled(row: Layer, pooling: str) -> Reduce:
    """Return the reduction of an output to (image, unit): means over the map or its p x p parts.

    The penultimate layer is reduced as the head reads it.
    """
    reading, side = _reading(row), _side(row, pooling)
    return lambda output: per_image(output, reading, side=side)


def pooled_branch(row: Layer, pooling: str) -> Reduce:
    """Return the reduction of a block's operand to (image, unit), as `pooled` of its output, before a following ReLU.

    Positions may lie in a row where the sum is made and as a map where the block ends, or the other way round.
    """
    reading, side = _reading(row)._replace(rectified=False), _side(row, pooling)

    def reduce(operand: torch.Tensor) -> torch.Tensor:
        if row.layout == "channels_last":
            operand = operand.reshape(len(operand), row.height, row.width, -1)
        elif row.layout in ("tokens", "class_token"):
            operand = operand.flatten(1, -2)
        return per_image(operand, reading, side=side)

    return reduce


def _side(row: Layer, pooling: str) -> int:
    return int(pooling.partition(":")[2] or 1) if row.role != "penultimate" else 1


def by_position(row: Layer) -> Reduce:
    """Return the reduction to (image, position, unit), positions row by row; one position where there is no map."""
    reading = _reading(row)
    return lambda output: per_position(output, reading)


def samples(row: Layer) -> Reduce:
    """Return the reduction to a dictionary's samples, (image, sample, unit): every position, or the class token alone.

    Codes are those of the head's input. The mean over positions lies among the positions' directions; a class token
    does not lie among those of the patches.
    """
    if row.layout != "class_token":
        return by_position(row)
    reading = _reading(row)
    return lambda output: per_image(output, reading)[:, None]


def _reading(row: Layer) -> Reading:
    return Reading(row.layout, row.height, row.width, row.rectified)


@contextmanager
def _tapped(
    model: nn.Module, taps: Sequence[Tap]
) -> Iterator[tuple[dict[int, torch.Tensor], AbstractContextManager[object]]]:
    """Yield the taken values by the tap's place, each from the layer's own call of its module, and a context.

    The context must be entered around each forward pass.
    """
    taken: dict[int, torch.Tensor] = {}
    times: Counter[int] = Counter()

    def take(place: int, reduce: Reduce) -> Take:
        return lambda values: taken.update({place: reduce(values)})

    def hook(place: int, call: int, keep: Take) -> Callable[..., None]:
        def at_its_call(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            times[place] += 1
            if times[place] == call:
                keep(output)

        return at_its_call

    branches: dict[str, list[tuple[Branch, Take]]] = {}
    with ExitStack() as stack:
        stack.callback(model.register_forward_pre_hook(lambda *_: times.clear()).remove)
        for place, tap in enumerate(taps):
            module, call = module_and_call(tap.layer)
            keep = take(place, tap.reduce)
            if tap.branch is None:
                handle = model.get_submodule(module).register_forward_hook(hook(place, call, keep))
                stack.callback(handle.remove)
            else:
                branches.setdefault(tap.layer, []).append((tap.branch, keep))
        operands = Operands(branches)
        stack.enter_context(operands.hooked(model))
        yield taken, operands if branches else nullcontext()
