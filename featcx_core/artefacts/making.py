"""Making: what is stale of an artefact is made from its inputs, checked, and committed piece by piece.

The caller holds the lock of the epoch, or of the artefact where it has no epochs.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

import pandas as pd

from featcx_core.artefacts.catalogue import artefact_called
from featcx_core.artefacts.commits import place_of
from featcx_core.artefacts.declaration import Artefact, Folder, Page, Rows, resolve
from featcx_core.artefacts.given import Given, Tools
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.progress import Progress
from featcx_core.store.damage import Damaged
from featcx_core.store.parquet import write_rows
from featcx_core.store.places import Store

Made = Mapping[str, pd.DataFrame] | pd.DataFrame | None
"""The rows of a partition: by table, of its only table, or none."""
_REPAIRS = 5  # inputs of one artefact that may be found damaged, one after another


def make(
    store: Store,
    name: str,
    *,
    epoch: int | None = None,
    layers: Sequence[str] | None = None,
    inputs: bool = True,
    anew: bool = False,
    device: str = "auto",
    batch_size: int = 256,
    progress: Progress | None = None,
) -> list[Partition]:
    """Make an artefact where it is stale, at one epoch and some layers or everywhere; returns what was made of it.

    `inputs`: what an epoch's partition is made from is made first where it is stale. `anew`: what is current is made
    again. Raises ValueError for an unknown name, epoch or layer, and where something that it is made from is not there.
    """
    artefact, tools = artefact_called(name), Tools(device, batch_size, progress)
    for _ in range(_REPAIRS):
        with suppress(Damaged):  # put aside by now: it is made again where `inputs` asks for it
            return _make(store, artefact, epoch, layers, tools, inputs=inputs, anew=anew)
    return _make(store, artefact, epoch, layers, tools, inputs=inputs, anew=anew)


def _make(
    store: Store,
    artefact: Artefact,
    epoch: int | None,
    layers: Sequence[str] | None,
    tools: Tools,
    *,
    inputs: bool = True,
    anew: bool = False,
) -> list[Partition]:
    name = artefact.name
    epochs = [-1] if not artefact.has_epochs else [epoch] if epoch is not None else None
    if epochs is None:
        epochs = sorted(Snapshot(store, also=(name,)).epochs_of(artefact))
    made: list[Partition] = []
    for each in epochs:
        if inputs and artefact.has_epochs:
            _make_inputs(store, artefact, each, layers, tools)
        with store.lock(store.epoch_lock(each) if artefact.has_epochs else name):
            snapshot = Snapshot(store, also=(name,))
            _refuse_unknown(snapshot, artefact, each, layers)
            places = snapshot.partitions(artefact) if anew else snapshot.stale(artefact)
            places = [p for p in places if p.epoch == each and (layers is None or p.layer in layers)]
            made += make_stale(snapshot, places, tools=tools, anew=anew)
    return [place for place in made if place.artefact == name]


def _make_inputs(store: Store, artefact: Artefact, epoch: int, layers: Sequence[str] | None, tools: Tools) -> None:
    snapshot = Snapshot(store, also=(artefact.name,))
    _refuse_unknown(snapshot, artefact, epoch, layers)
    places = [p for p in snapshot.stale(artefact) if p.epoch == epoch and (layers is None or p.layer in layers)]
    lacking = dict.fromkeys((lack.artefact, lack.epoch) for place in places for lack in snapshot.lacking(place))
    for source, at in lacking:
        parts = {lack.layer for place in places for lack in snapshot.lacking(place) if lack[:2] == (source, at)}
        _make(store, artefact_called(source), at, sorted(parts) if any(parts) else None, tools)


def make_stale(
    snapshot: Snapshot,
    partitions: Sequence[Partition],
    *,
    tools: Tools,
    together: Collection[str] = (),
    anew: bool = False,
) -> Iterator[Partition]:
    """Make partitions of one artefact and epoch, with what is stored on the way; yields each once it is committed.

    `together` names artefacts of the same run: those with the same `make` are made in the same call. `anew`: what is
    current of the partitions is made again.
    Raises ValueError where an input is missing, or `make` raises it; StudyError, CheckpointError likewise.
    """
    if not partitions:
        return
    artefact = snapshot.catalogue[partitions[0].artefact]
    for partition in partitions:
        refuse_lacking(snapshot, partition)
    for group in _internal_inputs(snapshot, artefact, partitions):
        yield from make_stale(snapshot, group, tools=tools)
    again = frozenset(partitions if anew else ())
    for batch in _batches(snapshot, artefact, partitions, together, again):
        yield from _call(snapshot, artefact, batch, tools)


def refuse_lacking(snapshot: Snapshot, partition: Partition) -> None:
    """Raise ValueError where something would be read that is missing or was made from something else by now."""
    artefact = snapshot.catalogue[partition.artefact]
    if artefact.has_epochs:
        for lack in snapshot.lacking(partition):
            where = f", layer {lack.layer}" if lack.layer else ""
            at = f" of epoch {lack.epoch}{where}" if lack.epoch >= 0 else ""
            raise ValueError(
                f"epoch {partition.epoch}: {lack.artefact}{at} is not there or not current; "
                f"materialise {lack.artefact} first"
            )
        return
    if not snapshot.is_ready(partition):
        reads = [
            n.artefact for n in snapshot.catalogue.needs(artefact) if n.uses == "required" and n.epochs == "matching"
        ]
        names = ", ".join(dict.fromkeys(source.name for source in reads if source.has_epochs))
        if names and not snapshot.whole_epochs(artefact):
            raise ValueError(f"{artefact.name}: no epoch has all of {names}; materialise what is missing first")
        raise ValueError(f"{artefact.name}: nothing to make it from yet; materialise what it needs first")
    for need in snapshot.catalogue.needs(artefact):  # made without, it would pass for whole ever after
        part = Partition(need.artefact.name)
        is_read = need.uses != "order" and not need.artefact.has_epochs and need.artefact in snapshot.wanted
        if is_read and snapshot.is_ready(part) and not snapshot.is_current(part):
            raise ValueError(f"{artefact.name}: {part.artefact} is not current; materialise {part.artefact} first")


def _internal_inputs(
    snapshot: Snapshot, artefact: Artefact, partitions: Sequence[Partition]
) -> Iterator[list[Partition]]:
    """Yield what was to be stored on the way and is missing, by artefact and epoch."""
    for need in snapshot.catalogue.needs(artefact):
        if need.artefact.is_internal and need.artefact.make != artefact.make:
            wanted = {p: None for place in partitions for p in snapshot.selected(need, place)}
            missing = [p for p in wanted if p.epoch in snapshot.epochs and not snapshot.is_current(p)]
            for epoch in sorted({p.epoch for p in missing}):
                group = [p for p in missing if p.epoch == epoch]
                if not any(snapshot.lacking(p) for p in group):
                    yield group


def _batches(
    snapshot: Snapshot,
    artefact: Artefact,
    partitions: Sequence[Partition],
    together: Collection[str],
    again: Collection[Partition],
) -> Iterator[list[Partition]]:
    """Yield what is made in one call: first the layers that several artefacts of the run share, then the others."""
    partners = [
        Partition(other.name, place.epoch, place.layer)
        for other in snapshot.catalogue
        if other is not artefact and not other.is_internal and other.make == artefact.make and other.name in together
        for place in partitions
    ]
    partners = [p for p in partners if _is_wanting(snapshot, p)]
    shared = {p.layer for p in partners}
    for is_shared in (True, False):
        wanted = [p for p in partitions if (p.layer in shared) is is_shared]
        batch = [*wanted, *(partners if is_shared else ())]
        stored = [q for p in batch for q in snapshot.stored_with(p)]
        todo = [p for p in dict.fromkeys([*batch, *stored]) if p in again or not snapshot.is_current(p)]
        if todo:
            yield todo


def _is_wanting(snapshot: Snapshot, partition: Partition) -> bool:
    artefact = snapshot.catalogue[partition.artefact]
    exists = partition in snapshot.partitions(artefact)
    return exists and not snapshot.is_current(partition) and snapshot.is_ready(partition)


def _call(snapshot: Snapshot, artefact: Artefact, partitions: list[Partition], tools: Tools) -> Iterator[Partition]:
    """Call `make` and commit what it gives; nothing else of it stays."""
    left = set(partitions)
    for damaged in (damaged for place in partitions for damaged in snapshot.damage.pop(place, ())):
        snapshot.store.put_aside(damaged.path, damaged.reason)
    with ExitStack() as stack, _putting_aside(snapshot.store):
        given = Given(snapshot, artefact, partitions, tools=tools, stack=stack)
        if artefact.refuse:
            resolve(artefact.refuse)(given.study, given.anatomy, given.data)
        for partition, rows in _results(artefact, given):
            _commit(given, partition, rows)
            left.discard(partition)
            yield partition
        if left:
            raise ValueError(f"{artefact.name}: its make gave nothing for {', '.join(sorted(p.name for p in left))}")


@contextmanager
def _putting_aside(store: Store) -> Iterator[None]:
    """Put aside what turns out to be damaged when it is read: it counts as not made, and is made again."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, Damaged):
            cause = cause.__cause__
        if cause is not None:
            store.put_aside(cause.path, cause.reason)
        raise


def _results(artefact: Artefact, given: Given) -> Iterator[tuple[Partition, Made]]:
    """Yield what `make` gives. Raises ValueError, in one line, for any exception of another package's `make`."""
    try:
        result = resolve(artefact.make)(given)
        if isinstance(result, pd.DataFrame | Mapping) or result is None:
            result = [(given.partitions[0], result)]
        yield from result
    except Exception as error:
        if artefact.is_own or isinstance(error, GeneratorExit):
            raise
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(f"{artefact.name} ({artefact.make}): {type(error).__name__}: {reason}") from error


def _commit(given: Given, partition: Partition, rows: Made) -> None:
    """Check and write the rows of a partition, then put its folder in place."""
    snapshot = given.snapshot
    artefact = snapshot.catalogue[partition.artefact]
    holdings = [holding for holding in artefact.holds if isinstance(holding, Rows)]
    tables = {holding.table.name: holding for holding in holdings}
    by_table: dict[str, pd.DataFrame] = {}
    if isinstance(rows, Mapping):
        by_table = {**rows}
    elif rows is not None:
        by_table = dict.fromkeys(tables, rows)
    if by_table.keys() != tables.keys() or not all(isinstance(part, pd.DataFrame) for part in by_table.values()):
        raise ValueError(
            f"{artefact.name}: wanted rows of {', '.join(tables) or 'no table'}, got {', '.join(by_table)}"
        )
    fingerprint = snapshot.fingerprint(partition)
    inputs = () if artefact.has_epochs else snapshot.inputs(artefact)
    for name, frame in by_table.items():
        path = place_of(given.store, tables[name], partition)
        study = given.study.name
        write_rows(path, tables[name].table, frame, study=study, fingerprint=fingerprint, inputs=inputs)
    if any(isinstance(holding, Folder | Page) for holding in artefact.holds):
        given.commit(partition)
    snapshot.note(partition)


def _refuse_unknown(snapshot: Snapshot, artefact: Artefact, epoch: int, layers: Sequence[str] | None) -> None:
    if unknown := set(layers or ()) - set(snapshot.anatomy.names):
        raise ValueError(f"unknown layer {sorted(unknown)[0]!r}; layers: {', '.join(snapshot.anatomy.names)}")
    if artefact.has_epochs and epoch not in snapshot.survey.digests:
        from featcx_core.checkpoints.landing import whereabouts

        listed = ", ".join(map(str, snapshot.epochs)) or "none"
        raise ValueError(
            f"epoch {epoch}: no usable checkpoint in {whereabouts(snapshot.store)}; epochs there: {listed}"
        )
