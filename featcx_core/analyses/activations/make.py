"""Recording of the probe images: activations, positions and branches of an epoch, in one forward pass."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import zarr

from featcx_core.analyses.activations import ACTIVATIONS, POSITIONS
from featcx_core.artefacts.given import Given
from featcx_core.artefacts.making import make
from featcx_core.artefacts.partition import Partition
from featcx_core.features.forward import Tap, by_position, pooled, pooled_branch
from featcx_core.features.recording import Target
from featcx_core.features.recording import record as record_targets
from featcx_core.images.data import probe_digest
from featcx_core.networks.anatomy import Layer
from featcx_core.progress import Progress
from featcx_core.store.places import Store

logger = logging.getLogger("featcx")


def record(given: Given) -> Iterator[tuple[Partition, None]]:
    """Record pooled activations, positions and branches of an epoch; nothing is committed before the end.

    Raises ValueError for NaN or infinite activations, or values beyond float16 where the study stores it;
    CheckpointError for an unusable checkpoint.
    """
    network = given.network(epoch=given.epoch, device=given.tools.device)
    probe, rows = network.data.probe, {row.layer: row for row in given.anatomy.layers}
    about = {"epoch": given.epoch, "n_fit": len(network.data.split["fit"]), "images": probe_digest(given.study)}
    targets = [t for place in given.partitions for t in _targets(given, place, rows[place.layer], len(probe), about)]
    logger.info("forward pass: epoch %d, %d probe images, %d layers", given.epoch, len(probe), len(given.layers))
    record_targets(
        network,
        probe,
        targets,
        dtype=given.study.activations.dtype,
        epoch=given.epoch,
        batch_size=given.tools.batch_size,
        progress=given.tools.progress,
    )
    yield from ((place, None) for place in given.partitions)


def record_activations(
    store: Store,
    *,
    epoch: int,
    layers: Sequence[str] | None = None,
    device: str = "auto",
    batch_size: int = 256,
    progress: Progress | None = None,
) -> list[str]:
    """Record the pooled activations of the probe images (fit, then score), (image, unit), for all layers or some.

    What is current is skipped; nothing missing, no forward pass. Returns the layers of which something was written.
    Raises ValueError for an unknown layer or an epoch without checkpoint; else as `record`.
    """
    settings: dict[str, Any] = {"device": device, "batch_size": batch_size, "progress": progress}
    written = {p.layer for p in make(store, ACTIVATIONS.name, epoch=epoch, layers=layers, **settings)}
    return [name for name in store.anatomy.names if name in written]


def _targets(given: Given, place: Partition, row: Layer, n: int, about: dict[str, Any]) -> Iterator[Target]:
    """Yield the arrays of a partition."""
    draft, pooling = given.draft(place), "gap" if row.role == "penultimate" else given.study.activations.pooling
    pooled_about = {"layer": row.layer, "pooling": pooling, **about}
    if place.artefact == ACTIVATIONS.name:
        yield Target(draft, Tap(row.layer, pooled(row, pooling)), (n, row.units), pooled_about)
    elif place.artefact == POSITIONS.name:
        shape = (n, row.height * row.width, row.units)
        attributes = {"layer": row.layer, "height": row.height, "width": row.width, **about}
        yield Target(draft, Tap(row.layer, by_position(row)), shape, attributes)
    else:
        zarr.create_group(store=str(draft))
        for name, branch in row.branches.items():
            tap = Tap(row.layer, pooled_branch(row, pooling), branch)
            yield Target(draft / name, tap, (n, row.units), {**pooled_about, "branch": name})
