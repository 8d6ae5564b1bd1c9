"""Full disks: what a run writes to fills up while it is at work; with space again it goes on to the same tables.

The disk is a small one of its own, in memory, where this process may mount one.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.faults.results import Result
from tests.faults.study import Command, damage, featcx, is_one_line_each, undisturbed, write_small
from tests.faults.truth import different, tables_in

_KIND = "full disk"
_MB = 1 << 20
_ROOMY = 400 * _MB
_WHOLE_RUN = 15.0  # megabytes
REMEDY = "make room"
"""What a line on a full disk says is to be done."""


def full_disks(folder: Path, *, seed: int, n: int, say: Callable[[str], None] = lambda line: None) -> Iterator[Result]:
    """Yield the results of `n` full disks: one study that goes on whenever there is a little more space."""
    chance, truth, study = np.random.default_rng(seed), undisturbed(folder), write_small(folder)
    results: list[Result] = []
    with small_disk(folder / "disk") as disk:
        for _ in range(n):
            results.append(_filled(disk, study, left=int(_MB * _WHOLE_RUN / n * chance.uniform(0, 0.9))))
            say(f"{len(results):4} {results[-1].path}: {'; '.join(results[-1].lines)}")
        code, lines = featcx(disk / "home", "run", str(study), log=folder / "full.log")
        others = [] if code else different(tables_in(disk / "home"), truth)
    for result in results:
        if code:
            yield result._replace(outcome="crashed", lines=(f"exit code {code} with space again", *lines))
        else:
            yield result._replace(outcome="silent", lines=tuple(others)) if others else result


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """Give a folder on a disk of its own."""
    place.mkdir(parents=True, exist_ok=True)
    _mount(place, f"size={_ROOMY}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _filled(disk: Path, study: Path, *, left: int) -> Result:
    """Run the study, and cut the disk down to what is used and some bytes once the first stage begins."""
    home, where = disk / "home", f"{left / _MB:.2f} MB left"
    command = Command(home, "run", str(study), log=disk.parent / "full.log")
    command.wait_for("[")
    while command.is_alive:
        try:
            _mount(disk, f"remount,size={shutil.disk_usage(disk).used + left}")
            break
        except subprocess.CalledProcessError:  # more was written meanwhile
            continue
    code, lines = command.wait(), command.lines
    found = [f"{finding.path}: {finding.reason}" for finding in damage(home)]
    _mount(disk, f"remount,size={_ROOMY}")
    named = [line for line in lines if REMEDY in line and str(home) in line]
    if code != 2 or not named or not is_one_line_each(lines):
        return Result(_KIND, "filled", where, "crashed", (f"exit code {code}", *lines))
    return Result(_KIND, "filled", where, "lost" if found else "healed", (*named, *found))


def _mount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True, stderr=subprocess.DEVNULL)
