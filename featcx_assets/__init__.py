"""featcx_assets: what runs when, where it is stored, what the web UI shows."""

import os
import warnings

import dagster as dg

# Threads that wait shall sleep: beside other work on the machine, spinning ones made a training step ten times slower.
# Read when torch is first imported, which is after this package.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Backfill policies and the mapping of a grid to its epochs are "beta" in Dagster 1.13; its family is pinned to one
# release, so what the warning warns of cannot happen here. Without this line every asset prints it twice.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
