"""`python -m tests.faults`: the seeded campaign against what lies on disk; prints one table.

`--part` names its parts: corruptions, kills, disks (full ones), cuts (of power), planted (for `featcx verify`), backups,
hostile. Disks and cuts mount small disks of their own, and need the rights to.
"""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.faults.campaign import campaign
from tests.faults.cuts import cuts
from tests.faults.full_disk import full_disks
from tests.faults.hostile import hostile
from tests.faults.kills import kills
from tests.faults.results import BAD, Result, table_of
from tests.faults.verified import backups, planted

PARTS: dict[str, tuple[Callable[..., Iterator[Result]], int]] = {
    "corruptions": (campaign, 500),
    "kills": (kills, 60),
    "disks": (full_disks, 10),
    "cuts": (cuts, 60),
    "planted": (planted, 100),
    "backups": (backups, 3),
    "hostile": (hostile, 100),
}
"""Each part, and how many faults it is by default."""


def main() -> int:
    """Run the campaign; 1 where anything went silently wrong, was lost or crashed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="append", choices=PARTS, help="repeatable; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n", type=int, help="number of faults of each part")
    parser.add_argument("--folder", type=Path, help="kept between calls, so that the study is made once")
    arguments = parser.parse_args()
    logging.getLogger("featcx").propagate = False
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.part or PARTS:
            part, n = PARTS[name]
            folder = (arguments.folder or Path(temporary)) / name
            folder.mkdir(parents=True, exist_ok=True)
            results += part(folder, seed=arguments.seed, n=arguments.n or n, say=_say)
    print(table_of(results))
    bad = [result for result in results if result.outcome in BAD]
    for result in bad:
        print(f"\n{result.outcome}: {result.kind}, {result.operation}, {result.path}")
        for line in result.lines:
            print(f"    {line}")
    return int(bool(bad))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
