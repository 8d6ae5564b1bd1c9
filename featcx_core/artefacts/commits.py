"""Commits: where an artefact's partition lies on disk, and the fingerprint that it was committed with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from featcx_core.artefacts.declaration import Artefact, CheckpointFiles, Folder, Holding, Page, Rows
from featcx_core.artefacts.partition import Partition
from featcx_core.checkpoints.survey import training_is_whole
from featcx_core.store.damage import Damaged
from featcx_core.store.manifests import MARKER, refuse_altered, whole_manifest
from featcx_core.store.parquet import read_footer, refuse_altered_file
from featcx_core.store.places import Store, epoch_key


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


def committed_fingerprint(
    store: Store, artefact: Artefact, partition: Partition, *, expected: str, damage: list[Damaged] | None = None
) -> str | None:
    """Return the fingerprint of what is committed; None where nothing is, or the parts are of different makings.

    Of a training it is the `expected` one, once all of its checkpoints are there. What is damaged is not committed; it
    is appended to `damage`.
    """
    prints = set[str | None]()
    for holding in artefact.holds:
        try:
            prints.add(_committed(store, holding, partition, expected))
        except Damaged as error:
            prints.add(None)
            if damage is not None:
                damage.append(error)
    return prints.pop() if len(prints) == 1 else None


def refuse_damage(store: Store, artefact: Artefact, partition: Partition) -> None:
    """Compare everything that a partition holds with what was written. Raises Damaged."""
    for holding in artefact.holds:
        place = place_of(store, holding, partition)
        if isinstance(holding, Rows) and place.exists():
            refuse_altered_file(place)
        elif isinstance(holding, Folder):
            refuse_altered(place)
        elif isinstance(holding, Page) and _of_page(place) is not None:
            with _of_the_page(place):
                refuse_altered(place.parent)


def _committed(store: Store, holding: Holding, partition: Partition, expected: str) -> str | None:
    place = place_of(store, holding, partition)
    match holding:
        case Rows():
            made = read_footer(place)
            return made.fingerprint if made else None
        case Folder():
            return _of_manifest(place)
        case Page():
            return _of_page(place)
        case CheckpointFiles():
            return expected if training_is_whole(store, expected) else None


def _of_manifest(folder: Path) -> str | None:
    manifest = whole_manifest(folder)
    return manifest.fingerprint if manifest else None


def _of_page(page: Path) -> str | None:
    """Return the fingerprint of a page; others may lie in its folder, which is there before it."""
    if not page.exists() and not (page.parent / MARKER).exists():
        return None
    with _of_the_page(page):
        return _of_manifest(page.parent)


@contextmanager
def _of_the_page(page: Path) -> Iterator[None]:
    try:
        yield
    except Damaged as error:
        raise Damaged(page, error.reason) from None
