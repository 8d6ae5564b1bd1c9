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

import numpy as np

from featcx_core.analyses.activations.make import record_activations
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.training import train_epochs
from featcx_core.store.places import Store, open_store
from featcx_core.study.files import load_study
from tests.benchmarks.inputs import study_on_noise
from tests.benchmarks.library import analyse_epochs, analyse_study, describe_epoch, measure_epoch
from tests.benchmarks.pairs import Ratio, timed
from tests.benchmarks.postgres import running_postgres
from tests.benchmarks.table import Row

LAYERS = 17
EPOCHS, TRAINED = 5, 3
"""Epochs of the study, fewer than the default's to save time; those that are trained: the later checkpoints are copies of
the last, whose analysis is the same work."""
NAME = "digits"


def measure(device: str) -> list[Row]:
    """The default study from checkpoints on (training, the same on both sides, left out), and 1,530 partitions."""
    home = Path(tempfile.mkdtemp(prefix="home-"))
    store = _checkpoints(home, device)
    copies = [Path(shutil.copytree(home, home.with_name(f"{home.name}-{place}"))) for place in ("before", "after")]
    before = _in_a_process(copies[0], device)
    used = _cpu_of_children()
    run = timed(lambda: _featcx(home, "run", store.study.name, "--device", device))
    used = _cpu_of_children() - used
    after = _in_a_process(copies[1], device)
    spent = {name: (before[name] + after[name]) / 2 for name in before}
    ratio, cpu = (
        Ratio.of(ours / np.array([at[name] for at in (before, after)]))
        for ours, name in ((run, "whole"), (used, "cpu"))
    )
    nothing = timed(lambda: _featcx(home, "run", store.study.name))
    share, of_whole = (spent["further"] / (spent[part] / (EPOCHS + 1)) for part in ("epochs", "whole"))
    return [
        Row(
            "f",
            f"`featcx run` of the default study with {EPOCHS + 1} checkpoints, from these on",
            f"{run:.0f} s",
            f"{spent['whole']:.0f} s (the same library calls, without Dagster)",
            f"{ratio} times its time",
            "≤ 1.15",
            ratio.median <= 1.15,
            note=f"against the calls before it and after it; {cpu} times their CPU seconds; training left out, start "
            "included on both sides; "
            f"{_megabytes(home / 'dagster'):.0f} MB of run history",
        ),
        Row(
            "g",
            "one more checkpoint: its analysis",
            f"{spent['further']:.1f} s",
            f"{spent['epochs'] / (EPOCHS + 1):.1f} s (one epoch's share of what is made of every epoch)",
            f"{share:.2f} times",
            "≤ 1.2",
            share <= 1.2,
            note=f"{of_whole:.2f} times one epoch's share of the whole, detailed analyses and figures included",
        ),
        Row("f", "`featcx run` with nothing to do", f"{nothing:.1f} s", wanted="< 10 s", reached=nothing < 10),
        _definitions(home),
        *_partitions(device),
    ]


def _checkpoints(home: Path, device: str) -> Store:
    """The default study with a checkpoint of every epoch, and nothing else."""
    study = load_study("mnist")
    training = study.training.model_copy(update={"epochs": EPOCHS, "save": ()})
    store = register(study.model_copy(update={"name": NAME, "training": training}), home=home)
    fingerprint = Snapshot(store).fingerprint(Partition("training"))
    for epoch in train_epochs(store, fingerprint=fingerprint, device=device):
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
            rows.append(_many(device, 15, "PostgreSQL", server.variables, lambda store: server.megabytes()))
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
    bare = timed(lambda: [record_activations(store, epoch=epoch, device=device) for epoch in Snapshot(store).epochs])
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


def _by_hand(home: Path, device: str, begun: float) -> dict[str, float]:
    store = open_store(home, NAME)
    start = time.monotonic()
    epochs = analyse_epochs(store, device=device)
    of_epochs = time.monotonic() - start
    analyse_study(store, epochs, device=device)
    whole, cpu = time.time() - begun, time.process_time()
    shutil.copy(store.checkpoint(EPOCHS), store.checkpoint(EPOCHS + 1))

    def further() -> None:
        describe_epoch(store, EPOCHS + 1, device=device)
        measure_epoch(store, EPOCHS + 1, device=device)

    return {"whole": whole, "cpu": cpu, "epochs": of_epochs, "further": timed(further)}


def _in_a_process(home: Path, device: str) -> dict[str, float]:
    """Seconds of the library calls, from the start of a fresh process on, its imports included."""
    command = [sys.executable, "-m", "tests.benchmarks.orchestration", str(home), device, str(time.time())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _cpu_of_children() -> float:
    """CPU seconds, of all threads, of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_by_hand(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))))
