"""`featcx run --on`: submit what is stale, follow it, and say what came of it; or follow what is at work already."""

import socket
from collections.abc import Collection, Iterator
from pathlib import Path

import dagster as dg

from featcx_assets.cluster.engine import Engine
from featcx_assets.cluster.following import Ended, Say, follow
from featcx_assets.cluster.outstanding import named, untold
from featcx_assets.cluster.plan import plan, read_pace, write_pace
from featcx_assets.cluster.record import Jobs, Task, new_record, progress_of, read_jobs, write_jobs
from featcx_assets.cluster.telling import tell
from featcx_assets.stages import all_stale
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.artefacts.visible_rows import write_current
from featcx_core.store.places import Store
from featcx_core.study.fields import StudyError


def submit(
    store: Store, engine: Engine, *, only: Collection[str], epochs: Collection[int], device: str, say: Say
) -> Path:
    """Submit tasks for everything that is stale; returns their record. Raises StudyError where the engine refuses."""
    snapshot = Snapshot(store, also=only)
    n_at_once, pace = engine.side_by_side(store), read_pace(store)
    tasks = plan(snapshot, only=only, epochs=epochs, side_by_side=n_at_once, pace=pace)
    write_current(store, snapshot.visible())
    jobs = Jobs(
        engine=engine.name,
        host=socket.gethostname(),
        device=device,
        only=tuple(only),
        epochs=tuple(sorted(epochs)),
        n_parts=0 if tasks[0].kind == "before" else _n_parts(snapshot, only, epochs),
        tasks=tasks,
    )
    folder = new_record(store, jobs)
    try:
        for names in engine.submit(store, folder, jobs):  # written at once: whoever is killed here leaves no orphans
            jobs = jobs.model_copy(update={"ids": (*jobs.ids, *names)})
            write_jobs(folder, jobs)
    except (StudyError, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt):  # half of a plan must not stay behind
            engine.cancel(jobs)
        write_jobs(folder, jobs.model_copy(update={"is_told": True}))
        raise
    say(f"{named(jobs)}: {', '.join(_kinds(tasks))}")
    return folder


def finished(store: Store, folder: Path, engine: Engine, *, say: Say) -> Ended:
    """Follow jobs to their end. Ctrl-C leaves those of a cluster at work, and ends those of this machine."""
    jobs = read_jobs(folder)
    try:
        ended = follow(engine, folder, say=say)
    except BaseException as error:
        if not engine.outlives:
            engine.cancel(jobs)
        if isinstance(error, KeyboardInterrupt):
            say(_of_interrupt(store, jobs, engine))
        raise
    write_pace(store, ended.progress)
    return ended


def tell_ended(store: Store, dagster: dg.DagsterInstance, job: dg.JobDefinition) -> list[Ended]:
    """Tell the web UI of all jobs that have ended since; returns them."""
    told = list[Ended]()
    for folder in untold(store):
        jobs = read_jobs(folder)
        ended = Ended(folder, jobs, tuple(progress_of(folder, jobs)))
        tell(dagster, job, store, ended)
        told.append(ended)
    return told


def reasons(ended: Ended) -> Iterator[tuple[str, bool]]:
    """Yield what tasks could not make, a line each, and whether the input was at fault."""
    for progress in ended.progress:
        yield from ((missed.reason, missed.is_input) for missed in progress.missed)
    for task in ended.lost:
        epochs = f" (epochs {', '.join(map(str, task.epochs))})" if task.epochs else f" ({task.kind})"
        name = (*ended.jobs.ids, *["not submitted"] * len(ended.jobs.tasks))[task.number]
        began = "ended before it was done" if ended.progress[task.number].starts else "never began"
        yield f"job {name}{epochs} {began}; {ended.folder / 'logs'}; the same command goes on with it", False


def _of_interrupt(store: Store, jobs: Jobs, engine: Engine) -> str:
    command = f"featcx run {store.study.name} --on {engine.name}"
    if not engine.outlives:
        return f"ended; what is made stays, `{command}` goes on"
    return f"{named(jobs)} go on; `{command}` follows them, `{command} --cancel` ends them"


def _kinds(tasks: Collection[Task]) -> Iterator[str]:
    """Say what a plan holds, kind by kind."""
    words = {"before": "training", "reference": "concepts of epoch {0}", "across": "what spans all epochs"}
    of_epochs = [task for task in tasks if task.kind == "epochs"]
    for task in tasks:
        if task.kind != "epochs":
            yield words[task.kind].format(*task.epochs)
        elif task is of_epochs[0]:
            n_epochs, n_tasks = sum(len(each.epochs) for each in of_epochs), len(of_epochs)
            yield f"{n_epochs} epochs in {n_tasks} {'task' if n_tasks == 1 else 'tasks'}"


def _n_parts(snapshot: Snapshot, only: Collection[str], epochs: Collection[int]) -> int:
    parts = [p for p in all_stale(snapshot, only=only, epochs=()) if not snapshot.catalogue[p.artefact].is_internal]
    return sum(not epochs or place.epoch < 0 or place.epoch in epochs for place in parts)
