"""Dagster's own folder: `FEATCX_HOME/dagster`, with settings written by featcx."""

import os
from pathlib import Path

import dagster as dg

from featcx_core.store import write_bytes

SETTINGS = """\
# Written by featcx; edits are kept.
telemetry: {enabled: false}
nux: {enabled: false}
concurrency:
  pools: {granularity: run, default_limit: 1}   # one run at a time computes: one GPU, or all cores
  runs: {max_concurrent_runs: 4}
retention:
  schedule: {purge_after_days: {skipped: 1, failure: 30, success: 30, started: 30}}
  sensor: {purge_after_days: {skipped: 1, failure: 30, success: 30, started: 30}}
"""


def dagster_home(home: Path) -> Path:
    """The folder, with its settings."""
    folder = home / "dagster"
    if not (folder / "dagster.yaml").exists():
        write_bytes(folder / "dagster.yaml", SETTINGS.encode())
    return folder


def environment(home: Path) -> dict[str, str]:
    """Environment of Dagster's processes."""
    return {**os.environ, "FEATCX_HOME": str(home), "DAGSTER_HOME": str(dagster_home(home))}


def instance(home: Path) -> dg.DagsterInstance:
    """The instance whose runs the web UI shows."""
    return dg.DagsterInstance.from_config(str(dagster_home(home)))
