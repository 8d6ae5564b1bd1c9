"""`featcx run`: one range run per stage, in this process, through the instance that the web UI shows."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import dagster as dg
from filelock import FileLock, Timeout

from featcx_assets.cluster.engine import Engine
from featcx_assets.cluster.outstanding import at_work, refuse_at_work, untold
from featcx_assets.cluster.running import finished, reasons, submit, tell_ended
from featcx_assets.dagster_home import environment, instance, is_of_command
from featcx_assets.definitions import definitions
from featcx_assets.executing import Failure, run_work
from featcx_assets.partitions import asset_key, inserted_epochs, partition_key, register_epochs
from featcx_assets.stages import Work, all_stale, runs, stages, without, work
from featcx_assets.views import write_views
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import refuse_unusable
from featcx_core.artefacts.sharing import Taken, take_over
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.artefacts.space import refuse_full_disk
from featcx_core.artefacts.visible_rows import write_current
from featcx_core.checkpoints.landing import whereabouts
from featcx_core.store.damage import aside
from featcx_core.store.files import FullDisk, is_of_full_disk
from featcx_core.store.places import Store
from featcx_core.study.fields import StudyError

Say = Callable[[str], None]
_PASSES = 5  # things that are found damaged one after another


class Outcome(NamedTuple):
    """Outcome of a run: partitions made, and failures."""

    made: int
    """Partitions made."""
    failures: tuple[str, ...]
    """A line for every checkpoint or stage that could not be made."""
    broken: bool
    """Whether a step failed for another reason than its input: a defect to report."""
    taken: int = 0
    """Partitions taken from other studies, which had made them from the very same."""


def run_study(
    store: Store,
    *,
    only: Collection[str],
    epochs: Collection[int],
    device: str,
    say: Say,
    others: Sequence[Store] = (),
    engine: Engine | None = None,
) -> Outcome:
    """Make everything that is stale, stage by stage; what fails is named and the rest is finished.

    What one of the `others` has made from the very same is taken from it. An `engine` makes it in several processes;
    where its jobs are at work already, they are followed to their end.

    Raises StudyError when another `featcx run` is at work on the study, an epoch has no checkpoint and training will
    make none, there are more atoms than a class has images or the layer units, or the dictionary's method cannot be
    used.
    """
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "200")  # those of a range in few transactions
    with _alone(store):
        if engine is None or not engine.outlives:
            refuse_at_work(store)
        elif jobs := at_work(store):
            return _followed(store, engine, jobs, say)
        made_before = _told(store).made if untold(store) else 0
        taken = take_over(store, others) if others else []
        snapshot = Snapshot(store, also=only)
        _refuse_unknown(snapshot, epochs)
        todo = [work(snapshot, stage, only=only, epochs=epochs) for stage in stages(catalogue())]
        is_current = not any(todo)
        if not is_current:
            refuse_full_disk(snapshot, all_stale(snapshot, only=only, epochs=epochs))
            refuse_unusable(store.study, store.anatomy)  # before the views show the study as it is now
        refresh_views(snapshot)
        for line in (*catalogue().broken, *_of_checkpoints(snapshot)):
            say(line)
        if is_current:
            _tell(snapshot, taken, say)
            bad = tuple(snapshot.survey.bad.values())
            return Outcome(made_before, bad, broken=False, taken=len(taken))
        os.environ.update(environment(store.home))
        _tell(snapshot, taken, say)
        if engine is not None:
            outcome = _passes(store, partial(_submitted, store, engine, only, epochs, device, say))
        else:
            with instance(store.home) as dagster:
                _end_killed_runs(dagster, store)
                outcome = _passes(store, partial(_stages, dagster, store, only, epochs, device, say))
        return outcome._replace(made=made_before + outcome.made, taken=len(taken))


def _submitted(
    store: Store, engine: Engine, only: Collection[str], epochs: Collection[int], device: str, say: Say
) -> Outcome:
    """Have an engine make everything that is stale."""
    folder = submit(store, engine, only=only, epochs=epochs, device=device, say=say)
    return _followed(store, engine, [folder], say)


def _followed(store: Store, engine: Engine, folders: Sequence[Path], say: Say) -> Outcome:
    """Follow jobs to their end, and tell the web UI what they made."""
    for folder in folders:
        finished(store, folder, engine, say=say)
    return _told(store)


def _told(store: Store) -> Outcome:
    """Tell the web UI of the jobs that have ended."""
    os.environ.update(environment(store.home))
    with instance(store.home) as dagster:
        _end_killed_runs(dagster, store)
        job = definitions(store.home).resolve_implicit_global_asset_job_def()
        every = tell_ended(store, dagster, job)
    is_input = dict(pair for ended in every for pair in reasons(ended))
    bad = [reason for reason in Snapshot(store).survey.bad.values() if reason not in is_input]
    return Outcome(sum(each.n_made for each in every), (*bad, *is_input), broken=not all(is_input.values()))


def _passes(store: Store, run_once: Callable[[], Outcome]) -> Outcome:
    """Run the stages, and once more where something was found damaged on the way: it is made again first."""
    made = 0
    for _ in range(_PASSES):
        lay_aside = aside(store.root)
        outcome = run_once()
        made += outcome.made
        if not outcome.failures or aside(store.root) == lay_aside:
            break
    return outcome._replace(made=made)


def _tell(snapshot: Snapshot, taken: Sequence[Taken], say: Say) -> None:
    """Tell the web UI, and the user, what was taken from other studies."""
    if not taken:
        return
    say(f"taken from {', '.join(sorted({taking.source for taking in taken}))}: {len(taken)} partitions")
    store = snapshot.store
    with instance(store.home) as dagster:
        register_epochs(dagster, store.study.name, snapshot.epochs)
        for taking in taken:
            key = partition_key(taking.partition) if taking.partition.epoch >= 0 else None
            about = {"fingerprint": taking.fingerprint, "taken from": taking.source}
            asset = asset_key(store.study.name, taking.partition.artefact)
            dagster.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key, metadata=about))


def _refuse_unknown(snapshot: Snapshot, epochs: Collection[int]) -> None:
    to_train = () if snapshot.study.checkpoints.folder else range(snapshot.study.training.last + 1)
    epochs_known = {*to_train, *snapshot.survey.digests, *snapshot.survey.bad}
    if unknown := sorted(set(epochs) - epochs_known):
        listed = ", ".join(map(str, sorted(epochs_known)))
        where = whereabouts(snapshot.store)
        raise StudyError(f"no checkpoint of epoch {unknown[0]} in {where}; there or to be trained: {listed or 'none'}")


def _of_checkpoints(snapshot: Snapshot) -> Iterator[str]:
    """Yield lines on another program's files: the way they were read, and the files that are still awaited."""
    found_as = snapshot.survey.found_as
    for sentence in dict.fromkeys(found_as.values()):
        yield f"checkpoints: {sentence} ({sum(other == sentence for other in found_as.values())} files)"
    yield from _lost(snapshot)
    reference = snapshot.study.reference_epoch
    if snapshot.study.checkpoints.folder and reference not in snapshot.survey.digests:
        where = whereabouts(snapshot.store)
        yield f"no checkpoint of epoch {reference}, the reference, in {where} yet: what follows its concepts waits"
    elif snapshot.study.checkpoints.folder and max(snapshot.survey.digests) > reference:
        later = sum(epoch > reference for epoch in snapshot.survey.digests)
        yield f"concepts are followed from epoch {reference}, {later} later are there: probe.reference_epoch moves it"


def _lost(snapshot: Snapshot) -> Iterator[str]:
    """Yield what is missing or stale of epochs whose checkpoint is gone: it cannot be made."""
    for epoch in sorted(snapshot.survey.gone):
        lacking = []
        for artefact in snapshot.wanted:
            if artefact.has_epochs and epoch in snapshot.epochs_of(artefact):
                every = [Partition(artefact.name, epoch, layer) for layer in snapshot.layers_of(artefact)]
                if not all(snapshot.is_current(place) for place in every):
                    lacking.append(artefact.name)
        if lacking:
            yield f"epoch {epoch}: its checkpoint is gone, and {', '.join(lacking)} of it cannot be made; put it back"


def refresh_views(snapshot: Snapshot) -> None:
    """Bring the views up to the study as it is now."""
    write_current(snapshot.store, snapshot.visible())
    write_views(snapshot.store.home)


def _stages(
    dagster: dg.DagsterInstance,
    store: Store,
    only: Collection[str],
    epochs: Collection[int],
    device: str,
    say: Say,
) -> Outcome:
    job = definitions(store.home).resolve_implicit_global_asset_job_def()
    made, failures = 0, dict[str, Failure]()
    plan = stages(catalogue())
    for number, stage in enumerate(plan, start=1):
        failed: set[int] = set()
        while True:  # again without the epochs that failed: they may have held up others within the run
            snapshot = Snapshot(store, also=only)
            register_epochs(dagster, store.study.name, snapshot.epochs)
            todo = without(work(snapshot, stage, only=only, epochs=epochs), failed)
            if todo is None:
                break
            say(f"[{number}/{len(plan)}] {_extent(todo)}")
            parts = runs(snapshot, todo, inserted=inserted_epochs(dagster, store.study.name))
            new = [failure for part in parts for failure in run_work(job, dagster, store, part, device)]
            after = Snapshot(store, also=only)
            made += sum(after.is_current(p) for p in todo.partitions)
            failures |= {failure.reason: failure for failure in new}
            write_current(store, after.visible())
            if {failure.epoch for failure in new} <= {*failed, -1}:  # of the others, no run would go otherwise
                break
            failed |= {failure.epoch for failure in new}
    bad = [reason for reason in Snapshot(store).survey.bad.values() if reason not in failures]
    return Outcome(made, (*bad, *failures), broken=not all(failure.is_input for failure in failures.values()))


def _extent(todo: Work) -> str:
    names = ", ".join(artefact.name for artefact in todo.artefacts)
    if not todo.stage.has_epochs:
        return names
    epochs = sorted({p.epoch for p in todo.partitions})
    named = f"epochs {epochs[0]} … {epochs[-1]}"
    if len(epochs) == 1:
        named = f"epoch {epochs[0]}"
    elif len(epochs) <= epochs[-1] - epochs[0]:
        named = f"{len(epochs)} epochs, {epochs[0]} to {epochs[-1]}"
    return f"{names}: {len(todo.partitions)} partitions, {named}"


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    path = store.lock_path("run")
    try:
        lock = FileLock(path, timeout=1)  # the sensor holds it for an instant, to see whether it is free
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise StudyError(f"another `featcx run` is at work on study {store.study.name}; wait for it to end") from None
    except OSError as error:
        if is_of_full_disk(error):
            raise FullDisk(path) from error
        where = error.filename or store.root
        raise StudyError(f"cannot write to {where}: {error.strerror}; choose another FEATCX_HOME") from error
    try:
        yield
    finally:
        lock.release()


def _end_killed_runs(dagster: dg.DagsterInstance, store: Store) -> None:
    """Mark runs of killed processes as failed, so that the UI does not show them as running for ever."""
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
    for run in dagster.get_runs(dg.RunsFilter(statuses=statuses, tags={"featcx/study": store.study.name})):
        if is_of_command(run):  # ours: we hold the lock, so its process is gone
            dagster.report_run_failed(run, "the process was killed")
