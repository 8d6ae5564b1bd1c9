"""Sharing: what another study has made from the very same is taken from it, not computed again.

The fingerprint decides: it covers every field, image and weight that an artefact is made from, but not the study's
name. Checkpoints are copied, because people replace them; other folders are linked file by file (they are only ever
replaced whole); rows are written again under the study's own name.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from featcx_core.artefacts.fingerprints import Fingerprints
from featcx_core.artefacts.state import ASSETS, ONCE, Partition, State, table_partition
from featcx_core.checkpoints.survey import training_is_whole, untrained
from featcx_core.networks.safetensors_files import CheckpointError, inspect_safetensors
from featcx_core.store.places import Store, epoch_key, replacing
from featcx_core.store.tables import TABLES


class Taken(NamedTuple):
    """An artefact that was not computed again."""

    partition: Partition
    """What it is."""
    fingerprint: str
    """What it was made from."""
    source: str
    """The study that had made it."""


def take_over(store: Store, others: Sequence[Store]) -> list[Taken]:
    """Take what is missing or stale in a study and current in one of the others; tables over all epochs are not taken.

    Returns what was taken. The caller holds the study's lock `run`.
    """
    taken = [found for other in others if (found := _training(store, other))]
    for other in others:
        mine, theirs = State(store), State(other)
        if mine.survey.digests.items().isdisjoint(theirs.survey.digests.items()):
            continue
        for partition in (p for asset in ASSETS if asset not in ONCE for p in mine.partitions(asset)):
            fingerprint = mine.prints.of(*partition)
            if partition in mine.current or partition not in theirs.current:
                continue
            if theirs.prints.of(*partition) == fingerprint and _take(mine, theirs, partition, fingerprint):
                taken.append(Taken(partition, fingerprint, other.study.name))
    return taken


def _training(store: Store, other: Store) -> Taken | None:
    """Copy the checkpoints of a training that the other study has finished."""
    fingerprint = Fingerprints(store.study, store.anatomy, {}).of("training")
    missing = untrained(store, fingerprint)
    if store.study.checkpoints.folder or not missing or not training_is_whole(other, fingerprint):
        return None
    with store.lock("training"):
        for epoch in missing:
            source = other.checkpoint(epoch)
            if _was_written_by(source, fingerprint):
                with replacing(store.checkpoint(epoch)) as draft:
                    shutil.copyfile(source, draft)
    done = training_is_whole(store, fingerprint)
    return Taken(Partition("training"), fingerprint, other.study.name) if done else None


def _was_written_by(path: Path, fingerprint: str) -> bool:
    try:
        return inspect_safetensors(path).metadata.get("training") == fingerprint
    except CheckpointError:
        return False


def _take(mine: State, theirs: State, partition: Partition, fingerprint: str) -> bool:
    """Take one artefact; False where it was replaced meanwhile, or lacks a part that is needed here."""
    store, other = mine.store, theirs.store
    with ExitStack() as stack:
        for one in sorted((store, other), key=lambda s: s.study.name):  # in one order, so that nobody waits for ever
            stack.enter_context(one.lock(f"epoch-{epoch_key(partition.epoch)}"))
        places = zip(_folders(theirs, mine, partition), _folders(mine, mine, partition), strict=True)
        folders = [(source, place, fingerprint) for source, place in places]
        if any(other.committed(source) != fingerprint for source, _, _ in folders):
            return False
        if theirs.committed(partition) != fingerprint:
            return False
        for source, place, own in (*folders, *_also(theirs, mine, partition)):
            with store.writing(place, fingerprint=own) as draft:
                shutil.copytree(source, draft, copy_function=_link)
        asset = "v_information" if partition.asset == "reference_v_information" else partition.asset
        for table in (t.name for t in TABLES.values() if t.asset == asset and t.name != "layers"):
            rows = other.read_partition(table, table_partition(partition))
            rows = rows.drop(columns=["study", "fingerprint"])
            store.write_table(table, table_partition(partition), rows, fingerprint=fingerprint)
    return True


def _folders(state: State, needing: State, partition: Partition) -> list[Path]:
    """Where a study's arrays lie; with the positions where the other one needs them."""
    store, (asset, epoch, layer) = state.store, partition
    match asset:
        case "activations":
            is_last = layer == needing.anatomy.penultimate and epoch == needing.study.reference_epoch
            return [store.activations(epoch, layer), *([store.positions(epoch)] if is_last else [])]
        case "dictionary_activations":
            return [store.dictionary_activations(epoch)]
        case "dictionary":
            return [store.dictionary(epoch)]
        case "codes":
            return [store.codes(epoch)]
        case "v_information" if layer == state.anatomy.penultimate:
            return [store.sums(epoch)]
        case "visualisation":
            return [store.visualisation(epoch)]
    return []


def _also(theirs: State, mine: State, partition: Partition) -> Iterator[tuple[Path, Path, str]]:
    """What the other study has made on the way and may be of use: what is missing is made when it is asked for.

    Those branches of a block that it found at the same place; sums without groups of images.
    """
    asset, epoch, layer = partition
    if asset == "v_information" and layer == mine.anatomy.penultimate:
        source, fingerprint = theirs.store.sums_without_groups(epoch), mine.prints.sums_without_groups(epoch)
        if theirs.store.committed(source) == fingerprint:
            yield source, mine.store.sums_without_groups(epoch), fingerprint
    if asset != "activations":
        return
    row = next(row for row in mine.anatomy.layers if row.layer == layer)
    for name in row.branches:
        source, fingerprint = theirs.store.branch(epoch, layer, name), mine.prints.of_branch(epoch, layer, name)
        if theirs.store.committed(source) == fingerprint:
            yield source, mine.store.branch(epoch, layer, name), fingerprint


def _link(source: str, place: str) -> None:
    try:
        os.link(source, place)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, place)
