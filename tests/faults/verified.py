"""Planted damages for `featcx verify`, and backups taken while a run is at work: as a user types them."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from featcx_core.store.manifests import MARKER
from tests.faults.campaign import clean_home, restored
from tests.faults.corruption import OPERATIONS, corrupt
from tests.faults.results import Result
from tests.faults.study import Command, damage, featcx, undisturbed, write_small
from tests.faults.truth import different, tables_in

PLANTED, BACKUP = "planted damage, `featcx verify`", "backup during a run"
_AT_ONCE = 25
_NOBODY_ELSE = ("locks", "damaged", "study.toml", "study.toml.before")
"""Below a study's folder: nothing that was made."""


def planted(folder: Path, *, seed: int, n: int, say: Callable[[str], None] = lambda line: None) -> Iterator[Result]:
    """Yield the results of `n` damages, some at a time: named by `verify`, and healed by `verify --repair`."""
    chance, log = np.random.default_rng(seed), folder / "verify.log"
    clean = clean_home(folder)
    truth, done = tables_in(clean), 0
    while done < n:
        home = restored(clean, folder / "home")
        hits = _plant(home / "tiny", chance, min(_AT_ONCE, n - done))
        done += len(hits)
        code, lines = featcx(home, "verify", "tiny", "--json", log=log)
        found = {Path(row["path"]) for row in json.loads("\n".join(lines))["tiny"]}
        repaired, said = featcx(home, "verify", "tiny", "--repair", log=log)
        others = different(tables_in(home), truth)
        for unit, path, operation in hits:
            outcome, about = "healed", tuple[str, ...]()
            if not {unit, path} & found or code != 1:
                outcome, about = "silent", (f"exit code {code}; named: {sorted(map(str, found))}",)
            elif repaired or others or damage(home):
                outcome, about = "lost", (f"exit code {repaired}; other rows in {others}", *said[-3:])
            say(f"{done:4} {outcome:8} {operation}: {path.relative_to(home)}")
            yield Result(PLANTED, operation, str(path.relative_to(home)), outcome, about)


def _plant(root: Path, chance: np.random.Generator, n: int) -> list[tuple[Path, Path, str]]:
    """Damage files of as many things that are committed whole; gives each thing, the file and what was done to it."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and not _is_aside(path, root)]
    hits: list[tuple[Path, Path, str]] = []
    while len(hits) < n:
        path = files[int(chance.integers(len(files)))]
        if not path.exists():  # removed by one before
            continue
        unit = _unit(path, root)
        operation = list(OPERATIONS)[int(chance.integers(len(OPERATIONS)))]
        if operation == "swap" or (operation == "remove" and path.suffix in (".json", "") and unit == path):
            continue  # of two files; or a file whose absence is no damage: it is written anew at the next run
        if unit not in [hit[0] for hit in hits] and corrupt(path, _like(path, files), operation, chance):
            hits.append((unit, path, operation))
    return hits


def _is_aside(path: Path, root: Path) -> bool:
    return path.relative_to(root).parts[0] in _NOBODY_ELSE


def _unit(path: Path, root: Path) -> Path:
    """Return what is committed whole and holds a file: the innermost folder with a manifest, or the file itself."""
    return next((at for at in path.parents if at.is_relative_to(root) and (at / MARKER).exists()), path)


def _like(path: Path, files: list[Path]) -> list[Path]:
    return [file for file in files if file.suffix == path.suffix and file.exists()]


def backups(folder: Path, *, seed: int, n: int, say: Callable[[str], None] = lambda line: None) -> Iterator[Result]:
    """Yield the results of `n` backups, each at another moment of a run; what is restored goes on to the same tables."""
    chance, log, home = np.random.default_rng(seed), folder / "backup.log", folder / "home"
    truth, study = undisturbed(folder), write_small(folder)
    for number in range(n):
        for place in (home, folder / "kept", folder / "back"):
            shutil.rmtree(place, ignore_errors=True)
        command = Command(home, "run", str(study), log=folder / "run.log")
        stage = f"[{2 + int(chance.integers(7))}/"
        command.wait_for(stage)
        code, lines = featcx(home, "backup", str(folder / "kept"), "tiny", log=log)
        was_at_work = command.is_alive
        ended = command.wait()
        back, said = featcx(folder / "back", "restore", str(folder / "kept"), log=log)
        found = [str(finding.path) for finding in damage(folder / "back")]
        again, end = featcx(folder / "back", "run", "tiny", log=log)
        where = f"at stage {stage[1:-1]}, {'at work' if was_at_work else 'ended meanwhile'}"
        outcome, about = "healed", (*lines, *said)
        if code or back or again or ended:
            outcome, about = "crashed", (f"exit codes {code}, {back}, {again}, {ended}", *lines, *said, *end[-3:])
        elif found:
            outcome, about = "lost", tuple(found)
        elif others := different(tables_in(folder / "back"), truth):
            outcome, about = "silent", tuple(others)
        say(f"{number + 1:4} {outcome:8} {where}")
        yield Result(BACKUP, "backup", where, outcome, tuple(about))
