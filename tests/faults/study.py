"""The campaign's study, and `featcx` as a process of its own that works on it."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

from featcx_core.artefacts.verification import Finding, verify
from featcx_core.store.places import open_store
from featcx_core.study.fields import StudyError
from tests.conftest import TINY, write_tiny
from tests.faults.truth import Tables, tables_in

_SMALL = '[activations]\nlayers = ["stem", "layer2.0"]\n[analyses]\nrun = []\n'
_LOADED = ("featcx_assets.cli", "featcx_assets.runner", "torch", "zarr", "duckdb", "matplotlib.figure", "pandas")
MISSING = "it is not made, or is gone"
"""The reason of a finding that is no damage."""


def write_small(folder: Path) -> Path:
    """Write the campaign's study and its images; returns the file."""
    return write_tiny(folder, text=TINY.replace("[analyses]\n", _SMALL))


class Command:
    """`featcx ARGUMENTS` as a process, forked from one that has loaded its libraries and done nothing else.

    Args:
        home: its FEATCX_HOME.
        arguments: what is typed after `featcx`.
        log: file for what it prints.
        env: further environment.
    """

    def __init__(self, home: Path, *arguments: str, log: Path, env: Mapping[str, str] | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["__main__", *_LOADED])
        log.write_bytes(b"")
        environment = {"FEATCX_HOME": str(home), "FEATCX_ALLOW_CODE": "/", **(env or {})}
        self.log = log
        self.process: BaseProcess = context.Process(target=_work, args=(arguments, str(log), environment))
        self.process.start()
        self.cpu_seconds = 0.0

    @property
    def is_alive(self) -> bool:
        """Whether it is at work; takes down its CPU time."""
        with suppress(FileNotFoundError, ProcessLookupError, IndexError):
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            self.cpu_seconds = max(self.cpu_seconds, ticks / os.sysconf("SC_CLK_TCK"))
        return self.process.exitcode is None

    @property
    def lines(self) -> list[str]:
        """What it printed until now."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()

    def wait(self) -> int:
        """Wait for its end; returns its exit code."""
        while self.is_alive:
            time.sleep(0.02)
        return int(self.process.exitcode or 0)

    def wait_for(self, start: str) -> None:
        """Wait until it prints a line with that start, or ends."""
        while self.is_alive and not any(line.startswith(start) for line in self.lines):
            time.sleep(0.02)

    def kill(self) -> bool:
        """Kill it and what it started, as a system does that has no memory left; False where it had ended."""
        if not self.is_alive:
            return False
        with suppress(ProcessLookupError):
            os.killpg(int(self.process.pid or 0), signal.SIGKILL)
        self.process.join()
        return self.process.exitcode == -signal.SIGKILL


def _work(arguments: Sequence[str], log: str, environment: Mapping[str, str]) -> None:
    """Be the command: own session, own log."""
    os.setsid()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    for name in ("DAGSTER_HOME", "FEATCX_DAGSTER_HOME"):
        os.environ.pop(name, None)
    os.environ.update(environment)
    from featcx_assets.cli import main

    sys.argv = ["featcx", *arguments]
    main()


def featcx(home: Path, *arguments: str, log: Path, env: Mapping[str, str] | None = None) -> tuple[int, list[str]]:
    """Run `featcx ARGUMENTS` to its end; gives its exit code and lines."""
    command = Command(home, *arguments, log=log, env=env)
    return command.wait(), command.lines


def undisturbed(folder: Path) -> Tables:
    """Return the tables of a run that nothing disturbed; it is made once a folder."""
    home, made = folder / "undisturbed", folder / "undisturbed.made"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = Command(home, "run", str(write_small(folder)), log=folder / "undisturbed.log")
        if command.wait():
            raise RuntimeError("\n".join(command.lines))
        made.write_text(str(command.cpu_seconds))
    return tables_in(home)


def cpu_seconds_of_a_run(folder: Path) -> float:
    """Return the CPU time that the undisturbed run took."""
    return float((folder / "undisturbed.made").read_text())


def damage(home: Path, study: str = "tiny") -> list[Finding]:
    """Return what is on disk and is not as it was written."""
    try:
        return [finding for finding in verify(open_store(home, study)) if finding.reason != MISSING]
    except StudyError:  # not yet registered
        return []


def is_one_line_each(lines: Sequence[str]) -> bool:
    """Whether nothing printed is a traceback."""
    return not any("Traceback (most recent call last)" in line for line in lines)
