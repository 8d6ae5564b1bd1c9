"""Pruning: arrays of epochs that nobody looks at are deleted; tables, checkpoints and pages stay.

A pruned partition keeps its manifest and counts as made. Where something that reads it becomes stale, it is made again.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from featcx_core.artefacts.commits import place_of
from featcx_core.artefacts.declaration import Artefact, Folder
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.files import replacing_folder
from featcx_core.store.manifests import read_manifest, write_manifest


class Prunable(NamedTuple):
    """Arrays that can go."""

    partition: Partition
    """Their partition."""
    path: Path
    """Their folder."""
    size_bytes: int
    """What they take."""


def prunable(snapshot: Snapshot, *, keep: Collection[int]) -> list[Prunable]:
    """Return the arrays of all epochs but these and the reference epoch, of what is current and holds arrays only.

    Those of the layer before the head stay: codes are read with them.

    Raises ValueError for an epoch that the study does not have.
    """
    if unknown := sorted({*keep} - {*snapshot.epochs}):
        listed = ", ".join(map(str, snapshot.epochs)) or "none"
        raise ValueError(f"no epoch {unknown[0]} in study {snapshot.study.name}; wanted some of: {listed}")
    kept, parts = {*keep, snapshot.study.reference_epoch}, list[Prunable]()
    for artefact in snapshot.catalogue:
        is_of_arrays = artefact.has_epochs and all(isinstance(holding, Folder) for holding in artefact.holds)
        if is_of_arrays and not _is_read_across_epochs(snapshot, artefact):
            for partition in snapshot.partitions(artefact):
                is_read_by_others = not artefact.is_internal and partition.layer == snapshot.anatomy.penultimate
                if (
                    partition.epoch in kept
                    or is_read_by_others
                    or not snapshot.is_current(partition)
                    or snapshot.is_pruned(partition)
                ):
                    continue
                path = place_of(snapshot.store, artefact.folders[0], partition)
                manifest = read_manifest(path)
                size = sum(entry.size_bytes for entry in manifest.files.values()) if manifest else 0
                parts.append(Prunable(partition, path, size))
    return parts


def prune(snapshot: Snapshot, parts: Collection[Prunable]) -> None:
    """Delete the arrays of these partitions; each folder is replaced by one that holds its manifest alone."""
    store = snapshot.store
    for part in parts:
        with store.lock(store.epoch_lock(part.partition.epoch)), replacing_folder(part.path) as draft:
            draft.mkdir()
            write_manifest(draft, fingerprint=snapshot.fingerprint(part.partition), is_pruned=True)


def _is_read_across_epochs(snapshot: Snapshot, artefact: Artefact) -> bool:
    """Whether something that is made once, and that the study asks for, needs an artefact at every epoch."""
    readers = (reader for reader in snapshot.catalogue.consumers(artefact) if not reader.has_epochs)
    readers = (reader for reader in readers if reader in snapshot.wanted)
    needs = (need for reader in readers for need in snapshot.catalogue.needs(reader) if need.artefact is artefact)
    return any(need.uses == "required" and need.epochs != "reference" for need in needs)
