"""`python -m tests.faults`: the seeded campaign against what lies on disk; prints one table."""

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.faults.campaign import campaign, table_of


def main() -> int:
    """Run the campaign; 1 where anything went silently wrong, was lost or crashed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n", type=int, default=500, help="number of corruptions")
    parser.add_argument("--folder", type=Path, help="kept between calls, so that the study is made once")
    arguments = parser.parse_args()
    logging.getLogger("featcx").propagate = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        results = list(
            campaign(
                folder, seed=arguments.seed, n=arguments.n, say=lambda line: print(line, file=sys.stderr, flush=True)
            )
        )
    print(table_of(results))
    bad = [result for result in results if result.outcome in ("silent", "lost", "crashed")]
    for result in bad:
        print(f"\n{result.outcome}: {result.kind}, {result.operation}, {result.path}")
        for line in result.lines:
            print(f"    {line}")
    return int(bool(bad))


sys.exit(main())
