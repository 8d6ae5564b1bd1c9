"""`featcx run`: one range run per stage, in this process, through the instance that the web UI shows."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast

import dagster as dg
from filelock import FileLock, Timeout

from featcx_assets.assets import DEFECTS, FAILURES
from featcx_assets.automation import run_tags
from featcx_assets.dagster_home import PROCESS, environment, instance, is_of_command
from featcx_assets.dagster_private import was_interrupted
from featcx_assets.definitions import definitions
from featcx_assets.partitions import asset_key, inserted_epochs, partition_key, register_epochs
from featcx_assets.stages import Work, needed, runs, stages, without, work
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
from featcx_core.store.places import Store
from featcx_core.study.fields import StudyError

Say = Callable[[str], None]
_OF_INPUT = ("ValueError", "StudyError", "CheckpointError", "Altered", "Unreadable", "Damaged", "OSError")
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


class Failure(NamedTuple):
    """Why something could not be made."""

    epoch: int
    """Its epoch; -1 where it has none."""
    reason: str
    """One line."""
    is_input: bool
    """Whether the input was at fault, not the program."""


def run_study(
    store: Store,
    *,
    only: Collection[str],
    epochs: Collection[int],
    device: str,
    say: Say,
    others: Sequence[Store] = (),
) -> Outcome:
    """Make everything that is stale, stage by stage; what fails is named and the rest is finished.

    What one of the `others` has made from the very same is taken from it.

    Raises StudyError when another `featcx run` is at work on the study, an epoch has no checkpoint and training will
    make none, there are more atoms than a class has images or the layer units, or the dictionary's method cannot be
    used.
    """
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "200")  # those of a range in few transactions
    with _alone(store):
        taken = take_over(store, others) if others else []
        snapshot = Snapshot(store, also=only)
        _refuse_unknown(snapshot, epochs)
        todo = [work(snapshot, stage, only=only, epochs=epochs) for stage in stages(catalogue())]
        is_current = not any(todo)
        if not is_current:
            refuse_full_disk(snapshot, _all_wanted(snapshot, only, epochs))
            refuse_unusable(store.study, store.anatomy)  # before the views show the study as it is now
        refresh_views(snapshot)
        for line in (*catalogue().broken, *_of_checkpoints(snapshot)):
            say(line)
        if is_current:
            _tell(snapshot, taken, say)
            return Outcome(0, tuple(snapshot.survey.bad.values()), broken=False, taken=len(taken))
        os.environ.update(environment(store.home))
        _tell(snapshot, taken, say)
        with instance(store.home) as dagster:
            _end_killed_runs(dagster, store)
            outcome = _passes(dagster, store, only, epochs, device, say)
            return outcome._replace(taken=len(taken))


def _all_wanted(snapshot: Snapshot, only: Collection[str], epochs: Collection[int]) -> list[Partition]:
    """Return everything that is stale, also what cannot start yet."""
    asked = needed(snapshot, only) if only else snapshot.wanted
    stale = [place for artefact in asked for place in snapshot.stale(artefact)]
    return [place for place in stale if not epochs or place.epoch in epochs]


def _passes(
    dagster: dg.DagsterInstance,
    store: Store,
    only: Collection[str],
    epochs: Collection[int],
    device: str,
    say: Say,
) -> Outcome:
    """Run the stages, and once more where something was found damaged on the way: it is made again first."""
    made = 0
    for _ in range(_PASSES):
        lay_aside = aside(store.root)
        outcome = _stages(dagster, store, only, epochs, device, say)
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
            new = [failure for part in parts for failure in _execute(job, dagster, store, part, device)]
            after = Snapshot(store, also=only)
            made += sum(after.is_current(p) for p in todo.partitions)
            failures |= {failure.reason: failure for failure in new}
            write_current(store, after.visible())
            if {failure.epoch for failure in new} <= {*failed, -1}:  # of the others, no run would go otherwise
                break
            failed |= {failure.epoch for failure in new}
    bad = [reason for reason in Snapshot(store).survey.bad.values() if reason not in failures]
    return Outcome(made, (*bad, *failures), broken=not all(failure.is_input for failure in failures.values()))


def _execute(
    job: dg.JobDefinition, dagster: dg.DagsterInstance, store: Store, todo: Work, device: str
) -> list[Failure]:
    """Run one range of a stage; gives what failed. Raises KeyboardInterrupt where the user ended it."""
    keys = [asset_key(store.study.name, artefact.name) for artefact in todo.artefacts]
    return execute(job, dagster, keys, tags=run_tags(dagster, store, todo), device=device, what=todo.stage.name)


def execute(
    job: dg.JobDefinition,
    dagster: dg.DagsterInstance,
    keys: Sequence[dg.AssetKey],
    *,
    tags: Mapping[str, str],
    device: str,
    what: str,
) -> list[Failure]:
    """Run assets in this process; gives what failed. Raises KeyboardInterrupt where the user ended it."""
    result = job.execute_in_process(
        instance=dagster,
        asset_selection=keys,
        tags={**tags, PROCESS: str(os.getpid())},
        run_config={
            "resources": {"workbench": {"config": {"device": device}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )
    steps = result.filter_events(lambda event: event.is_step_failure)
    if any(was_interrupted(event) for event in steps):
        raise KeyboardInterrupt  # which Dagster takes for a failure
    failures = [failure for event in steps for failure in _failures(event)]
    if not failures and not result.success:
        failures = [Failure(-1, f"{what}: run {result.run_id} failed; `featcx ui` shows why", is_input=False)]
    return failures


def _failures(event: dg.DagsterEvent) -> Iterator[Failure]:
    data = event.step_failure_data
    stated = data.user_failure_data
    if stated and FAILURES in stated.metadata:
        defects = cast(list[int], stated.metadata[DEFECTS].value)
        for epoch, reason in cast(dict[str, str], stated.metadata[FAILURES].value).items():
            yield Failure(int(epoch), reason, is_input=int(epoch) not in defects)
        return
    error = (data.error.cause or data.error) if data.error else None
    is_input = error is not None and error.cls_name in _OF_INPUT
    reason = str(event)
    if error:
        reason = error.message.strip().partition(": ")[2] if is_input else _where(event, error.message, error.stack)
    yield Failure(-1, stated.description or reason if stated else reason.strip(), is_input=bool(stated) or is_input)


def _where(event: dg.DagsterEvent, message: str, stack: Sequence[str]) -> str:
    """Tell an error that nobody foresaw: the asset, the error and the line that raised it."""
    raised = stack[-1].strip().splitlines()[0] if stack else "no traceback"
    return f"{event.step_key}: {message.strip()} ({raised})"


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
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path, timeout=1):  # the sensor holds it for an instant, to see whether it is free
            yield
    except Timeout:
        raise StudyError(f"another `featcx run` is at work on study {store.study.name}; wait for it to end") from None
    except OSError as error:
        where = error.filename or store.root
        raise StudyError(f"cannot write to {where}: {error.strerror}; choose another FEATCX_HOME") from error


def _end_killed_runs(dagster: dg.DagsterInstance, store: Store) -> None:
    """Mark runs of killed processes as failed, so that the UI does not show them as running for ever."""
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
    for run in dagster.get_runs(dg.RunsFilter(statuses=statuses, tags={"featcx/study": store.study.name})):
        if is_of_command(run):  # ours: we hold the lock, so its process is gone
            dagster.report_run_failed(run, "the process was killed")
