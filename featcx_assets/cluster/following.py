"""Following jobs to their end: their states and the parts that are done, a line whenever that changes."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from featcx_assets.cluster.engine import Engine, State
from featcx_assets.cluster.record import Jobs, Progress, Task, progress_of, read_jobs
from featcx_assets.doctor import is_on_network
from featcx_core.artefacts.catalogue import catalogue

Say = Callable[[str], None]
_LAG_SECONDS = 2.0  # until what a task wrote is seen
_LAG_ON_NETWORK = 60.0  # NFS keeps what it knows of a folder for so long
_SAY_SECONDS = 10.0  # between two lines that only count parts


class Ended(NamedTuple):
    """Jobs that have ended."""

    folder: Path
    """Their record."""
    jobs: Jobs
    """What was submitted."""
    progress: tuple[Progress, ...]
    """How far each task came."""

    @property
    def lost(self) -> list[Task]:
        """The tasks that did not come to their end: killed, cancelled, or never begun."""
        return [task for task in self.jobs.tasks if not self.progress[task.number].is_ended]

    @property
    def n_made(self) -> int:
        """Partitions that were made, of what people see."""
        return len({place for each in self.progress for place in each.made if not _is_internal(place.artefact)})


def follow(engine: Engine, folder: Path, *, say: Say, pause: Callable[[float], None] = time.sleep) -> Ended:
    """Wait until no task is left, saying how far they are; returns how each ended.

    Looks more rarely the longer it takes, at most every ten seconds.
    """
    jobs, began = read_jobs(folder), time.monotonic()
    lag = _LAG_ON_NETWORK if is_on_network(folder) else _LAG_SECONDS
    gone_since, said, said_at = 0.0, "", 0.0
    while True:
        states, progress = engine.states(jobs), progress_of(folder, jobs)
        now = time.monotonic()
        if states is None:
            line, gone_since = f"{engine.name} does not answer; asking again", 0.0
        else:
            line = told(jobs, states, progress)
            is_over = all(each.is_ended for each in progress)
            gone_since = gone_since or now if not states else 0.0
            if not states and (is_over or now - gone_since >= lag):
                return Ended(folder, jobs, tuple(progress))
        is_news = line.partition(";")[0] != said.partition(";")[0]
        if is_news or (line != said and now - said_at >= _SAY_SECONDS):
            say(line)
            said, said_at = line, now
        pause(min(10.0, max(0.5, (now - began) / 20)))


def told(jobs: Jobs, states: dict[int, State], progress: list[Progress]) -> str:
    """Say how far tasks are, in one line.

    >>> jobs = Jobs(engine="slurm", host="", device="cpu", only=(), epochs=(), n_parts=40, ids=("12_0", "12_1"),
    ...             tasks=(Task(number=0, kind="epochs", epochs=(0,)), Task(number=1, kind="epochs", epochs=(1,))))
    >>> told(jobs, {1: State(is_running=True, says="n2")}, [Progress(is_ended=True), Progress(job="12_1")])
    '1 of 2 tasks done, 1 running (n2); 0 of 40 parts'
    """
    n_done = sum(each.is_ended and number not in states for number, each in enumerate(progress))
    running = sorted({state.says for state in states.values() if state.is_running and state.says})
    waiting = sorted({state.says for state in states.values() if not state.is_running and state.says})
    n_running = sum(state.is_running for state in states.values())
    parts = [f"{n_done} of {len(jobs.tasks)} tasks done"]
    if n_running:
        parts.append(f"{n_running} running" + (f" ({', '.join(running)})" if running else ""))
    if n_waiting := len(states) - n_running:
        parts.append(f"{n_waiting} waiting" + (f" ({', '.join(waiting)})" if waiting else ""))
    n_made = Ended(Path(), jobs, tuple(progress)).n_made
    of_all = f" of {jobs.n_parts}" if jobs.n_parts else ""
    return f"{', '.join(parts)}; {n_made}{of_all} parts"


def _is_internal(name: str) -> bool:
    return catalogue()[name].is_internal
