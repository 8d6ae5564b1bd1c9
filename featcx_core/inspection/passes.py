"""Forward passes and training steps on a sample of the study's own images, timed."""

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float32

from featcx_core.checkpoints.recipe import sgd
from featcx_core.features.forward import Network, Tap, pooled, samples
from featcx_core.features.writing import checked
from featcx_core.images.data import batches, dictionary_images
from featcx_core.networks.anatomy import Anatomy
from featcx_core.study.fields import Study

T = TypeVar("T")
_SECONDS = 6.0  # of forward passes
_FEWEST, _MOST = 16, 512  # images of them


class Passes(NamedTuple):
    """What forward passes gave, everything taken from them that is recorded."""

    image_seconds: float
    """Time for an image, decoding included."""
    pooled: dict[str, Float32[np.ndarray, "image unit"]]
    """Of each layer."""
    positions: Float32[np.ndarray, "image position unit"]
    """Of the penultimate layer."""
    largest_bytes: int
    """The largest output of a module, an image."""
    all_bytes: int
    """The outputs of all modules without parts, an image: what training keeps."""


def forward_passes(network: Network, study: Study, anatomy: Anatomy, *, epoch: int) -> Passes:
    """Some seconds of forward passes over dictionary images, class after class; `epoch` is that of the weights.

    Raises ValueError where activations are not finite, or too large for the type that is stored.
    """
    rows = np.concatenate(dictionary_images(network.data, study))
    penultimate = next(row for row in anatomy.layers if row.role == "penultimate")
    taps = [Tap(row.layer, pooled(row, study.activations.pooling)) for row in anatomy.layers]
    taps.append(Tap(penultimate.layer, samples(penultimate)))
    sizes = _output_bytes(network)
    few = rows[:_FEWEST]
    list(network.forward(few, taps))  # the first time is slow
    seconds, _ = timed(lambda: list(network.forward(few, taps)))
    n_images = int(np.clip(_SECONDS * len(few) / seconds, _FEWEST, _MOST))
    seconds, taken = timed(lambda: list(network.forward(rows[:n_images], taps)))
    *layers, positions = (np.concatenate(parts) for parts in zip(*taken, strict=True))
    for name, values in zip(anatomy.names, layers, strict=True):
        checked(values, epoch=epoch, layer=name, dtype=study.activations.dtype)
    by_layer = dict(zip(anatomy.names, layers, strict=True))
    return Passes(seconds / len(positions), by_layer, positions, max(sizes), sum(sizes))


def training_seconds(network: Network, study: Study) -> float:
    """Time for an image in a step of training; the network's weights are changed."""
    rows = network.data.split["train"][: study.training.batch_size]
    labels = torch.tensor(network.data.labels[rows], device=network.device)
    optimizer = sgd(network.model, study)

    def step() -> float:
        (images,) = batches(network.data, rows, batch_size=len(rows), device=network.device)
        loss = torch.nn.functional.cross_entropy(network.model(images), labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        return loss.item()

    network.model.train()
    step()
    seconds = min(timed(step)[0] for _ in range(3))
    network.model.eval()
    return seconds / len(rows)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds, and what came of it."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _output_bytes(network: Network) -> list[int]:
    """Bytes that every module without parts gives anew, an image."""
    sizes: list[int] = []

    def note(_: torch.nn.Module, given: tuple[object, ...], output: object) -> None:
        if not isinstance(output, torch.Tensor):
            return
        places = [x.data_ptr() for x in given if isinstance(x, torch.Tensor)]
        if output.data_ptr() not in places:  # an operation in place, or one that does nothing here, takes no memory
            sizes.append(output.nbytes // len(output))

    leaves = [module for module in network.model.modules() if not any(module.children())]
    handles = [leaf.register_forward_hook(note) for leaf in leaves]
    try:
        list(network.forward(network.data.probe[:2], []))
    finally:
        for handle in handles:
            handle.remove()
    return sizes
