"""`python -m tests.benchmarks`: measures everything below against its peers and writes one table.

Each part runs in its own process, so that no part inherits another's memory, threads or caches. What a part has
measured is kept if another one fails.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.benchmarks.table import Row, markdown

PARTS = {
    "a": "extraction",
    "b": "factorisation",
    "c": "coding",
    "d": "information",
    "e": "memory",
    "f": "orchestration",
    "h": "epoch",
    "i": "training",
    "j": "paper_size",
    "k": "folders",
    "l": "branches",
    "m": "explorer",
    "n": "properties",
    "o": "similarity",
    "p": "directions",
}
KEEP = {"MALLOC_TRIM_THRESHOLD_": str(4 << 30), "MALLOC_MMAP_THRESHOLD_": str(4 << 30)}
"""To the C library: keep memory that was freed. Whether it gives pages back between two calls is chance otherwise, and
decided up to a fifth of a ratio."""
ROOT = Path(__file__).resolve().parents[2]


@click.command()
@click.option("--only", default=",".join(PARTS), show_default=True, help="Parts, for instance b,c.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--output", type=click.Path(path_type=Path), help="Markdown page to write; else it is printed.")
def main(only: str, device: str, output: Path | None) -> None:
    """Measure, and write the table."""
    start, rows, failed = time.monotonic(), list[Row](), list[str]()
    for part in only.split(","):
        click.echo(f"{part}: {PARTS[part]}", err=True)
        begun = time.monotonic()
        found = _run(part, device)
        rows += found
        failed += [] if found else [part]
        click.echo(f"   {time.monotonic() - begun:.0f} s", err=True)
        for row in found:
            click.echo(f"   {row.what}: {row.ours} | {row.peer} | {row.ratio} | {row.limit} | {row.note}", err=True)
    options = "".join([f" --only {only}" if only != ",".join(PARTS) else "", f" --device {device}" * (device != "cpu")])
    minutes = (time.monotonic() - start) / 60
    text = markdown(rows, command=f"python -m tests.benchmarks{options}", device=device, minutes=minutes)
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        click.echo(text)
    if failed:
        raise click.ClickException(f"no figures of {', '.join(failed)}; see above")


def _run(part: str, device: str) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="featcx-benchmark-") as folder:
        result = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "tests.benchmarks.part", PARTS[part], device, str(result)]
        environment = {**os.environ, **KEEP, "TMPDIR": folder}
        subprocess.run(command, cwd=ROOT, env=environment, check=False)
        return [Row(**row) for row in json.loads(result.read_text())] if result.exists() else []


if __name__ == "__main__":
    main()
