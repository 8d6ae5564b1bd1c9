"""Power cuts in mid-run, on a disk of their own: what is committed is whole, and the next run goes on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.faults.kills import finished, looked_at, made, wait_for_moment
from tests.faults.loop_disk import LoopDisk
from tests.faults.results import Result
from tests.faults.study import Command, cpu_seconds_of_a_run, featcx, undisturbed, write_small

KIND = "power cut, on a loop device"


def cuts(folder: Path, *, seed: int, n: int, say: Callable[[str], None] = lambda line: None) -> Iterator[Result]:
    """Yield the results of `n` power cuts: one study, cut off again and again, and a fresh one once it is finished."""
    chance, log = np.random.default_rng(seed), folder / "cuts.log"
    truth, study, longest = undisturbed(folder), write_small(folder), cpu_seconds_of_a_run(folder)
    done = 0
    while done < n:
        disk, since_fresh = LoopDisk(folder), list[Result]()
        home = disk.place / "home"
        try:
            while done < n:
                before, command = made(home), Command(home, "run", str(study), log=log)
                moment = wait_for_moment(command, chance, longest)
                if not command.is_alive:
                    break
                # The process does not outlive the power, but it may be in the midst of anything when it goes.
                done += 1
                _off(disk, command)
                result = Result(KIND, "cut", moment, "healed", ())
                since_fresh.append(looked_at(home, before, [], result))
                say(f"{done:4} {since_fresh[-1].path}: {'; '.join(since_fresh[-1].lines) or 'nothing lost'}")
            code, lines = featcx(home, "run", str(study), log=log)
            yield from finished(home, truth, since_fresh, code, lines)
        finally:
            disk.close()


def _off(disk: LoopDisk, command: Command) -> None:
    disk.shut_down()
    command.kill()
    disk.start_again()
