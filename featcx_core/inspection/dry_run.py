"""A dry run: one batch through the network with everything that is recorded of it, and what the study will cost."""

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from featcx_core.anatomy import Anatomy
from featcx_core.features.forward import Network
from featcx_core.inspection.cost import Cost, Size, measure, size_of
from featcx_core.inspection.sample import timed
from featcx_core.sources.images import load_data
from featcx_core.sources.models import build_model, on_device, torch_device
from featcx_core.store import Store
from featcx_core.study import Study


class LayerCost(NamedTuple):
    """What is recorded of a layer."""

    layer: str
    """Its name."""
    shape: tuple[int, int]
    """(image, unit), of one epoch."""
    n_bytes: int
    """Of one epoch, before compression."""


class DryRun(NamedTuple):
    """What a dry run shows."""

    layers: tuple[LayerCost, ...]
    """In forward order."""
    size: Size
    """Counts."""
    cost: Cost
    """Time, disk and memory of all epochs."""
    library_bytes: int
    """Memory that libraries, network and images take by themselves."""


def dry_run(study: Study, anatomy: Anatomy, *, epochs: Sequence[int], device: str = "auto") -> DryRun:
    """Some seconds of the study's work on its own images, from which the whole is estimated; nothing is kept.

    With the weights of the last checkpoint, else initial ones. Raises ValueError where it cannot be analysed.
    """
    seconds, network = timed(lambda: _network(study, epochs, device))
    size = size_of(study, anatomy, network, epochs)
    library_bytes = _resident_bytes()
    cost = measure(network, study, anatomy, size=size, load_seconds=seconds)
    itemsize = np.dtype(study.activations.dtype).itemsize
    layers = tuple(
        LayerCost(row.layer, (size.n_probe, row.units), size.n_probe * row.units * itemsize) for row in anatomy.layers
    )
    return DryRun(layers, size, cost, library_bytes)


def dry_run_lines(found: DryRun, *, partition_seconds: float, partition_bytes: float) -> Iterator[str]:
    """The dry run, for people; the workflow's own time and disk are given, a partition."""
    cost, size = found.cost, found.size
    yield f"{'layer':<32}{'recorded an epoch':<24}{'bytes':>10}"
    for layer, shape, n_bytes in found.layers:
        yield f"{layer:<32}{' x '.join(map(str, shape)):<24}{_bytes(n_bytes):>10}"
    yield f"forward pass: {1 / cost.image_seconds:,.0f} images/s; {size.n_probe} probe, {size.n_dictionary} dictionary images"
    n_partitions = partitions(found)
    workflow = partition_seconds * n_partitions
    once = [step for step in cost.steps if step.times == 1]
    each = [step for step in cost.steps if step.times > 1]
    yield f"time, about: {_time(cost.seconds + workflow)} for {size.n_epochs} epochs"
    yield f"  an epoch {_time(sum(s.epoch_seconds for s in each))}: " + ", ".join(
        f"{step.name} {_time(step.epoch_seconds)}" for step in each
    )
    yield "  once " + ", ".join(f"{step.name} {_time(step.seconds)}" for step in once)
    yield f"  history of {n_partitions} partitions {_time(workflow)}"
    disk = {**cost.disk, "run history": partition_bytes * n_partitions}
    yield f"disk, about: {_bytes(sum(disk.values()))}: " + ", ".join(f"{k} {_bytes(v)}" for k, v in disk.items() if v)
    peak = max(cost.memory, key=lambda step: cost.memory[step])
    yield f"memory, about: {_bytes(found.library_bytes + cost.memory[peak])} at the peak ({peak})"


def partitions(found: DryRun) -> int:
    """Artefacts of the workflow, of all epochs and layers."""
    size, n_layers = found.size, len(found.layers)
    has_reference = size.columns > size.own_columns
    return size.n_epochs * (6 + (2 + has_reference) * n_layers) - has_reference * n_layers + 6


def dry_run_values(found: DryRun) -> dict[str, Any]:
    """The same for machines."""
    cost = found.cost
    return {
        "layers": [layer._asdict() for layer in found.layers],
        "images_per_second": 1 / cost.image_seconds,
        "seconds": {step.name: step.seconds for step in cost.steps},
        "disk_bytes": cost.disk,
        "memory_bytes": {"libraries": found.library_bytes, **cost.memory},
        "partitions": partitions(found),
    }


def _network(study: Study, epochs: Sequence[int], device: str) -> Network:
    if study.checkpoints.folder:
        with tempfile.TemporaryDirectory() as home:
            return Network.load(Store(home, study.with_reference(max(epochs))), epoch=max(epochs), device=device)
    data, where = load_data(study), torch_device(device)
    model = build_model(study, n_classes=len(data.class_names), image_shape=data.image_shape)
    return Network(on_device(model, where).eval(), data, where)


def _resident_bytes() -> int:
    """Memory of this process at its highest so far."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _bytes(n: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n < 999.5:
            return f"{n:.0f} {unit}" if unit == "B" or n >= 10 else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"
