"""The space that a run will take, against what is free."""

import shutil
from collections.abc import Iterable
from math import prod

from featcx_core.artefacts.commits import place_of
from featcx_core.artefacts.declaration import Folder
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.survey import untrained
from featcx_core.store.damage import Damaged
from featcx_core.store.manifests import read_manifest
from featcx_core.study.fields import StudyError

_BYTES = {"float16": 2, "float32": 4, "bfloat16": 2}
_SPARE = 64 << 20  # tables, pages and Dagster's history


def refuse_full_disk(snapshot: Snapshot, partitions: Iterable[Partition]) -> None:
    """Raise StudyError where what is to be made takes more than is free."""
    wanted, home = bytes_wanted(snapshot, partitions) + _SPARE, snapshot.store.home
    free = shutil.disk_usage(home).free
    if wanted > free:
        raise StudyError(
            f"{home}: wanted about {_gigabytes(wanted)} free, got {_gigabytes(free)}; make room, `featcx prune`, or "
            "choose another FEATCX_HOME"
        )


def bytes_wanted(snapshot: Snapshot, partitions: Iterable[Partition]) -> int:
    """Estimate the bytes of the arrays and checkpoints that are to be made.

    Arrays take what those of the same artefact take; where there is none yet, activations what their shape takes.
    """
    store, study, anatomy = snapshot.store, snapshot.study, snapshot.anatomy
    wanted, sizes = 0, dict[str, int]()
    for partition in partitions:
        artefact = snapshot.catalogue[partition.artefact]
        if not any(isinstance(holding, Folder) for holding in artefact.holds):
            continue
        if artefact.name not in sizes:
            sizes[artefact.name] = _size_of_others(snapshot, partition)
        if sizes[artefact.name]:
            wanted += sizes[artefact.name]
        elif artefact.grain == "layer":
            row = next(row for row in anatomy.layers if row.layer == partition.layer)
            n_images = sum(n for n in (study.data.split.fit, study.data.split.score) if isinstance(n, int))
            wanted += n_images * row.units * _BYTES[study.activations.dtype]
    if not study.checkpoints.folder:
        n_values = sum(prod(shape) for shape in anatomy.parameters.values())
        wanted += 4 * n_values * len([epoch for epoch in untrained(store, "") if not store.checkpoint(epoch).exists()])
    return wanted


def _size_of_others(snapshot: Snapshot, partition: Partition) -> int:
    """Return the mean size of an artefact's committed folders; 0 where there is none."""
    artefact, sizes = snapshot.catalogue[partition.artefact], []
    for other in snapshot.partitions(artefact):
        try:
            manifests = [read_manifest(place_of(snapshot.store, folder, other)) for folder in artefact.folders]
        except Damaged:
            continue
        if all(manifest and not manifest.is_pruned for manifest in manifests):
            sizes.append(sum(entry.size_bytes for m in manifests if m for entry in m.files.values()))
    return sum(sizes) // len(sizes) if sizes else 0


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB"
