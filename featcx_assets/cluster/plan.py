"""The plan: what is stale of a study as tasks for several processes, each with epochs of its own.

1. `before`: what has no epochs and comes first, as training.
2. `reference`: what the other epochs read of the reference epoch (its codes), so that nobody else makes it.
3. `epochs`: stretches of epochs, one a task.
4. `across`: what spans all epochs: curves, figures, report, views.
"""

import json
import math
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import takewhile
from statistics import median
from typing import NamedTuple

from featcx_assets.cluster.record import Progress, Task
from featcx_assets.stages import Stage, all_stale, needed, stages
from featcx_core.artefacts.catalogue import Catalogue, catalogue
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.files import write_bytes
from featcx_core.store.places import Store

_START_SHARE = 0.05  # of a task's time, that its process takes to start


class Pace(NamedTuple):
    """Measured times of a study's tasks."""

    epoch_seconds: float
    """An epoch, in the median."""
    start_seconds: float
    """The start of a process, in the median."""


def plan(
    snapshot: Snapshot, *, only: Collection[str], epochs: Collection[int], side_by_side: int, pace: Pace | None
) -> tuple[Task, ...]:
    """Return the tasks that make what is stale; empty where nothing is.

    `only` and `epochs` as for a run, `side_by_side`: tasks at a time.
    """
    every = all_stale(snapshot, only=only, epochs=())
    stale = [place for place in every if not snapshot.catalogue[place.artefact].is_internal]  # made as it is read
    first = {artefact.name for stage in stages_before(snapshot.catalogue) for artefact in stage.artefacts}
    is_first_stale = any(place.artefact in first for place in stale)
    of_epochs = {place.epoch for place in stale if place.epoch >= 0}
    if is_first_stale and not snapshot.study.checkpoints.folder:  # every checkpoint may become another one
        of_epochs |= set(range(snapshot.study.training.last + 1))
    todo = sorted(epoch for epoch in of_epochs if not epochs or epoch in epochs)
    tasks: list[Task] = []
    if is_first_stale:
        tasks.append(Task(number=0, kind="before"))
    reference, sources = snapshot.study.reference_epoch, read_of_reference(snapshot, only)
    if sources and reference in todo and len(todo) > 1:
        tasks.append(Task(number=len(tasks), kind="reference", epochs=(reference,), only=sources))
    for stretch in stretches(todo, settings=snapshot.study.cluster.epochs_per_task, pace=pace, at_once=side_by_side):
        tasks.append(Task(number=len(tasks), kind="epochs", epochs=stretch))
    if stale and (tasks or any(place.epoch < 0 for place in stale)):
        tasks.append(Task(number=len(tasks), kind="across"))
    return tuple(tasks)


def stretches(epochs: Sequence[int], *, settings: int | str, pace: Pace | None, at_once: int) -> list[tuple[int, ...]]:
    """Deal epochs to tasks: as many to each as settings say, or as keep the start of a process below 5 % of its time.

    No more to a task than leaves something for each of `at_once`; so many where no pace is known.

    >>> stretches([0, 1, 2, 3, 4], settings="auto", pace=None, at_once=2)
    [(0, 1, 2), (3, 4)]
    >>> stretches([0, 1, 2, 3, 4], settings="auto", pace=Pace(epoch_seconds=200.0, start_seconds=8.0), at_once=2)
    [(0,), (1,), (2,), (3,), (4,)]
    """
    if not epochs:
        return []
    most = math.ceil(len(epochs) / at_once)
    if isinstance(settings, int):
        length = settings
    elif pace is None or pace.epoch_seconds <= 0:
        length = most
    else:
        wanted = pace.start_seconds * (1 - _START_SHARE) / (_START_SHARE * pace.epoch_seconds)
        length = min(most, max(1, math.ceil(wanted)))
    return [tuple(epochs[start : start + length]) for start in range(0, len(epochs), length)]


def stages_before(catalogue: Catalogue) -> list[Stage]:
    """Return the stages that come before all epochs."""
    return list(takewhile(lambda stage: not stage.has_epochs, stages(catalogue)))


def stages_across(catalogue: Catalogue) -> list[Stage]:
    """Return the stages without epochs that come after some."""
    first = stages_before(catalogue)
    return [stage for stage in stages(catalogue) if not stage.has_epochs and stage not in first]


def stages_of_epochs(catalogue: Catalogue) -> list[Stage]:
    """Return the stages with epochs."""
    return [stage for stage in stages(catalogue) if stage.has_epochs]


def read_of_reference(snapshot: Snapshot, only: Collection[str] = ()) -> tuple[str, ...]:
    """Return what epochs read of the reference epoch beside their own, by name."""
    asked = needed(snapshot, only or [artefact.name for artefact in snapshot.wanted])
    readers = {*(a for a in asked if a.has_epochs), *(a for a in snapshot.catalogue if a.is_internal and a.has_epochs)}
    needs = [need for reader in readers for need in snapshot.catalogue.needs(reader) if need.epochs == "reference"]
    return tuple(sorted({need.artefact.name for need in needs}))


def internal(names: Collection[str]) -> list[str]:
    """Return those artefacts that are only stored on the way."""
    return [name for name in names if catalogue()[name].is_internal]


def read_pace(store: Store) -> Pace | None:
    """Read the pace of a study's last tasks; None before the first."""
    with suppress(OSError, ValueError, TypeError):
        return Pace(**json.loads((store.root / "cluster" / "pace.json").read_text(encoding="utf-8")))
    return None


def write_pace(store: Store, tasks: Sequence[Progress]) -> None:
    """Keep the pace of tasks that have ended for the next plan."""
    totals: dict[int, float] = {}
    for progress in tasks:
        for epoch, seconds in progress.seconds.items():
            if epoch >= 0:
                totals[epoch] = totals.get(epoch, 0.0) + seconds
    starts = [progress.start_seconds for progress in tasks if progress.starts]
    if totals and starts:
        pace = Pace(median(totals.values()), median(starts))
        write_bytes(store.root / "cluster" / "pace.json", json.dumps(pace._asdict()).encode())
