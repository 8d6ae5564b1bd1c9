"""Jobs that are outstanding: at work on a cluster, or ended while nobody followed them."""

from collections.abc import Callable
from pathlib import Path

from featcx_assets.cluster.record import Jobs, progress_of, read_jobs, records
from featcx_assets.cluster.slurm import Slurm
from featcx_core.store.places import Store
from featcx_core.study.fields import StudyError


def at_work(store: Store) -> list[Path]:
    """Return the records of jobs of a cluster that wait or run; where Slurm does not answer, of all that may.

    Those of this machine live and die with their command, which holds the study's lock.
    """
    slurm = Slurm()
    folders = []
    for folder in untold(store):
        jobs = read_jobs(folder)
        if jobs.engine == slurm.name and jobs.ids and not all(p.is_ended for p in progress_of(folder, jobs)):
            states = slurm.states(jobs)
            if states is None or states:
                folders.append(folder)
    return folders


def untold(store: Store) -> list[Path]:
    """Return the records of jobs of which the web UI was not told how they ended."""
    return [folder for folder in records(store) if not read_jobs(folder).is_told]


def refuse_at_work(store: Store) -> None:
    """Raise StudyError where jobs of a cluster are at work on a study: two writers of an epoch would meet."""
    for folder in at_work(store):
        name = store.study.name
        raise StudyError(
            f"{named(read_jobs(folder))} of Slurm work on study {name}; `featcx run {name} --on slurm` follows them, "
            "with --cancel it ends them"
        )


def cancel(store: Store, *, say: Callable[[str], None]) -> bool:
    """End a study's jobs; False where there are none. What they have committed stays."""
    folders = at_work(store)
    for folder in folders:
        jobs = read_jobs(folder)
        Slurm().cancel(jobs)
        say(f"{named(jobs)}: cancelled; what is made stays, `featcx run {store.study.name} --on slurm` goes on")
    return bool(folders)


def named(jobs: Jobs) -> str:
    """Say which jobs they are."""
    if jobs.engine == "local":
        return f"{len(jobs.tasks)} tasks"
    names = list(dict.fromkeys(name.partition("_")[0] for name in jobs.ids))
    return f"{'job' if len(names) == 1 else 'jobs'} {', '.join(names)}"
