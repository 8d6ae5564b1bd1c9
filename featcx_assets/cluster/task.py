"""A task: one process that makes its epochs of a study, commits artefact by artefact, and writes how far it is.

It writes nothing that another task may write at the same time: neither Dagster's databases, nor the views, nor what
was read of checkpoints; the last task, which runs alone, brings the views up to the study. A process that is ended at
any moment loses what was not committed; started again, it goes on with the rest.
"""

import logging
import os
import socket
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from featcx_assets.cluster.plan import internal, stages_across, stages_before, stages_of_epochs
from featcx_assets.cluster.record import Jobs, Missed, Progress, Task, read_jobs, read_progress, write_progress
from featcx_assets.epochs import Failed, make_epoch, make_once
from featcx_assets.stages import Stage, Work, without, work
from featcx_assets.views import ensure_views
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.given import Tools
from featcx_core.artefacts.making import make_stale
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.artefacts.visible_rows import write_current
from featcx_core.checkpoints.accounts import Account
from featcx_core.store.damage import aside
from featcx_core.store.places import Store, open_store

if TYPE_CHECKING:
    from submitit.core.utils import DelayedSubmission

STARTED = "FEATCX_TASK_STARTED"
"""Variable of the environment: when whoever starts a task's process did so, in seconds."""
_PASSES = 5  # things that are found damaged one after another
_WRITE_SECONDS = 1.0  # between two records of progress
_MOST_OF = 0.8  # the share of the time limit after which it was the limit, not a preemption
logger = logging.getLogger("featcx")


class MakeTask:
    """A submitted job: called with a task's number, it makes the task.

    Args:
        folder: the record.
        home: the folder of all studies.
        study: its name.
    """

    def __init__(self, folder: Path, *, home: Path, study: str) -> None:
        self.folder, self.home, self.study = folder, home, study
        self._n_before, self._until = 0, float("inf")

    def __call__(self, number: int) -> None:
        """Make the task."""
        os.environ["FEATCX_HOME"] = str(self.home)
        store = open_store(self.home, self.study)
        self._n_before = len(read_progress(self.folder, number).made)
        self._until = time.monotonic() + _MOST_OF * 3600 * store.study.cluster.hours
        make_task(store, self.folder, number)

    def checkpoint(self, number: int) -> "DelayedSubmission":
        """Go on later: what submitit asks for shortly before the time limit, and where the task is preempted.

        Ends the task where its whole time was not enough to finish anything: it would be so again.
        """
        from submitit.core.utils import DelayedSubmission

        progress = read_progress(self.folder, number)
        if len(progress.made) == self._n_before and time.monotonic() > self._until:
            reason = f"task {number}: nothing was finished within its time; raise cluster.hours in the study file"
            missed = Missed(artefact="", epoch=-1, reason=reason, is_input=True)
            write_progress(self.folder, number, progress.model_copy(update={"is_ended": True, "missed": (missed,)}))
            raise SystemExit(reason)
        return DelayedSubmission(MakeTask(self.folder, home=self.home, study=self.study), number)


class _Log:
    """Writes how far a task is, at most once a second, and at its end."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._number = folder, number
        before = read_progress(folder, number)
        started = float(os.environ.get(STARTED) or time.time())
        self.progress = before.model_copy(
            update={
                "job": _job(),
                "host": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
                "is_ended": False,
                "starts": before.starts + 1,
                "start_seconds": max(0.0, time.time() - started),
                "missed": (),
            }
        )
        self._made, self._since, self._written = list(before.made), time.monotonic(), 0.0
        self.write()

    def note(self, partition: Partition) -> None:
        """Take down that a partition was committed."""
        now = time.monotonic()
        seconds = dict(self.progress.seconds)
        seconds[partition.epoch] = seconds.get(partition.epoch, 0.0) + now - self._since
        self._since = now
        self._made.append(partition)
        self.progress = self.progress.model_copy(update={"seconds": seconds})
        if now - self._written >= _WRITE_SECONDS:
            self.write()

    def end(self, missed: Collection[Missed]) -> None:
        """Take down that the task has ended, and what it could not make."""
        self.progress = self.progress.model_copy(update={"is_ended": True, "missed": tuple(missed)})
        self.write()

    def write(self) -> None:
        """Write what was taken down."""
        self.progress = self.progress.model_copy(update={"made": tuple(dict.fromkeys(self._made))})
        write_progress(self._folder, self._number, self.progress)
        self._written = time.monotonic()


def make_task(store: Store, folder: Path, number: int) -> Progress:
    """Make what is stale of a task's share, and write how far it is; returns the record."""
    jobs = read_jobs(folder)
    task, log = jobs.tasks[number], _Log(folder, number)
    missed: list[Missed] = []
    for _ in range(_PASSES):
        lay_aside = aside(store.root)
        missed = list(_made(store, jobs, task, log))
        if not missed or aside(store.root) == lay_aside:
            break
    log.end(missed)
    return log.progress


def _made(store: Store, jobs: Jobs, task: Task, log: _Log) -> Iterator[Missed]:
    """Make a task, by its kind; yields what could not be made."""
    is_alone = task.kind != "epochs"
    parts = {"before": stages_before, "across": stages_across}
    chosen = parts.get(task.kind, stages_of_epochs)(catalogue())
    accounts: dict[str, Account] | None = None if is_alone else {}  # others would write them, too
    if is_alone:
        write_current(store, Snapshot(store).visible())
    for stage in chosen:
        yield from _stage(store, jobs, task, stage, log, accounts)
    if task.kind == "reference":
        _make_internal(store, jobs, task, log)
    if is_alone:
        write_current(store, Snapshot(store).visible())
        ensure_views(store.home)


def _stage(
    store: Store, jobs: Jobs, task: Task, stage: Stage, log: _Log, accounts: dict[str, Account] | None
) -> Iterator[Missed]:
    """Make what a stage has stale at the task's epochs; again without those that failed, as `featcx run` does."""
    failed, missed = set[int](), dict[str, Missed]()
    while True:
        snapshot = Snapshot(store, also=task.only or jobs.only, accounts=accounts)
        epochs = task.epochs or jobs.epochs
        todo = without(work(snapshot, stage, only=task.only or jobs.only, epochs=epochs), failed)
        if todo is None:
            break
        new = list(_work(store, jobs, todo, log, accounts))
        missed |= {each.reason: each for each in new}
        if {each.epoch for each in new} <= {*failed, -1}:
            break
        failed |= {each.epoch for each in new}
    yield from missed.values()


def _work(store: Store, jobs: Jobs, todo: Work, log: _Log, accounts: dict[str, Account] | None) -> Iterator[Missed]:
    """Make partitions of a stage, artefact by artefact and epoch by epoch; yields what could not be made."""
    together = [artefact.name for artefact in todo.artefacts]
    tools = Tools(jobs.device)
    for artefact in todo.artefacts:
        places = sorted(p for p in todo.partitions if p.artefact == artefact.name)
        for epoch, group in groupby(places, key=lambda p: p.epoch):
            made: list[Partition] | Failed | None
            with _lock(store, jobs, store.epoch_lock(epoch) if artefact.has_epochs else artefact.name):
                snapshot = Snapshot(store, accounts=accounts)
                if artefact.has_epochs:
                    asked = list(group)
                    made = make_epoch(snapshot, artefact, asked, tools=tools, together=together, note=log.note)
                else:
                    made = make_once(snapshot, artefact, tools=tools, note=log.note)
            if isinstance(made, Failed):
                logger.error("%s: %s", artefact.name, made.reason, exc_info=made.defect)
                yield Missed(artefact=artefact.name, epoch=epoch, reason=made.reason, is_input=made.defect is None)


def _make_internal(store: Store, jobs: Jobs, task: Task, log: _Log) -> None:
    """Make what is only stored on the way and other epochs read: they would make it side by side."""
    (epoch,) = task.epochs
    for name in internal(task.only):
        with _lock(store, jobs, store.epoch_lock(epoch)):
            snapshot = Snapshot(store)
            stale = [p for p in snapshot.stale(catalogue()[name]) if p.epoch == epoch and not snapshot.lacking(p)]
            for partition in make_stale(snapshot, stale, tools=Tools(jobs.device)):
                log.note(partition)


@contextmanager
def _lock(store: Store, jobs: Jobs, name: str) -> Iterator[None]:
    """Hold a lock where all tasks are on this machine.

    None is trusted between nodes, nor needed: no two tasks have an epoch in common. On a disk without locks filelock
    makes do with a file, which a task that is killed leaves behind for ever.
    """
    with ExitStack() as stack:
        if jobs.engine == "local":
            stack.enter_context(store.lock(name))
        yield


def _job() -> str:
    array, place = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{place}" if array else os.environ.get("SLURM_JOB_ID") or str(os.getpid())


if __name__ == "__main__":
    home, study, folder, number = sys.argv[1:]
    MakeTask(Path(folder), home=Path(home), study=study)(int(number))
