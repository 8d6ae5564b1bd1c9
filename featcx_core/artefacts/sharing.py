"""Sharing: what another study has made from the very same is taken from it, not computed again.

The fingerprint decides: it covers every field, image and weight that an artefact is made from, but not the study's
name. Checkpoints are copied, because people replace them; other folders are linked file by file (they are only ever
replaced whole); rows are written again under the study's own name.
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import NamedTuple

from featcx_core.artefacts.commits import place_of, refuse_damage
from featcx_core.artefacts.declaration import CheckpointFiles, Folder, Rows
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.survey import training_is_whole, untrained, was_written_by
from featcx_core.networks.safetensors_files import CheckpointError, refuse_altered
from featcx_core.store.damage import Damaged
from featcx_core.store.files import replacing
from featcx_core.store.parquet import read_rows, write_rows
from featcx_core.store.places import Store, committed


class Taken(NamedTuple):
    """An artefact that was not computed again."""

    partition: Partition
    """Its partition."""
    fingerprint: str
    """The digest of everything it was made from."""
    source: str
    """The study that had made it."""


def take_over(store: Store, others: Sequence[Store]) -> list[Taken]:
    """Take what is missing or stale in a study and current in one of the others; tables over all epochs are not taken.

    Returns what was taken. The caller holds the study's lock `run`.
    """
    taken = [each for other in others for each in _trainings(store, other)]
    for other in others:
        mine, theirs = Snapshot(store), Snapshot(other)
        if mine.survey.digests.items().isdisjoint(theirs.survey.digests.items()):
            continue
        of_epochs = [artefact for artefact in mine.catalogue if artefact.has_epochs]
        for partition in (p for artefact in of_epochs for p in mine.partitions(artefact)):
            if mine.is_current(partition) or partition not in theirs.current:
                continue
            fingerprint = mine.fingerprint(partition)
            if theirs.fingerprint(partition) == fingerprint and _take(mine, theirs, partition, fingerprint):
                mine.note(partition)
                if not mine.catalogue[partition.artefact].is_internal:
                    taken.append(Taken(partition, fingerprint, other.study.name))
    return taken


def _trainings(store: Store, other: Store) -> list[Taken]:
    """Copy the checkpoints of a training that the other study has finished."""
    snapshot, taken = Snapshot(store), []
    for artefact in snapshot.catalogue.possible(store.study):
        if any(isinstance(holding, CheckpointFiles) for holding in artefact.holds):
            place = Partition(artefact.name)
            fingerprint = snapshot.fingerprint(place)
            if _copy_checkpoints(store, other, fingerprint, lock=artefact.name):
                taken.append(Taken(place, fingerprint, other.study.name))
    return taken


def _copy_checkpoints(store: Store, other: Store, fingerprint: str, *, lock: str) -> bool:
    missing = untrained(store, fingerprint)
    if not missing or not training_is_whole(other, fingerprint):
        return False
    with store.lock(lock):
        for epoch in missing:
            source = other.checkpoint(epoch)
            with suppress(CheckpointError):
                if was_written_by(source, fingerprint):
                    with replacing(store.checkpoint(epoch)) as draft:
                        shutil.copyfile(source, draft)
                        refuse_altered(draft)
    return training_is_whole(store, fingerprint)


def _take(mine: Snapshot, theirs: Snapshot, partition: Partition, fingerprint: str) -> bool:
    """Take one artefact; False where it was replaced meanwhile."""
    store, other = mine.store, theirs.store
    artefact = mine.catalogue[partition.artefact]
    with ExitStack() as stack:
        for each in sorted((store, other), key=lambda s: s.study.name):  # in one order, so that nobody waits for ever
            stack.enter_context(each.lock(each.epoch_lock(partition.epoch)))
        folders = [holding for holding in artefact.holds if isinstance(holding, Folder)]
        try:
            refuse_damage(other, artefact, partition)
        except Damaged:  # for the other study's next run to make again
            return False
        if any(committed(place_of(other, folder, partition)) != fingerprint for folder in folders):
            return False
        for folder in folders:
            source, place = (place_of(each, folder, partition) for each in (other, store))
            with store.writing(place, fingerprint=fingerprint) as draft:
                shutil.copytree(source, draft, copy_function=_link)
        for holding in artefact.holds:
            if isinstance(holding, Rows):
                rows = read_rows(place_of(other, holding, partition)).drop(columns=["study", "fingerprint"])
                path, study = place_of(store, holding, partition), store.study.name
                write_rows(path, holding.table, rows, study=study, fingerprint=fingerprint)
    return True


def _link(source: str, place: str) -> None:
    try:
        os.link(source, place)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, place)
