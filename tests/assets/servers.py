"""Servers that a test starts: each with a log, all ended when the block ends, whatever happened in it."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self


class Servers:
    """The servers of one test, with their logs in `folder`.

    When the block ends with an error, the ends of the logs are added to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, user: str | None = None
    ) -> None:
        """Start a server in a session of its own, so that what it starts can be ended with it."""
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                command, env=env, cwd=cwd, user=user, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """End a server and what it started at once, as a machine that fails."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def wait_until(self, done: Callable[[], bool], *, what: str, seconds: float) -> None:
        """Poll until `done`. Raises at once when a server has ended, and after `seconds`."""
        deadline = time.monotonic() + seconds
        while not done():
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.returncode} before {what}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not after {seconds} seconds: {what}")
            time.sleep(0.2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + 10
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
        for process in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if error is not None:
            for name in self._running:
                error.add_note(f"--- {name}\n{self._log(name).read_text(errors='replace')[-4000:]}")

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on: two code locations on one port would share it silently."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
