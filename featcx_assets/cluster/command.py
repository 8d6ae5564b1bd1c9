"""The options of `featcx run` that name an engine."""

from typing import TYPE_CHECKING

import click

from featcx_assets.resources import home
from featcx_core.store.places import open_store
from featcx_core.study.fields import StudyError

if TYPE_CHECKING:
    from featcx_assets.cluster.engine import Engine

_WORKERS = 2


def engine_of(name: str | None, *, workers: int | None) -> "Engine | None":
    """Return the engine of a name; None: this process. Raises StudyError for options that do not go together."""
    if workers is not None and name != "local":
        raise StudyError("--workers goes with --on local; on a cluster, cluster.tasks of the study file says how many")
    if name == "slurm":
        from featcx_assets.cluster.slurm import Slurm

        return Slurm()
    if name == "local":
        from featcx_assets.cluster.local import Local

        return Local(workers or _WORKERS)
    return None


def cancel_jobs(study: str, name: str | None) -> None:
    """End a study's jobs on a cluster. Raises StudyError where there are none."""
    from featcx_assets.cluster.outstanding import cancel

    if name != "slurm":
        raise StudyError("--cancel goes with --on slurm; what runs on this machine ends with Ctrl-C")
    if not cancel(open_store(home(), study), say=lambda line: click.echo(line, err=True)):
        raise StudyError(f"no jobs of study {study} wait or run")
