"""`featcx run`: one range run per stage, in this process, through the instance that the web UI shows."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast

import dagster as dg
from filelock import FileLock, Timeout

from featcx_assets.automation import run_tags
from featcx_assets.catalog import write_catalog
from featcx_assets.dagster_home import PROCESS, environment, instance, is_of_command
from featcx_assets.definitions import definitions
from featcx_assets.materialize import FAILURES
from featcx_assets.partitions import inserted_epochs, partition_key, register_epochs
from featcx_assets.stages import STAGES, Work, runs, without, work
from featcx_core.artefacts.sharing import Taken, take_over
from featcx_core.artefacts.state import ONCE, State
from featcx_core.checkpoints.landing import whereabouts
from featcx_core.store.places import Store
from featcx_core.study.fields import StudyError

Say = Callable[[str], None]


class Outcome(NamedTuple):
    """What a run made, and what it could not."""

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
        state = State(store)
        _refuse_unknown(state, epochs)
        is_current = not any(work(state, stage, only=only, epochs=epochs) for stage in STAGES)
        if not is_current:
            _refuse_unusable(store)  # before the views show the study as it is now
        refresh_views(store)
        for line in _of_checkpoints(state):
            say(line)
        if is_current:
            _tell(store, taken, say)
            return Outcome(0, tuple(state.survey.bad.values()), broken=False, taken=len(taken))
        os.environ.update(environment(store.home))
        _tell(store, taken, say)
        with instance(store.home) as dagster:
            _end_killed_runs(dagster, store)
            outcome = _stages(dagster, store, only, epochs, device, say)
            return outcome._replace(taken=len(taken))


def _refuse_unusable(store: Store) -> None:
    """What would fail after the training only."""
    from featcx_core.features.method import dictionary_method, refuse_unusable_clusters
    from featcx_core.images.data import load_data, refuse_too_many_atoms

    dictionary_method(store.study, store.anatomy)
    data = load_data(store.study)
    refuse_too_many_atoms(store.study, data, units=store.anatomy.n_units)
    refuse_unusable_clusters(store.study, n_classes=len(data.class_names))


def _tell(store: Store, taken: Sequence[Taken], say: Say) -> None:
    """Tell the web UI, and the user, what was taken from other studies."""
    if not taken:
        return
    say(f"taken from {', '.join(sorted({one.source for one in taken}))}: {len(taken)} partitions")
    with instance(store.home) as dagster:
        register_epochs(dagster, store.study.name, State(store).survey.digests)
        for one in taken:
            key = partition_key(one.partition) if one.partition.epoch >= 0 else None
            about = {"fingerprint": one.fingerprint, "taken from": one.source}
            asset = dg.AssetKey([store.study.name, one.partition.asset])
            dagster.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key, metadata=about))


def _refuse_unknown(state: State, epochs: Collection[int]) -> None:
    to_train = () if state.study.checkpoints.folder else range(state.study.training.epochs + 1)
    known = {*to_train, *state.survey.digests, *state.survey.bad}
    if unknown := sorted(set(epochs) - known):
        there = ", ".join(map(str, sorted(known)))
        where = whereabouts(state.store)
        raise StudyError(f"no checkpoint of epoch {unknown[0]} in {where}; there or to be trained: {there or 'none'}")


def _of_checkpoints(state: State) -> Iterator[str]:
    """How another program's files were read, and what is still awaited of it."""
    found_as = state.survey.found_as
    for said in dict.fromkeys(found_as.values()):
        yield f"checkpoints: {said} ({sum(other == said for other in found_as.values())} files)"
    reference = state.study.reference_epoch
    if state.study.checkpoints.folder and reference not in state.survey.digests:
        where = whereabouts(state.store)
        yield f"no checkpoint of epoch {reference}, the reference, in {where} yet: what follows its concepts waits"
    elif state.study.checkpoints.folder and max(state.survey.digests) > reference:
        later = sum(epoch > reference for epoch in state.survey.digests)
        yield f"concepts are followed from epoch {reference}, {later} later are there: probe.reference_epoch moves it"


def refresh_views(store: Store) -> None:
    """Bring the views up to the study as it is now."""
    store.write_current(State(store).visible())
    write_catalog(store.home)


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
    for number, stage in enumerate(STAGES, start=1):
        failed: set[int] = set()
        while True:  # again without the epochs that failed: they may have held up others within the run
            state = State(store)
            register_epochs(dagster, store.study.name, state.survey.digests)
            todo = without(work(state, stage, only=only, epochs=epochs), failed)
            if todo is None:
                break
            say(f"[{number}/{len(STAGES)}] {stage.name}: {_extent(todo)}")
            parts = runs(state, todo, inserted=inserted_epochs(dagster, store.study.name))
            new = [failure for part in parts for failure in _execute(job, dagster, store, part, device)]
            after = State(store)
            made += sum(after.is_current(p) for p in todo.partitions)
            failures |= {failure.reason: failure for failure in new}
            store.write_current(after.visible())
            if not new or {failure.epoch for failure in new} <= failed:
                break
            failed |= {failure.epoch for failure in new}
    bad = [reason for reason in State(store).survey.bad.values() if reason not in failures]
    return Outcome(made, (*bad, *failures), broken=not all(failure.is_input for failure in failures.values()))


def _execute(
    job: dg.JobDefinition, dagster: dg.DagsterInstance, store: Store, todo: Work, device: str
) -> list[Failure]:
    """Run one range of a stage; gives what failed. Raises KeyboardInterrupt where the user ended it."""
    keys = [dg.AssetKey([store.study.name, asset]) for asset in todo.assets]
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
    if any(_was_interrupted(event) for event in steps):
        raise KeyboardInterrupt  # which Dagster takes for a failure
    found = [failure for event in steps for failure in _failures(event)]
    if not found and not result.success:
        found = [Failure(-1, f"{what}: run {result.run_id} failed; `featcx ui` shows why", is_input=False)]
    return found


def _was_interrupted(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    return error is not None and "DagsterExecutionInterruptedError" in (
        error.cls_name,
        error.cause and error.cause.cls_name,
    )


def _failures(event: dg.DagsterEvent) -> Iterator[Failure]:
    data = event.step_failure_data
    stated = data.user_failure_data
    if stated and FAILURES in stated.metadata:
        for epoch, reason in cast(dict[str, str], stated.metadata[FAILURES].value).items():
            yield Failure(int(epoch), reason, is_input=True)
        return
    error = (data.error.cause or data.error) if data.error else None
    is_input = error is not None and error.cls_name in ("ValueError", "StudyError", "CheckpointError", "OSError")
    reason = error.message.strip().partition(": ")[2] if error and is_input else str(error.message if error else event)
    yield Failure(-1, stated.description or reason if stated else reason.strip(), is_input=bool(stated) or is_input)


def _extent(todo: Work) -> str:
    if todo.stage.assets[0] in ONCE:
        return ", ".join(todo.assets)
    epochs = sorted({p.epoch for p in todo.partitions})
    named = f"epochs {epochs[0]} … {epochs[-1]}"
    if len(epochs) == 1:
        named = f"epoch {epochs[0]}"
    elif len(epochs) <= epochs[-1] - epochs[0]:
        named = f"{len(epochs)} epochs, {epochs[0]} to {epochs[-1]}"
    return f"{len(todo.partitions)} partitions, {named}"


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
