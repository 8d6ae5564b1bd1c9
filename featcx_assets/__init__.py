"""featcx_assets: what runs when, where it is stored, what the web UI shows."""

import os
import warnings

import dagster as dg

# Threads that wait for each other spin for tens of microseconds and then sleep. GNU's OpenMP spins for milliseconds by
# default, which made a step ten times slower beside other work on the machine; never to spin (OMP_WAIT_POLICY=PASSIVE)
# made the dictionary a quarter slower without. In between, on two cores, codes of noisy images took 9.9 s with 1,000
# turns, 8.9 with 3,000 and 8.1 with 10,000; beside one other busy process 15.9, 17.7 and 23.5, by default 26.1.
# Read when torch is first imported, which is after this package.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

# Backfill policies and the mapping of a grid to its epochs are "beta" in Dagster 1.13; its family is pinned to one
# release, so what the warning warns of cannot happen here. Without this line every asset prints it twice.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
