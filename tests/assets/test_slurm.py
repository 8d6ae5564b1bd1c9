"""`featcx run --on slurm` on a real Slurm of two nodes, all on this machine."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from featcx_assets.cluster.outstanding import at_work
from featcx_assets.cluster.record import Jobs, Progress, progress_of, read_jobs, records
from featcx_assets.dagster_home import instance
from featcx_assets.partitions import asset_key, partition_key
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.parquet import read_rows
from featcx_core.store.places import Store, open_store
from tests.assets.command import featcx, refused
from tests.assets.slurm import Cluster, cluster, lacking

pytestmark = pytest.mark.skipif(bool(lacking()), reason=f"Slurm's programs are not here: {', '.join(lacking())}")

ASKED = ("decode_time", "stability")
COMMAND = ("run", "tiny", *(word for name in ASKED for word in ("--only", name)), "--device", "cpu", "--on", "slurm")
CLUSTER = """
[cluster]
tasks = 2
epochs_per_task = 1
hours = 1.0
cpus = 1
memory_gb = 1.0
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    (tmp_path / "slurm").mkdir()
    with cluster(tmp_path / "slurm") as started:
        for name in ("PATH", "SLURM_CONF"):
            monkeypatch.setenv(name, started.env[name])
        yield started


@pytest.fixture
def trained(finished_home: Path, empty_home: Path) -> Store:
    """The tiny study with its checkpoints, of which nothing else is made."""
    for name in ("study.toml", "layers.json", "checkpoints"):
        source, place = finished_home / "tiny" / name, empty_home / "tiny" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, place)
    study = empty_home / "tiny" / "study.toml"
    study.write_text(study.read_text() + CLUSTER)
    return open_store(empty_home, "tiny")


def until(
    seen: Callable[[], bool], *, what: str, process: subprocess.Popen[str] | None = None, seconds: float = 900
) -> None:
    """Poll until something is seen; at once an error where the process ends before."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert process is None or process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def latest(store: Store) -> tuple[Jobs, list[Progress]]:
    folder = records(store)[-1]
    jobs = read_jobs(folder)
    return jobs, progress_of(folder, jobs)


def all_submitted(store: Store) -> bool:
    jobs, _ = latest(store)
    return len(jobs.ids) == len(jobs.tasks)


def half_made(store: Store) -> list[int]:
    """Tasks of epochs that have committed something and still run."""
    if not records(store):
        return []
    jobs, progress = latest(store)
    return [
        t.number
        for t in jobs.tasks
        if t.kind == "epochs" and progress[t.number].made and not progress[t.number].is_ended
    ]


@contextmanager
def submitting() -> Iterator[subprocess.Popen[str]]:
    """`featcx run --on slurm` in a process of its own."""
    # What runs the tests in the background ignores Ctrl-C, and its children with it; these hear it.
    hearing = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{hearing}; from featcx_assets.cli import main; main()", *COMMAND]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.timeout(1800)  # a minute; many on a machine that does other things
def test_two_nodes_make_a_study_whatever_fails(slurm: Cluster, trained: Store, finished_home: Path):
    with submitting() as process:
        until(lambda: bool(half_made(trained)), what="a task is half made", process=process)
        process.send_signal(signal.SIGKILL)
        said = process.stderr.read() if process.stderr else ""
    jobs, progress = latest(trained)
    (victim, *_) = half_made(trained)
    slurm.fail_node(progress[victim].host)
    cancelled = next(t.number for t in reversed(jobs.tasks) if t.kind == "epochs" and t.number != victim)
    slurm.asked("scancel", jobs.ids[cancelled])
    assert said.splitlines()[0] == (
        f"jobs {', '.join(dict.fromkeys(name.partition('_')[0] for name in jobs.ids))}: "
        "concepts of epoch 2, 3 epochs in 3 tasks, what spans all epochs"
    )

    # The jobs go on: they keep others out, and Slurm puts back into its queue what ran on the node.
    assert at_work(trained)
    assert "`featcx run tiny --on slurm` follows them, with --cancel it ends them" in refused("run", "tiny")
    queued = ("squeue", "--array", "--noheader", "--format", "%i %T")
    until(lambda: f"{jobs.ids[victim]} PENDING" in slurm.asked(*queued).splitlines(), what="put back into the queue")
    slurm.asked("scontrol", "update", f"JobId={jobs.ids[victim]}", "StartTime=now")  # not after two minutes
    followed = featcx(*COMMAND)
    assert followed.exit_code == 1
    epoch = jobs.tasks[cancelled].epochs[0]
    assert f"failed: job {jobs.ids[cancelled]} (epochs {epoch}) " in followed.stderr
    assert latest(trained)[1][victim].starts == 2
    left = {place.epoch for name in ASKED for place in Snapshot(trained, also=ASKED).stale(catalogue()[name])}
    assert left <= {epoch, -1}

    resumed = featcx(*COMMAND)
    assert resumed.exit_code == 0, resumed.output
    assert [task.epochs for task in latest(trained)[0].tasks if task.kind == "epochs"] == [(epoch,)]
    assert not at_work(trained)
    as_in_a_plain_run(trained, open_store(finished_home, "tiny"))
    is_told(trained)


def as_in_a_plain_run(store: Store, plain: Store) -> None:
    """Every table of an epoch that was made has the rows of the plain run, value by value."""
    n_rows = 0
    for path in store.root.glob("tables/*/0*.parquet"):
        drop = ["study", "fingerprint"]
        made, wanted = (read_rows(s.root / path.relative_to(store.root)) for s in (store, plain))
        assert (made["fingerprint"] == wanted["fingerprint"]).all(), path
        pd.testing.assert_frame_equal(made.drop(columns=drop), wanted.drop(columns=drop), check_exact=True)
        n_rows += len(made)
    assert n_rows > 100
    assert not any(Snapshot(store, also=ASKED).stale(catalogue()[name]) for name in ASKED)


def is_told(store: Store) -> None:
    """The web UI shows each partition as made, with the job and the node that made it."""
    with instance(store.home) as dagster:
        for place in (Partition("activations", 1, "stem"), Partition("codes", 0), Partition("decode_time")):
            key = partition_key(place) if place.epoch >= 0 else None
            filters = dg.AssetRecordsFilter(asset_key("tiny", place.artefact), asset_partitions=[key] if key else None)
            event = dagster.fetch_materializations(filters, limit=1).records[0].asset_materialization
            assert event.metadata["fingerprint"].value == Snapshot(store, also=ASKED).fingerprint(place)
            assert str(event.metadata["made by"].value).startswith("slurm job ")
        runs = dagster.get_runs()
        assert all(run.status == dg.DagsterRunStatus.SUCCESS for run in runs)
        assert {"featcx/jobs", "featcx/stage"} <= runs[0].tags.keys()


@pytest.mark.timeout(1800)
def test_jobs_are_cancelled_and_refused(slurm: Cluster, trained: Store):
    slurm.asked("scontrol", "update", "PartitionName=main", "State=DOWN")  # jobs wait
    with submitting() as process:
        until(lambda: bool(at_work(trained)) and all_submitted(trained), what="jobs wait", process=process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert "go on; `featcx run tiny --on slurm` follows them, `featcx run tiny --on slurm --cancel` ends them" in said
    assert process.returncode == 1

    cancelled = featcx(*COMMAND, "--cancel")
    assert "cancelled; what is made stays, `featcx run tiny --on slurm` goes on" in cancelled.stderr
    until(lambda: not at_work(trained), what="the queue is empty")
    assert refused(*COMMAND, "--cancel") == "Error: no jobs of study tiny wait or run"

    study = trained.study_path
    study.write_text(study.read_text().replace("cpus = 1", "cpus = 99"))
    rejected = featcx(*COMMAND)
    assert rejected.exit_code == 2
    assert rejected.stderr.splitlines()[-1].startswith("Error: Slurm refuses the job: "), rejected.stderr
    assert not slurm.asked("squeue", "--noheader")
