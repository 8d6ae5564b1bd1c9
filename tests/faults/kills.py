"""Kills: real runs end by SIGKILL at random moments, are run again, and end with the tables of an undisturbed one."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.places import open_store
from featcx_core.study.fields import StudyError
from tests.faults.results import Result
from tests.faults.study import Command, cpu_seconds_of_a_run, damage, featcx, is_one_line_each, undisturbed, write_small
from tests.faults.truth import Tables, different, tables_in

KIND = "kill of a run"


def kills(folder: Path, *, seed: int, n: int, say: Callable[[str], None] = lambda line: None) -> Iterator[Result]:
    """Yield the results of `n` kills: one study, killed again and again, and a fresh one once it is finished."""
    chance, log, home = np.random.default_rng(seed), folder / "kills.log", folder / "home"
    truth, study = undisturbed(folder), write_small(folder)
    since_fresh: list[Result] = []
    shutil.rmtree(home, ignore_errors=True)
    done = 0
    while done < n:
        before, command = made(home), Command(home, "run", str(study), log=log)
        moment = wait_for_moment(command, chance, cpu_seconds_of_a_run(folder))
        if command.kill():
            done += 1
            since_fresh.append(looked_at(home, before, command.lines, Result(KIND, "SIGKILL", moment, "healed", ())))
            say(f"{done:4} {since_fresh[-1].path}: {'; '.join(since_fresh[-1].lines) or 'nothing lost'}")
        else:
            yield from finished(home, truth, since_fresh, command.wait(), command.lines)
            shutil.rmtree(home)
            since_fresh = []
    code, lines = featcx(home, "run", str(study), log=log)
    yield from finished(home, truth, since_fresh, code, lines)


def wait_for_moment(command: Command, chance: np.random.Generator, longest: float) -> str:
    """Wait for a random moment of a run, by its CPU time: however busy the machine; returns it in words."""
    moment = chance.uniform(0.0, longest)
    while command.is_alive and command.cpu_seconds < moment:
        time.sleep(0.005)
    stage = next((line for line in reversed(command.lines) if line.startswith("[")), "before the first stage")
    return f"after {moment:.2f} s of CPU, {stage}"


def made(home: Path) -> set[Partition]:
    """Return what is made of single epochs, which nothing that is made later can make stale."""
    try:
        snapshot = Snapshot(open_store(home, "tiny"))
    except (StudyError, ValueError):
        return set()
    every = {p for artefact in snapshot.wanted if artefact.has_epochs for p in snapshot.partitions(artefact)}
    return {partition for partition in every if snapshot.is_current(partition)}


def looked_at(home: Path, before: set[Partition], lines: list[str], result: Result) -> Result:
    """Look at what a run left that was cut off: nothing that was committed is gone or damaged."""
    if not is_one_line_each(lines):
        return result._replace(outcome="crashed", lines=tuple(lines[-5:]))
    lost = [f"{partition} was made and is gone" for partition in sorted(before - made(home))]
    found = [f"{finding.path}: {finding.reason}" for finding in damage(home)]
    return result._replace(outcome="lost" if lost or found else "healed", lines=(*lost, *found))


def finished(home: Path, truth: Tables, cut_off: list[Result], code: int, lines: list[str]) -> Iterator[Result]:
    """Yield what happened to a study that was then run to its end, judged by its tables."""
    others = different(tables_in(home), truth) if not code else []
    for result in cut_off:
        if code:
            yield result._replace(outcome="crashed", lines=(*result.lines, f"exit code {code} then", *lines[-5:]))
        elif others:
            yield result._replace(outcome="silent", lines=(*result.lines, f"other rows in {', '.join(others)}"))
        else:
            yield result
