"""Dagster's own folder: `FEATCX_HOME/dagster`, with settings written by featcx."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from filelock import FileLock

from featcx_core.store.files import FullDisk, is_of_full_disk, write_bytes
from featcx_core.study.fields import StudyError

SETTINGS = """\
# Written by featcx; edits are kept.
telemetry: {enabled: false}
nux: {enabled: false}
concurrency:
  pools: {granularity: run, default_limit: 1}   # one run at a time computes: one GPU, or all cores
  runs: {max_concurrent_runs: 4}
python_logs: {managed_python_loggers: [featcx], python_log_level: INFO}   # what featcx logs is in the run's log
retention:
  schedule: {purge_after_days: {skipped: 1, failure: 30, success: 30, started: 30}}
  sensor: {purge_after_days: {skipped: 1, failure: 30, success: 30, started: 30}}
"""


UNDER_WAY = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def dagster_home(home: Path) -> Path:
    """The folder, with its settings; a container brings its own in FEATCX_DAGSTER_HOME."""
    folder = Path(os.environ.get("FEATCX_DAGSTER_HOME", home / "dagster"))
    if not (folder / "dagster.yaml").exists():
        write_bytes(folder / "dagster.yaml", SETTINGS.encode())
    return folder


def environment(home: Path) -> dict[str, str]:
    """Environment of Dagster's processes."""
    return {
        "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "600",  # many large checkpoints may land at once; each is read
        **os.environ,
        "FEATCX_HOME": str(home),
        "DAGSTER_HOME": str(dagster_home(home)),
    }


_LITTLE_BYTES = 1 << 20


@contextmanager
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Open the instance whose runs the web UI shows.

    Raises StudyError, or FullDisk, where its database is away or cannot be written, then or later.
    """
    from featcx_assets.dagster_private import instance_at

    folder = dagster_home(home)
    try:
        with FileLock(folder / "opening.lock"):  # two that make its databases at once would break them
            opened = instance_at(folder)
        with opened:
            yield opened
    except Exception as error:
        database_error = _of_database(error)
        if database_error is None:
            raise
        is_full = is_of_full_disk(error) or shutil.disk_usage(folder).free < _LITTLE_BYTES  # SQLite's "disk I/O error"
        if is_full and not _is_elsewhere(folder):
            raise FullDisk(folder) from error
        reason = " ".join(database_error.split())
        raise StudyError(
            f"Dagster's run history, as {folder / 'dagster.yaml'} names it, cannot be used: {reason}; see that its "
            "database is there, and run again: what was made stays"
        ) from error


def _of_database(error: BaseException) -> str | None:
    """Return what a database said that is behind an error; None where there is none. Dagster wraps it, or does not."""
    from sqlalchemy.exc import DBAPIError

    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, DBAPIError):
            return str(behind.orig)
        behind = behind.__cause__
    return None


def _is_elsewhere(folder: Path) -> bool:
    """Whether the history lies in a database of its own, and not in the folder."""
    return "storage:" in (folder / "dagster.yaml").read_text(encoding="utf-8")


def end_interrupted_runs(dagster: dg.DagsterInstance) -> None:
    """Mark as failed what was under way when the process that runs are children of ended.

    Dagster's launcher cannot tell, and a run that seems to go on would keep all others waiting in the queue.
    """
    for run in dagster.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
        if not is_of_command(run):
            dagster.report_run_failed(run, "what ran it ended while the run was under way; start the run again")


PROCESS = "featcx/pid"
"""Tag of the runs of `featcx run`: the process that they live and die with."""


def is_of_command(run: dg.DagsterRun) -> bool:
    """Whether a run is one of `featcx run`, and not one that the web UI repeats, tags and all."""
    return PROCESS in run.tags and run.parent_run_id is None
