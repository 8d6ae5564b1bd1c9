"""Telling the web UI what tasks of a cluster made: the runs that `featcx run` would have had, without the work.

Only whoever follows the jobs writes Dagster's databases, on its own machine, once all tasks have ended: SQLite on a
network disk does not stand two writers.
"""

from collections.abc import Sequence

import dagster as dg

from featcx_assets.cluster.following import Ended
from featcx_assets.cluster.record import Progress, write_jobs
from featcx_assets.executing import run_work
from featcx_assets.partitions import inserted_epochs, register_epochs
from featcx_assets.stages import Work, runs, stages
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.places import Store


def tell(dagster: dg.DagsterInstance, job: dg.JobDefinition, store: Store, ended: Ended) -> None:
    """Record one run a stage over what the tasks made, with which task made it, and what they could not make."""
    snapshot = Snapshot(store, also=ended.jobs.only)
    register_epochs(dagster, store.study.name, snapshot.epochs)
    failed = {
        f"{missed.artefact} {missed.epoch}" if missed.epoch >= 0 else missed.artefact: missed.reason
        for progress in ended.progress
        for missed in progress.missed
        if missed.artefact
    }
    about = {"told": _by_epoch(ended), "failed": failed}
    tags = {"featcx/jobs": " ".join(dict.fromkeys(each.job for each in ended.progress if each.job))}
    for stage in stages(catalogue()):
        places = list(_told(snapshot, [artefact.name for artefact in stage.artefacts], ended.progress))
        artefacts = tuple(artefact for artefact in stage.artefacts if any(p.artefact == artefact.name for p in places))
        if places:
            todo = Work(stage, artefacts, tuple(places))
            for part in runs(snapshot, todo, inserted=inserted_epochs(dagster, store.study.name)):
                run_work(job, dagster, store, part, ended.jobs.device, about=about, tags=tags)
    write_jobs(ended.folder, ended.jobs.model_copy(update={"is_told": True}))


def _told(snapshot: Snapshot, names: Sequence[str], tasks: Sequence[Progress]) -> list[Partition]:
    """Return what was made, or missed, of some artefacts, as far as it is a partition of the study now."""
    made = {place for each in tasks for place in each.made if place.artefact in names and snapshot.is_current(place)}
    missed = {(each.artefact, each.epoch) for progress in tasks for each in progress.missed}
    every = [place for name in names for place in snapshot.partitions(snapshot.catalogue[name])]
    return [place for place in every if place in made or (place[:2] in missed and not snapshot.is_current(place))]


def _by_epoch(ended: Ended) -> dict[str, str]:
    """Say which task made an epoch, by epoch as text; `all`: what has none."""
    by: dict[str, str] = {}
    for task in ended.jobs.tasks:
        progress = ended.progress[task.number]
        where = f"{ended.jobs.engine} job {progress.job} on {progress.host}"
        for epoch, seconds in progress.seconds.items():
            by["all" if epoch < 0 else str(epoch)] = f"{where}, {seconds:.1f} s"
    return by
