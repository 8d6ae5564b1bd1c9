"""(f) What Dagster costs: the default study, a run with nothing to do, the definitions, many small partitions.

(g) What a further checkpoint costs against one epoch's share of the whole.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from featcx_core.features.activations import record_activations
from featcx_core.sources.checkpoints import survey
from featcx_core.sources.register import register
from featcx_core.sources.training import train_epochs
from featcx_core.store import Store, open_store
from featcx_core.study_files import load_study
from tests.benchmarks.inputs import study_on_noise
from tests.benchmarks.library import analyse, describe_epoch, measure_epoch
from tests.benchmarks.pairs import timed
from tests.benchmarks.postgres import running_postgres
from tests.benchmarks.table import Row

LAYERS = 17
TRAINED = 3
"""Epochs that are trained; the later checkpoints are copies of the last, whose analysis is the same work."""
_STARTED = time.monotonic()


def measure(device: str) -> list[Row]:
    """The default study from its checkpoints on (training, the same on both sides, left out), and 1,530 partitions."""
    home = Path(tempfile.mkdtemp(prefix="home-"))
    store = _checkpoints(home, device)
    by_hand = Path(shutil.copytree(home, home.with_name(f"{home.name}-by-hand")))
    command = [sys.executable, "-m", "tests.benchmarks.orchestration", str(by_hand), device]
    spent = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    before = _cpu_of_children()
    run = timed(lambda: _featcx(home, "run", "--device", device))
    ratio, cpu = run / spent["whole"], (_cpu_of_children() - before) / spent["cpu"]
    nothing = timed(lambda: _featcx(home, "run"))
    shutil.copy(store.checkpoint(12), store.checkpoint(13))
    further = timed(lambda: _featcx(home, "run", "--device", device))
    share = spent["further"] / (spent["whole"] / 13)
    return [
        Row(
            "f",
            "`featcx run` of the default study, from its 13 checkpoints on",
            f"{run:.0f} s",
            f"{spent['whole']:.0f} s (the same library calls, without Dagster)",
            f"{ratio:.2f} times its time",
            "≤ 1.15",
            ratio <= 1.15,
            note=f"one pair; {cpu:.2f} times its CPU seconds, which other work on the machine changes less; training left "
            f"out, start included on both sides; {_megabytes(home / 'dagster'):.0f} MB of run history",
        ),
        Row(
            "g",
            "a 14th checkpoint: its analysis",
            f"{spent['further']:.1f} s",
            f"{spent['whole'] / 13:.1f} s (one epoch's share of the whole)",
            f"{share:.2f} times",
            "≤ 1.2",
            share <= 1.2,
            note=f"`featcx run` with start, curves over all epochs, figures and report: {further:.0f} s",
        ),
        Row("f", "`featcx run` with nothing to do", f"{nothing:.1f} s", wanted="< 10 s", reached=nothing < 10),
        _definitions(home),
        *_partitions(device),
    ]


def _checkpoints(home: Path, device: str) -> Store:
    """The default study with a checkpoint of every epoch, and nothing else."""
    store = register(load_study("mnist"), home=home)
    for epoch in train_epochs(store, device=device):
        if epoch == TRAINED:
            break
    for epoch in range(TRAINED + 1, store.study.training.epochs + 1):
        shutil.copy(store.checkpoint(TRAINED), store.checkpoint(epoch))
    return store


def _definitions(home: Path) -> Row:
    code = "import featcx_assets.definitions as d; d.defs.resolve_all_job_defs()"
    environment = {**os.environ, "FEATCX_HOME": str(home)}

    def load(code: str) -> float:
        command = [sys.executable, "-c", code]
        return min(timed(lambda: subprocess.run(command, check=True, env=environment)) for _ in range(3))

    whole, dagster = load(code), load("import dagster")
    return Row(
        "f",
        "loading the definitions in a fresh process",
        f"{whole:.1f} s",
        f"{dagster:.1f} s (`import dagster` alone)",
        wanted="< 3 s",
        reached=whole < 3,
    )


def _partitions(device: str) -> list[Row]:
    """Tiny work, so that what is left is Dagster's; on PostgreSQL fewer of them."""
    rows = [_many(device, 90, "SQLite", {}, lambda store: _megabytes(store.home / "dagster"), aim=60)]
    with running_postgres() as server:
        if server is not None:
            rows.append(_many(device, 30, "PostgreSQL", server.variables, lambda store: server.megabytes()))
    return rows


def _many(
    device: str,
    epochs: int,
    kept_in: str,
    variables: Mapping[str, str],
    size: Callable[[Store], float],
    *,
    aim: float | None = None,
) -> Row:
    store = study_on_noise(
        source="builtin:small_resnet",
        side=8,
        channels=1,
        classes=2,
        train=40,
        probe=40,
        epochs=epochs - 1,
        arguments={"widths": [4, 8], "blocks": 8},
        atoms=2,
    )
    assert len(store.anatomy.names) == LAYERS
    command = ["run", "noise", "--device", device, "--only"]
    _featcx(store.home, *command, "checkpoint", **variables)
    before = size(store)
    run = timed(lambda: _featcx(store.home, *command, "activations", **variables))
    growth = size(store) - before
    idle = timed(lambda: _featcx(store.home, *command, "activations", **variables))
    shutil.rmtree(store.root / "activations")
    bare = timed(lambda: [record_activations(store, epoch=epoch, device=device) for epoch in survey(store).digests])
    count = epochs * LAYERS
    each = (run - bare) / count * 1000
    return Row(
        "f",
        f"orchestration of {count:,} partitions ({epochs} epochs × {LAYERS} layers), on {kept_in}",
        f"{each:.0f} ms a partition",
        f"{bare:.0f} s of {run:.0f} s (the work itself)",
        wanted=f"≤ {aim:.0f} ms" if aim else "",
        reached=each <= aim if aim else None,
        note=f"start included; history grows by {growth * 1000 / count:.1f} kB a partition; "
        f"then a run with nothing to do: {idle:.1f} s",
    )


def _featcx(home: Path, *arguments: str, **variables: str) -> None:
    command = [sys.executable, "-c", "from featcx_assets.cli import main; main()", *arguments]
    result = subprocess.run(
        command, env={**os.environ, "FEATCX_HOME": str(home), **variables}, capture_output=True, text=True
    )
    if result.returncode:
        raise RuntimeError(f"featcx {' '.join(arguments)}: {result.stderr}")


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _by_hand(home: Path, device: str) -> dict[str, float]:
    store = open_store(home, "mnist")
    analyse(store, device=device)
    whole, cpu = time.monotonic() - _STARTED, time.process_time()
    shutil.copy(store.checkpoint(12), store.checkpoint(13))

    def further() -> None:
        describe_epoch(store, 13, device=device)
        measure_epoch(store, 13, device=device)

    return {"whole": whole, "cpu": cpu, "further": timed(further)}


def _cpu_of_children() -> float:
    """CPU seconds, of all threads, of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_by_hand(Path(sys.argv[1]), sys.argv[2])))
