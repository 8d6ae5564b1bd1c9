"""featcx_assets: what runs when, where it is stored, what the web UI shows."""

import os
import warnings

import dagster as dg

# Threads that wait for each other spin for tens of microseconds and then sleep. GNU's OpenMP spins for milliseconds by
# default, which made a step ten times slower beside other work on the machine; never to spin (OMP_WAIT_POLICY=PASSIVE)
# made the dictionary a quarter slower without. Read when torch is first imported, which is after this package.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Backfill policies and the mapping of a grid to its epochs are "beta" in Dagster 1.13; its family is pinned to one
# release, so what the warning warns of cannot happen here. Without this line every asset prints it twice.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
