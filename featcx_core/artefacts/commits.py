"""Commits: where an artefact's partition lies on disk, and the fingerprint that it was committed with."""

from pathlib import Path

from featcx_core.artefacts.declaration import Artefact, CheckpointFiles, Folder, Holding, Page, Rows
from featcx_core.artefacts.partition import Partition
from featcx_core.checkpoints.survey import training_is_whole
from featcx_core.store.parquet import read_footer
from featcx_core.store.places import Store, committed, epoch_key


def place_of(store: Store, holding: Holding, partition: Partition) -> Path:
    """Return the path of one holding of a partition: a file of rows, a folder, or a page."""
    match holding:
        case Rows(table, prefix):
            return store.table(table.name, prefix + partition.name)
        case Folder(path):
            return store.root / path.format(epoch=epoch_key(max(0, partition.epoch)), layer=partition.layer)
        case Page(path):
            return store.root / path
    return store.checkpoints


def committed_fingerprint(store: Store, artefact: Artefact, partition: Partition, *, expected: str) -> str | None:
    """Return the fingerprint of what is committed; None where nothing is, or the parts are of different makings.

    Of a training it is the `expected` one, once all of its checkpoints are there.
    """
    prints = {_committed(store, holding, partition, expected) for holding in artefact.holds}
    return prints.pop() if len(prints) == 1 else None


def _committed(store: Store, holding: Holding, partition: Partition, expected: str) -> str | None:
    place = place_of(store, holding, partition)
    match holding:
        case Rows():
            made = read_footer(place)
            return made.fingerprint if made else None
        case Folder():
            return committed(place)
        case Page():
            return committed(place.parent) if place.exists() else None
        case CheckpointFiles():
            return expected if training_is_whole(store, expected) else None
