"""Stages: the few runs that make a study, each one range of partitions, in the order the data flows.

Assets of different partitions cannot share a run, and a run has a cost; so all stale partitions of a stage go into
one run, or a few. The command line and the sensor both follow this plan, which follows from the declarations.
"""

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import NamedTuple

from featcx_core.artefacts.catalogue import Catalogue
from featcx_core.artefacts.declaration import Artefact
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot


class Stage(NamedTuple):
    """Artefacts that are made in one run."""

    artefacts: tuple[Artefact, ...]
    """In order."""

    @property
    def name(self) -> str:
        """Names of the artefacts."""
        return ", ".join(artefact.name for artefact in self.artefacts)

    @property
    def has_epochs(self) -> bool:
        """Whether it has partitions."""
        return self.artefacts[0].has_epochs

    @property
    def is_detailed(self) -> bool:
        """Whether it is made at some epochs only."""
        return self.has_epochs and _shape(self.artefacts[0])[1]


class Work(NamedTuple):
    """The work of one run."""

    stage: Stage
    """The stage."""
    artefacts: tuple[Artefact, ...]
    """Those with something to make, in order."""
    partitions: tuple[Partition, ...]
    """What is stale and can be made; empty epochs stand for artefacts without partitions."""


def stages(catalogue: Catalogue) -> list[Stage]:
    """Return the runs, in order: artefacts of the same partitions together, each as late as what reads it allows.

    So the stages are few: the largest group of artefacts with nothing left to read them forms the next to last stage.
    """
    left, backwards = list(catalogue.shown), list[Stage]()
    while left:
        groups: dict[tuple[str, bool], list[Artefact]] = {}
        for shape in {_shape(artefact) for artefact in left}:
            groups[shape] = _closed(catalogue, left, shape)
        shape = max(groups, key=lambda key: (len(groups[key]), key))
        backwards.append(Stage(tuple(groups[shape])))
        left = [artefact for artefact in left if artefact not in groups[shape]]
    return backwards[::-1]


def work(snapshot: Snapshot, stage: Stage, *, only: Collection[str] = (), epochs: Collection[int] = ()) -> Work | None:
    """Return what a stage's run has to make now; None where there is nothing to do or nothing to make it from.

    `only` leaves out all artefacts but these and what they need, `epochs` all other epochs. What is named there is made
    even where the study does not ask for it.
    """
    epochs_of = needed(snapshot, only or [artefact.name for artefact in snapshot.wanted])
    artefacts, partitions = list[Artefact](), list[Partition]()
    for artefact in stage.artefacts:
        if artefact in epochs_of:
            stale = [
                p
                for p in snapshot.partitions(artefact)
                if (p.epoch < 0 or (p.epoch in epochs_of[artefact] and (not epochs or p.epoch in epochs)))
                and not snapshot.is_whole(p)  # after the epoch: it reads what is committed
                and _can_start(snapshot, stage, p, partitions)
            ]
            if stale:
                artefacts.append(artefact)
                partitions.extend(stale)
    return Work(stage, tuple(artefacts), tuple(partitions)) if partitions else None


def needed(snapshot: Snapshot, only: Collection[str]) -> dict[Artefact, frozenset[int]]:
    """Return the artefacts and everything that they are made from, each with the epochs at which it is needed."""
    epochs_of: dict[Artefact, frozenset[int]] = {}
    possible = [artefact for artefact in snapshot.catalogue if artefact.is_possible(snapshot.study)]
    for artefact in reversed(possible):
        if artefact.name in only:
            epochs_of[artefact] = snapshot.epochs_of(artefact) if artefact.has_epochs else frozenset(snapshot.epochs)
        if artefact in epochs_of:
            for need in snapshot.catalogue.needs(artefact):
                if need.artefact in possible and (need.uses != "if_there" or need.artefact in snapshot.wanted):
                    at = {snapshot.study.reference_epoch} if need.epochs == "reference" else epochs_of[artefact]
                    epochs_of[need.artefact] = epochs_of.get(need.artefact, frozenset()) | at
    return epochs_of


def all_stale(snapshot: Snapshot, *, only: Collection[str], epochs: Collection[int]) -> list[Partition]:
    """Return everything that is stale, also what cannot start yet."""
    if not only:
        stale = [place for artefact in snapshot.wanted for place in snapshot.stale(artefact)]
    else:
        at = needed(snapshot, only)
        stale = [p for artefact in at for p in snapshot.stale(artefact) if p.epoch < 0 or p.epoch in at[artefact]]
    return [place for place in stale if not epochs or place.epoch in epochs]


def without(todo: Work | None, epochs: Collection[int]) -> Work | None:
    """Return the same work without some epochs; None where nothing is left."""
    if todo is None:
        return None
    left = tuple(p for p in todo.partitions if p.epoch not in epochs)
    artefacts = tuple(artefact for artefact in todo.artefacts if any(p.artefact == artefact.name for p in left))
    return Work(todo.stage, artefacts, left) if left else None


def runs(snapshot: Snapshot, todo: Work, *, inserted: Sequence[int]) -> list[Work]:
    """Return the same work cut into runs.

    A run covers a range of the epochs in the order in which the instance has them, `inserted`. What is current inside
    it is skipped; an epoch that is stale but not to be made now, or has no usable checkpoint, must not lie inside.
    """
    if not todo.stage.has_epochs:
        return [todo]
    wanted = {p.epoch for p in todo.partitions}
    stale = {p.epoch for artefact in todo.artefacts for p in snapshot.stale(artefact)}
    free = snapshot.survey.digests.keys() - (stale - wanted)
    if todo.stage.is_detailed:  # a range must not reach over epochs that have no such partition
        free &= {p.epoch for artefact in todo.artefacts for p in snapshot.partitions(artefact)}
    stretches = [set(group) for is_free, group in groupby(inserted, key=lambda epoch: epoch in free) if is_free]
    parts = [without(todo, wanted - stretch) for stretch in stretches]
    return [part for part in parts if part is not None]


def _shape(artefact: Artefact) -> tuple[str, bool]:
    """Return what artefacts of one run have in common."""
    return artefact.grain, artefact.has_epochs and artefact.when in ("detailed", "reference")


def _closed(catalogue: Catalogue, left: Sequence[Artefact], shape: tuple[str, bool]) -> list[Artefact]:
    """Return the artefacts of a shape that only artefacts among themselves, or already placed ones, read.

    Artefacts that are made in one call stay together.
    """
    group = [artefact for artefact in left if _shape(artefact) == shape]
    while True:
        kept = [a for a in group if all(r in group or r not in left for r in _readers(catalogue, a))]
        kept = [a for a in kept if all(o in kept for o in left if o.make == a.make)]
        if len(kept) == len(group):
            return group
        group = kept


def _readers(catalogue: Catalogue, artefact: Artefact) -> list[Artefact]:
    """Return the shown artefacts that read one, directly or by what is stored on the way."""
    readers: list[Artefact] = []
    for reader in catalogue.consumers(artefact):
        readers += _readers(catalogue, reader) if reader.is_internal else [reader]
    return [reader for reader in readers if reader is not artefact]


def _can_start(snapshot: Snapshot, stage: Stage, partition: Partition, earlier: Sequence[Partition]) -> bool:
    """Whether all it needs is there, or is made earlier in the same run."""
    if snapshot.is_ready(partition):
        return True
    artefact = snapshot.catalogue[partition.artefact]
    if not artefact.has_epochs:
        return False
    made = {p.artefact for p in earlier if p.epoch == partition.epoch}
    lacking = {need.artefact for need in snapshot.lacking(partition)}
    return bool(lacking) and all(name in made or _is_made_after(snapshot, stage, name, made) for name in lacking)


def _is_made_after(snapshot: Snapshot, stage: Stage, name: str, made: Collection[str]) -> bool:
    """Whether an input is stored on the way by something that this run makes."""
    source = snapshot.catalogue[name]
    return source.is_internal and any(n.artefact.name in made for n in snapshot.catalogue.needs(source))
