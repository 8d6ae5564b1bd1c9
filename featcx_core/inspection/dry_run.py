"""A dry run: one batch through the network with everything that is recorded of it, and what the study will take."""

import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from featcx_core.checkpoints.training import evaluate
from featcx_core.features.forward import Network
from featcx_core.images.classes import class_outputs, doubt
from featcx_core.images.data import load_data
from featcx_core.inspection.cost import Cost, measure
from featcx_core.inspection.passes import timed
from featcx_core.inspection.size import Size, size_of
from featcx_core.networks.anatomy import Anatomy
from featcx_core.networks.models import build_model, on_device, torch_device
from featcx_core.store.places import Store
from featcx_core.study.fields import Study

_SECONDS = 5.0  # of looking at the accuracy
_FEWEST, _MOST = 32, 512  # images of it


class Workflow(NamedTuple):
    """What the workflow around the work takes."""

    seconds: float
    """To start."""
    partition_seconds: float
    """To keep account of an artefact."""
    n_bytes: float
    """Of an empty run history."""
    partition_bytes: float
    """Of an artefact's part in it."""
    memory_bytes: float
    """Of its libraries."""


class Sampled(NamedTuple):
    """Accuracy on a sample of the probe images."""

    epoch: int
    """Of the checkpoint."""
    n_images: int
    """How many."""
    accuracy: float
    """Share of them that is classified rightly."""
    doubt: str
    """That the network only guesses; empty where it does better."""


class DryRun(NamedTuple):
    """What a dry run shows."""

    layers: tuple[str, ...]
    """Names of the recorded layers."""
    size: Size
    """Counts."""
    cost: Cost
    """Of the work on all epochs."""
    seconds: float
    """Of all, with the workflow."""
    disk: dict[str, float]
    """Bytes by folder, with the run history."""
    library_bytes: float
    """Memory that libraries, those of the workflow too, network and images take."""
    accuracy: Sampled | None
    """Of the last checkpoint of another program; None where there is none, or its outputs are no classes."""


def dry_run(
    study: Study, anatomy: Anatomy, *, epochs: Sequence[int], workflow: Workflow, device: str = "auto"
) -> DryRun:
    """Some seconds of the study's work on its own images, from which the whole is estimated; nothing is kept.

    With the weights of the last checkpoint, else initial ones. Raises ValueError where they cannot be analysed.
    """
    epoch = max(epochs) if study.checkpoints.folder else 0
    load_seconds, network = timed(lambda: _network(study, epoch, device))
    library_bytes = workflow.memory_bytes + _peak_bytes()
    size = size_of(study, anatomy, network.data, epochs=epochs)
    cost = measure(network, study, anatomy, epoch=epoch, size=size, load_seconds=load_seconds)
    seconds = cost.seconds + workflow.seconds + workflow.partition_seconds * size.n_partitions
    disk = cost.disk | {"run history": workflow.n_bytes + workflow.partition_bytes * size.n_partitions}
    accuracy = _sampled(network, study, anatomy, epoch, cost.image_seconds) if study.checkpoints.folder else None
    return DryRun(tuple(anatomy.names), size, cost, seconds, disk, library_bytes, accuracy)


def dry_run_lines(found: DryRun) -> Iterator[str]:
    """The dry run, for people."""
    cost, size = found.cost, found.size
    yield f"{'layer':<32}{'recorded an epoch':<24}{'bytes':>8}"
    for layer, units in zip(found.layers, size.units, strict=True):
        shape = f"{size.n_probe} x {units}"
        yield f"{layer:<32}{shape:<24}{_bytes(float(size.n_probe * units * size.itemsize)):>8}"
    rate = f"{1 / cost.image_seconds:,.0f} images/s"
    yield f"forward pass: {rate}; {size.n_probe} probe and {size.n_dictionary} dictionary images an epoch"
    if found.accuracy:
        of = f"accuracy of epoch {found.accuracy.epoch} on {found.accuracy.n_images} probe images"
        yield f"{of}: {found.accuracy.accuracy:.1%}"
    yield f"time: about {_time(found.seconds)} for {size.n_epochs} checkpoints"
    yield from (f"  {step.name:<44}{_time(step.epoch_seconds):>8} x {step.times}" for step in cost.each)
    yield from (f"  {step.name:<44}{_time(step.seconds):>8}" for step in cost.once)
    rest = found.seconds - cost.seconds
    yield f"  {f'the workflow, {size.n_partitions} partitions':<44}{_time(rest):>8}"
    listed = ", ".join(f"{name} {_bytes(n)}" for name, n in found.disk.items() if n)
    yield f"disk: about {_bytes(sum(found.disk.values()))}: {listed}"
    peak = max(cost.memory, key=lambda step: cost.memory[step])
    yield f"memory: about {_bytes(found.library_bytes + cost.memory[peak])} at the peak, in {peak}"


def dry_run_values(found: DryRun) -> dict[str, Any]:
    """The same for machines."""
    cost, size = found.cost, found.size
    shapes = {layer: [size.n_probe, units] for layer, units in zip(found.layers, size.units, strict=True)}
    return {
        "layers": shapes,
        "images_per_second": 1 / cost.image_seconds,
        "seconds": found.seconds,
        "seconds_by_step": {step.name: step.seconds for step in (*cost.each, *cost.once)},
        "disk_bytes": found.disk,
        "memory_bytes": {"libraries": found.library_bytes, **cost.memory},
        "partitions": size.n_partitions,
        "accuracy": None if found.accuracy is None else found.accuracy._asdict(),
    }


def _network(study: Study, epoch: int, device: str) -> Network:
    if study.checkpoints.folder:
        with tempfile.TemporaryDirectory() as home:
            return Network.load(Store(home, study.with_reference(epoch)), epoch=epoch, device=device)
    data, where = load_data(study), torch_device(device)
    model = build_model(study, n_classes=len(data.class_names), image_shape=data.image_shape)
    return Network(on_device(model, where).eval(), data, where)


def _sampled(network: Network, study: Study, anatomy: Anatomy, epoch: int, image_seconds: float) -> Sampled | None:
    """The accuracy on some seconds' probe images, spread over all of them."""
    data, outputs = network.data, class_outputs(study.model, network.data.class_names)
    if not outputs:
        return None
    n_images = min(len(data.probe), int(np.clip(_SECONDS / image_seconds, _FEWEST, _MOST)))
    rows = data.probe[np.linspace(0, len(data.probe) - 1, n_images).astype(int)]
    found = evaluate(network.model, data, rows, outputs=outputs).accuracy
    of = f"accuracy of epoch {epoch} on {n_images} probe images"
    return Sampled(epoch, n_images, found, doubt(study.model, found, n_outputs=anatomy.n_classes, of=of))


def _peak_bytes() -> int:
    """The most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Apple counts bytes


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _bytes(n: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n < 999.5:
            return f"{n:.0f} {unit}" if unit == "B" or n >= 9.95 else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"
