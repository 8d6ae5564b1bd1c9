"""The table: what was measured, against what, and whether the aim was reached."""

import platform
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch

PACKAGES = ("featcx", "torch", "numpy", "scipy", "scikit-learn", "overcomplete", "dagster", "zarr", "duckdb")


INTRODUCTION = """\
# How fast it is, and against what

One command measures everything below in one go and writes this page (`pip install -e '.[test,bench]'` first):

```console
$ python -m tests.benchmarks --output docs/benchmarks.md
```

Ours and the peer's take turns, and each part runs in a process of its own. Peers get the same data and end at an equal
or better result, or the note says by how much they do not. *Extrapolated* means: timed on fewer items and multiplied.
Before each timing the other's threads have gone to sleep, and for both sides the C library keeps freed memory (but where
memory is what is measured).
Timings of a shared machine are noisy: believe the ratios, and their range. Where the time goes, and why some aims were
missed: [performance.md](performance.md).

"""


class Row(NamedTuple):
    """A line of the table."""

    part: str
    """Letter of the aim."""
    what: str
    """What was done, with its size."""
    ours: str
    """Our figure, with its unit."""
    peer: str = ""
    """The peer's figure, and who it is."""
    ratio: str = ""
    """Which of both is how many times the other, with the range over the pairs."""
    wanted: str = ""
    """The aim; empty where the figure is for information."""
    reached: bool | None = None
    """Whether it was."""
    limit: str = ""
    """The physical limit, and which share of it is used."""
    note: str = ""
    """What a reader must know to believe it."""


def markdown(rows: Sequence[Row], *, command: str, device: str, minutes: float) -> str:
    """The table and what it was measured with."""
    head = "| | what | ours | peer | ratio | aim | limit | note |\n|---|---|---|---|---|---|---|---|\n"
    lines = [
        f"| {r.part} | {r.what} | {r.ours} | {r.peer} | {r.ratio} | {_aim(r)} | {r.limit} | {r.note} |" for r in rows
    ]
    return INTRODUCTION + head + "\n".join(lines) + "\n\n" + _made_with(command, device, minutes) + "\n"


def _aim(row: Row) -> str:
    mark = {True: ": reached", False: ": **missed**", None: ""}[row.reached]
    return row.wanted + mark


def _made_with(command: str, device: str, minutes: float) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Measured on {date.today():%Y-%m-%d} with `{command}` in {minutes:.0f} minutes, on {machine(device)}. "
        f"Python {platform.python_version()}, {versions}. Ratios are medians over pairs that took turns, with their "
        "range in brackets."
    )


def machine(device: str) -> str:
    """The machine in words."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
