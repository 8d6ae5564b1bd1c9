"""The record of jobs: the tasks that were submitted for a study, and how far each is, on the disk that all nodes share.

HOME/<study>/cluster/<stamp>/jobs.json       written by whoever submits
HOME/<study>/cluster/<stamp>/task-0003.json  written by that task alone
HOME/<study>/cluster/<stamp>/logs/           what tasks print
"""

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from featcx_core.artefacts.partition import Partition
from featcx_core.store.files import write_bytes
from featcx_core.store.places import Store

Kind = Literal["before", "reference", "epochs", "across"]
"""Tasks: what comes before all epochs, as training; what epochs read of the reference epoch; some epochs; what spans
all of them."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Task(_Record):
    """One process's share of the work."""

    number: int
    """Its number, from 0."""
    kind: Kind
    """Its kind. Tasks of a kind run side by side, after all those of the kinds before."""
    epochs: tuple[int, ...] = ()
    """Its epochs; empty where it has none."""
    only: tuple[str, ...] = ()
    """Artefacts that it makes, with what they need; empty: all that are asked for."""


class Jobs(_Record):
    """One submission: its engine and its jobs."""

    engine: Literal["slurm", "local"]
    """The engine that runs the tasks."""
    host: str
    """The machine of whoever submitted."""
    device: str
    """Where to compute."""
    only: tuple[str, ...]
    """Artefacts that were asked for; empty: those of the study."""
    epochs: tuple[int, ...]
    """Epochs that were asked for; empty: all."""
    n_parts: int
    """Partitions to make, as far as they are known; 0 where training comes first."""
    tasks: tuple[Task, ...]
    """The tasks, by number."""
    ids: tuple[str, ...] = ()
    """Name of each task at the engine, as `12_3`."""
    is_told: bool = False
    """Whether the web UI was told how it ended."""


class Missed(_Record):
    """Something that a task could not make."""

    artefact: str
    """Its name."""
    epoch: int
    """Its epoch; -1 where it has none."""
    reason: str
    """One line."""
    is_input: bool
    """Whether the input was at fault, not the program."""


class Progress(_Record):
    """A task's progress; a task that is put back into the queue goes on in the same record."""

    job: str = ""
    """Name at the engine, as Slurm numbers it."""
    host: str = ""
    """The machine."""
    is_ended: bool = False
    """Whether it came to its end; what it could not make is among the missed."""
    starts: int = 0
    """How often its process was started."""
    start_seconds: float = 0.0
    """Time from the start of the last process to its first work."""
    seconds: dict[int, float] = Field(default_factory=dict)
    """Time spent on each epoch; -1: on what has none."""
    made: tuple[Partition, ...] = ()
    """Partitions that were committed."""
    missed: tuple[Missed, ...] = ()
    """What could not be made."""


def records(store: Store) -> list[Path]:
    """Return the folders of what was submitted for a study, the latest last."""
    return sorted(path.parent for path in (store.root / "cluster").glob("*/jobs.json"))


def new_record(store: Store, jobs: Jobs) -> Path:
    """Begin a record; those that were told before go, with their logs."""
    for folder in records(store):
        if read_jobs(folder).is_told:
            shutil.rmtree(folder, ignore_errors=True)
    now = time.time_ns()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now // 1_000_000_000))
    folder = store.root / "cluster" / f"{stamp}-{now % 1_000_000_000:09d}"
    (folder / "logs").mkdir(parents=True)
    write_jobs(folder, jobs)
    return folder


def read_jobs(folder: Path) -> Jobs:
    """Read what was submitted."""
    return Jobs.model_validate_json((folder / "jobs.json").read_bytes())


def write_jobs(folder: Path, jobs: Jobs) -> None:
    """Write what was submitted."""
    write_bytes(folder / "jobs.json", jobs.model_dump_json(indent=1).encode())


def read_progress(folder: Path, number: int) -> Progress:
    """Read how far a task is; one that has not begun has an empty record, and so has one that cannot be read."""
    with suppress(OSError, ValueError):
        return Progress.model_validate_json(_path(folder, number).read_bytes())
    return Progress()


def write_progress(folder: Path, number: int, progress: Progress) -> None:
    """Write how far a task is."""
    write_bytes(_path(folder, number), progress.model_dump_json().encode())


def progress_of(folder: Path, jobs: Jobs) -> list[Progress]:
    """Read how far all tasks are, by number."""
    return [read_progress(folder, task.number) for task in jobs.tasks]


def _path(folder: Path, number: int) -> Path:
    return folder / f"task-{number:04d}.json"
