"""Slurm: tasks as jobs, submitted through `submitit`: an array for the epochs, and what follows from it depends on it.

States come from `squeue`: `sacct`, which submitit asks, needs accounting, and not every cluster has it. How a task
ended is in its own record.
"""

import getpass
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from featcx_assets.cluster.engine import State
from featcx_assets.cluster.record import Jobs, Task
from featcx_assets.cluster.task import STARTED, MakeTask
from featcx_core.store.places import Store
from featcx_core.study.cluster import ClusterSettings
from featcx_core.study.fields import StudyError

_REQUEUES = 1000  # by time limit; a task without progress ends itself
_WAIT_SECONDS = 60  # for an answer of Slurm's


class Slurm:
    """The cluster whose `sbatch` is on this machine."""

    name: Literal["slurm"] = "slurm"
    outlives = True

    def side_by_side(self, store: Store) -> int:
        """Return how many tasks run at a time, as the study says."""
        return store.study.cluster.tasks

    def submit(self, store: Store, folder: Path, jobs: Jobs) -> Iterator[list[str]]:
        """Submit each kind of tasks as a job or array that begins when the kind before has ended, whatever came of it.

        Raises StudyError where there is no Slurm, or it refuses.
        """
        if not shutil.which("sbatch") or not shutil.which("srun"):
            raise StudyError("no sbatch and srun on this machine; start --on slurm where you can submit jobs")
        if not find_spec("submitit"):
            raise StudyError("--on slurm needs submitit; pip install 'featcx[slurm]'")
        names: list[str] = []
        try:
            for _, group in groupby(jobs.tasks, key=lambda task: task.kind):
                new = self._submitted(store, folder, list(group), after=names[-1:])
                names += new
                yield new
        except Exception as error:  # submitit raises various kinds; half of a plan must not stay behind
            self.cancel(jobs.model_copy(update={"ids": tuple(names)}))
            raise StudyError(f"Slurm refuses the job: {_reason(error)}") from None

    def _submitted(self, store: Store, folder: Path, tasks: list[Task], *, after: list[str]) -> list[str]:
        from submitit import SlurmExecutor

        executor = SlurmExecutor(folder / "logs", max_num_timeout=_REQUEUES)
        options = parameters(store.study.cluster, name=f"featcx-{store.study.name}")
        if after:
            options["dependency"] = "afterany:" + after[0].partition("_")[0]
        executor.update_parameters(**options)
        function = MakeTask(folder, home=store.home, study=store.study.name)
        return [str(job.job_id) for job in executor.map_array(function, [task.number for task in tasks])]

    def states(self, jobs: Jobs) -> dict[int, State] | None:
        """Return the tasks in the queue; None where Slurm does not answer."""
        command = ["squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format", "%i|%T|%r|%N"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return {jobs.ids.index(name): state for name, state in _states(done.stdout) if name in jobs.ids}

    def cancel(self, jobs: Jobs) -> None:
        """Cancel all jobs. Raises StudyError where Slurm does not answer."""
        names = list(dict.fromkeys(name.partition("_")[0] for name in jobs.ids))
        if not names:
            return
        try:
            subprocess.run(["scancel", *names], capture_output=True, text=True, timeout=_WAIT_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise StudyError(f"scancel {' '.join(names)}: {_reason(error)}") from None


def parameters(settings: ClusterSettings, *, name: str) -> dict[str, Any]:
    """Return the settings as submitit names them."""
    further = {"requeue": True, **{key.replace("_", "-"): value for key, value in settings.sbatch.items()}}
    options: dict[str, Any] = {
        "job_name": name,
        "time": max(1, round(settings.hours * 60)),
        "cpus_per_task": settings.cpus,
        "mem": f"{round(settings.memory_gb * 1024)}MB",
        "array_parallelism": settings.tasks,
        "additional_parameters": further,
        # A user's own choice of threads goes before; torch would take all of the node's cores.
        "setup": [
            f"export {STARTED}=$(date +%s.%N)",
            f"export OMP_NUM_THREADS=${{OMP_NUM_THREADS:-{settings.cpus}}}",
            *settings.setup,
        ],
    }
    if settings.gpus:
        options["gpus_per_node"] = settings.gpus
    named = {"partition": settings.partition, "account": settings.account}
    return options | {key: value for key, value in named.items() if value}


def cancel_command(jobs: Jobs) -> str:
    """Return the command by which a person cancels the jobs."""
    return shlex.join(["scancel", *dict.fromkeys(name.partition("_")[0] for name in jobs.ids)])


def _states(text: str) -> list[tuple[str, State]]:
    """Return name and state of each line of squeue.

    >>> _states("12_0|RUNNING|None|n1" + chr(10) + "12_1|PENDING|Resources|")
    [('12_0', State(is_running=True, says='n1')), ('12_1', State(is_running=False, says='Resources'))]
    """
    rows = [line.strip().split("|") for line in text.splitlines() if line.count("|") == 3]
    waiting = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "CONFIGURING", "SUSPENDED")
    return [
        (name, State(state not in waiting, reason if state in waiting else node)) for name, state, reason, node in rows
    ]


def _reason(error: Exception) -> str:
    """Return what Slurm says, in one line."""
    text = getattr(error, "stderr", None) or str(error)
    lines = [line for line in str(text).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1].strip()
