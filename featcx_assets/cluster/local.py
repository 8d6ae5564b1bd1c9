"""This machine: tasks as processes, a few at a time, each with its own GPU where there are several.

They live and die with the process that starts them; what they have committed stays, and the same command goes on.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from featcx_assets.cluster.engine import State
from featcx_assets.cluster.record import Jobs, Task
from featcx_assets.cluster.task import STARTED
from featcx_core.store.places import Store

_END_SECONDS = 10.0  # that a process has to end


class Local:
    """Processes of this machine.

    Args:
        workers: tasks at a time.
    """

    name: Literal["local"] = "local"
    outlives = False

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._running: dict[int, tuple[subprocess.Popen[bytes], int]] = {}
        self._waiting: list[Task] = []
        self._place: tuple[Store, Path] | None = None

    def side_by_side(self, store: Store) -> int:
        """Return how many tasks run at a time."""
        return self._workers

    def submit(self, store: Store, folder: Path, jobs: Jobs) -> Iterator[list[str]]:
        """Take the tasks; they are started as `states` is asked for."""
        self._place, self._waiting = (store, folder), list(jobs.tasks)
        yield [str(task.number) for task in jobs.tasks]

    def states(self, jobs: Jobs) -> dict[int, State]:
        """Start what can be started; returns the tasks that wait or run."""
        for number, (process, _) in list(self._running.items()):
            if process.poll() is not None:
                del self._running[number]
        while self._waiting and len(self._running) < self._workers and self._may_start(jobs):
            task = self._waiting.pop(0)
            slots = {slot for _, slot in self._running.values()}
            slot = min(set(range(self._workers)) - slots)
            self._running[task.number] = self._started(task, slot, jobs), slot
        running = {number: State(is_running=True, says="here") for number in self._running}
        return running | {task.number: State(is_running=False) for task in self._waiting}

    def _may_start(self, jobs: Jobs) -> bool:
        """Whether the next task is of the kind that runs, or nothing runs."""
        return all(jobs.tasks[number].kind == self._waiting[0].kind for number in self._running)

    def _started(self, task: Task, slot: int, jobs: Jobs) -> "subprocess.Popen[bytes]":
        assert self._place  # submitted before
        store, folder = self._place
        side_by_side = min(self._workers, sum(other.kind == task.kind for other in jobs.tasks))
        command = [sys.executable, "-m", "featcx_assets.cluster.task", str(store.home), store.study.name, str(folder)]
        env = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // side_by_side)), **os.environ}
        if (gpus := visible_gpus(jobs.device)) and side_by_side > 1:
            env["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]
        env[STARTED] = str(time.time())
        with (folder / "logs" / f"task-{task.number:04d}.log").open("ab") as log:
            return subprocess.Popen(
                [*command, str(task.number)], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C reaches them by our hand
            )  # fmt: skip

    def cancel(self, jobs: Jobs) -> None:
        """End all processes."""
        self._waiting = []
        for process, _ in self._running.values():
            process.terminate()
        for process, _ in self._running.values():
            try:
                process.wait(timeout=_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running = {}


def visible_gpus(device: str) -> list[str]:
    """Return the GPUs that tasks are dealt to; none where they compute elsewhere, or a GPU is named."""
    if device not in ("auto", "cuda"):
        return []
    if named := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return [gpu.strip() for gpu in named.split(",") if gpu.strip()]
    if not shutil.which("nvidia-smi"):
        return []
    done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    return [str(number) for number, line in enumerate(done.stdout.splitlines()) if line.startswith("GPU ")]
