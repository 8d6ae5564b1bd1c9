"""Plans, records and engines of several processes; a real Slurm is in test_slurm.py."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from featcx_assets import automation
from featcx_assets.cluster import following, local, outstanding, running, slurm, task
from featcx_assets.cluster.engine import State
from featcx_assets.cluster.following import follow
from featcx_assets.cluster.local import Local, visible_gpus
from featcx_assets.cluster.outstanding import at_work, refuse_at_work
from featcx_assets.cluster.plan import Pace, plan, read_of_reference, read_pace, stretches, write_pace
from featcx_assets.cluster.record import (
    Jobs,
    Missed,
    Progress,
    Task,
    new_record,
    read_jobs,
    read_progress,
    records,
    write_jobs,
    write_progress,
)
from featcx_assets.cluster.slurm import Slurm, parameters
from featcx_assets.cluster.task import MakeTask, make_task
from featcx_core.analyses.complexity import make as complexity_make
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.given import Given
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.parquet import read_rows
from featcx_core.store.places import Store, open_store
from featcx_core.study.cluster import ClusterSettings
from featcx_core.study.fields import Study, StudyError
from tests.assets.command import featcx, refused


def jobs_of(*tasks: Task, **values: object) -> Jobs:
    about = {"engine": "slurm", "host": "h", "device": "cpu", "only": (), "epochs": (), "n_parts": 0}
    return Jobs.model_validate(about | {"tasks": tasks, "ids": tuple(f"7_{t.number}" for t in tasks)} | values)


def kinds(tasks: tuple[Task, ...]) -> list[tuple[str, tuple[int, ...]]]:
    assert [task.number for task in tasks] == list(range(len(tasks)))
    return [(task.kind, task.epochs) for task in tasks]


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home, "tiny")


def forget(store: Store, *tables: str) -> None:
    """Delete rows, so that what made them is stale."""
    for name in tables:
        for path in (store.root / "tables" / name).glob("*.parquet"):
            path.unlink()


# -- settings ----------------------------------------------------------------------------------------------------------


def test_the_cluster_part_makes_nothing_stale_and_differs_in_no_setting():
    study = Study(name="any")
    other = Study(name="any", cluster=ClusterSettings(tasks=3, gpus=1, sbatch={"qos": "long"}))
    assert other.settings == study.settings
    assert not any(field.partition(".")[0] == "cluster" for artefact in catalogue() for field in artefact.fields)


def test_it_is_no_field_of_a_sweep(tmp_path: Path):
    path = tmp_path / "s.toml"
    path.write_text('name = "s"\n[sweep]\n"cluster.tasks" = [1, 2]\n')
    assert refused("run", str(path)).startswith(f"Error: {path}: unknown field cluster.tasks in [sweep]; ")


def test_options_reach_sbatch():
    asked = ClusterSettings(
        hours=1.5, gpus=2, partition="fast", cpus=3, memory_gb=0.5, tasks=5, setup=("module load x",)
    )
    options = parameters(asked.model_copy(update={"sbatch": {"mail_user": "me"}}), name="n")
    wanted = {"job_name": "n", "time": 90, "gpus_per_node": 2, "partition": "fast", "cpus_per_task": 3, "mem": "512MB"}
    assert wanted.items() <= options.items()
    assert options["array_parallelism"] == 5
    assert options["additional_parameters"] == {"requeue": True, "mail-user": "me"}
    assert options["setup"][-1] == "module load x"
    assert {"account", "gpus_per_node"}.isdisjoint(parameters(ClusterSettings(), name="n"))


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_a_finished_study_needs_no_tasks(store: Store):
    assert plan(Snapshot(store), only=(), epochs=(), side_by_side=2, pace=None) == ()


def test_a_study_that_trains_itself(store: Store):
    for path in store.checkpoints.glob("*"):
        path.unlink()
    tasks = plan(Snapshot(store), only=(), epochs=(), side_by_side=2, pace=None)
    wanted = [("before", ()), ("reference", (2,)), ("epochs", (0, 1)), ("epochs", (2,)), ("across", ())]
    assert kinds(tasks) == wanted
    assert set(tasks[1].only) == set(read_of_reference(Snapshot(store))) >= {"codes", "activations"}


def test_only_what_is_stale_is_planned(store: Store):
    forget(store, "complexity")
    snapshot = Snapshot(store)
    tasks = plan(snapshot, only=(), epochs=(), side_by_side=2, pace=None)
    assert kinds(tasks) == [("reference", (2,)), ("epochs", (0, 1)), ("epochs", (2,)), ("across", ())]
    tasks = plan(snapshot, only=(), epochs=(1,), side_by_side=2, pace=None)
    assert kinds(tasks) == [("epochs", (1,)), ("across", ())]
    forget(store, "sedimentation")
    tasks = plan(Snapshot(store), only=("sedimentation",), epochs=(0,), side_by_side=2, pace=None)
    assert kinds(tasks) == [("epochs", (0,)), ("across", ())]


def test_a_task_is_as_long_as_keeps_its_start_short():
    epochs = list(range(90))
    for seconds, length in ((600.0, 1), (80.0, 2), (10.0, 16)):
        dealt = stretches(epochs, settings="auto", pace=Pace(seconds, 8.0), at_once=4)
        assert {len(stretch) for stretch in dealt[:-1]} == {length}
        assert 8.0 / (8.0 + length * seconds) <= 0.05
        assert [epoch for stretch in dealt for epoch in stretch] == epochs
    assert len(stretches(epochs, settings="auto", pace=Pace(0.1, 8.0), at_once=4)) == 4  # all have something to do
    assert len(stretches(epochs, settings=7, pace=None, at_once=4)) == 13
    assert stretches([], settings="auto", pace=None, at_once=4) == []


def test_the_pace_is_that_of_the_last_tasks(store: Store):
    assert read_pace(store) is None
    one = Progress(starts=1, start_seconds=6.0, seconds={2: 10.0})
    other = Progress(starts=1, start_seconds=8.0, seconds={0: 4.0, 1: 6.0, 2: 20.0, -1: 99.0})
    write_pace(store, [one, other, Progress()])
    assert read_pace(store) == Pace(epoch_seconds=6.0, start_seconds=7.0)
    write_pace(store, [Progress()])
    assert read_pace(store) == Pace(epoch_seconds=6.0, start_seconds=7.0)


def test_no_two_tasks_have_a_partition_in_common():
    """What a task of an epoch commits is of that epoch: what it reads of the reference epoch is there, or is made before."""
    of_epochs = [artefact for artefact in catalogue() if artefact.has_epochs]
    for artefact in of_epochs:
        for need in catalogue().needs(artefact):
            assert need.epochs in ("matching", "reference"), f"{artefact.name} reads other epochs"
            assert need.artefact.has_epochs or need.uses == "order", f"{artefact.name} reads what spans epochs"


# -- a task ------------------------------------------------------------------------------------------------------------


def test_a_task_makes_its_epochs_and_nothing_that_others_write(store: Store, monkeypatch: pytest.MonkeyPatch):
    rows = {epoch: read_rows(store.table("complexity", f"00000{epoch}")) for epoch in (0, 1)}
    forget(store, "complexity", "importance")
    kept = (store.current_path, store.digests_path, store.home / "featcx.duckdb", store.home / "dagster")
    for path in kept[1:3]:
        path.unlink()
    before = store.current_path.stat().st_mtime_ns, sorted(kept[3].rglob("*"))
    locks = []
    monkeypatch.setattr(Store, "lock", lambda *a: locks.append(a))
    folder = new_record(store, jobs_of(Task(number=0, kind="epochs", epochs=(0, 1))))
    progress = make_task(store, folder, 0)
    assert progress == read_progress(folder, 0)
    assert progress.is_ended
    assert not progress.missed
    made = {(p.artefact, p.epoch) for p in progress.made}
    assert made == {(name, epoch) for name in ("complexity", "importance") for epoch in (0, 1)}
    for epoch, wanted in rows.items():
        pd.testing.assert_frame_equal(read_rows(store.table("complexity", f"00000{epoch}")), wanted, check_exact=True)
    assert not store.table("complexity", "000002").exists()
    assert (store.current_path.stat().st_mtime_ns, sorted(kept[3].rglob("*"))) == before
    assert not any(path.exists() for path in kept[1:3])
    assert not locks  # none is trusted between nodes

    again = make_task(store, folder, 0)  # put back into the queue
    assert (again.starts, again.made) == (2, progress.made)


def test_a_task_names_what_it_could_not_make(store: Store, monkeypatch: pytest.MonkeyPatch):
    def fails(given: Given) -> None:
        raise ValueError("bad input") if given.epoch else RuntimeError("a defect")

    monkeypatch.setattr(complexity_make, "complexity_rows", fails)
    forget(store, "complexity")
    folder = new_record(store, jobs_of(Task(number=0, kind="epochs", epochs=(0, 1))))
    missed = {each.epoch: each for each in make_task(store, folder, 0).missed}
    assert missed[0].reason.startswith("epoch 0, complexity: RuntimeError: a defect (test_cluster.py, line ")
    assert missed[1] == Missed(artefact="complexity", epoch=1, reason="epoch 1: bad input", is_input=True)
    assert not missed[0].is_input


def test_a_task_without_progress_ends_itself_and_another_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(task, "make_task", lambda *_: None)
    folder = new_record(store, jobs_of(Task(number=0, kind="epochs", epochs=(0,))))
    made = MakeTask(folder, home=store.home, study="tiny")
    made(0)
    again = made.checkpoint(0)  # preempted after an instant
    assert (again.function.folder, again.args) == (folder, (0,))
    monkeypatch.setattr(task, "_MOST_OF", 0.0)
    made(0)
    with pytest.raises(SystemExit):
        made.checkpoint(0)
    (missed,) = read_progress(folder, 0).missed
    assert missed.reason == "task 0: nothing was finished within its time; raise cluster.hours in the study file"
    write_progress(folder, 0, Progress(made=(Partition("codes", 0),)))
    assert made.checkpoint(0).args == (0,)


# -- following ---------------------------------------------------------------------------------------------------------


class Played:
    """An engine whose answers are written down."""

    name = "slurm"
    outlives = True

    def __init__(self, folder: Path, *answers: dict[int, State] | None) -> None:
        self.folder, self.answers, self.cancelled = folder, list(answers), False

    def side_by_side(self, store: Store) -> int:
        return 2

    def states(self, jobs: Jobs) -> dict[int, State] | None:
        return self.answers.pop(0) if self.answers else {}

    def cancel(self, jobs: Jobs) -> None:
        self.cancelled = True


def test_following_says_what_changes_and_who_was_lost(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "_LAG_SECONDS", 0.0)
    tasks = (Task(number=0, kind="epochs", epochs=(0,)), Task(number=1, kind="epochs", epochs=(1, 2)))
    folder = new_record(store, jobs_of(*tasks, n_parts=9))
    write_progress(folder, 0, Progress(is_ended=True, made=(Partition("codes", 0), Partition("positions", 0, "stem"))))
    wait, run = State(is_running=False, says="Resources"), State(is_running=True, says="n1")
    engine, lines, pauses = Played(folder, {0: run, 1: wait}, {0: run, 1: wait}, None, {1: run}), [], []
    ended = follow(engine, folder, say=lines.append, pause=pauses.append)
    assert lines == [
        "0 of 2 tasks done, 1 running (n1), 1 waiting (Resources); 1 of 9 parts",
        "slurm does not answer; asking again",
        "1 of 2 tasks done, 1 running (n1); 1 of 9 parts",
    ]
    assert set(pauses) == {0.5}
    assert (ended.lost, ended.n_made) == ([tasks[1]], 1)
    (reason,) = running.reasons(ended)
    assert reason == (f"job 7_1 (epochs 1, 2) never began; {folder / 'logs'}; the same command goes on with it", False)


@pytest.mark.parametrize(("outlives", "says"), [(True, "go on"), (False, "ended; what is made stays, `featcx run")])
def test_ctrl_c_says_what_goes_on(store: Store, outlives: bool, says: str):  # noqa: FBT001 - a parameter of the test
    folder, lines = new_record(store, jobs_of(Task(number=0, kind="across"))), []

    class Interrupted(Played):
        def states(self, jobs: Jobs) -> dict[int, State]:
            raise KeyboardInterrupt

    engine = Interrupted(folder)
    engine.outlives = outlives
    with pytest.raises(KeyboardInterrupt):
        running.finished(store, folder, engine, say=lines.append)
    assert says in lines[0]
    assert engine.cancelled is not outlives


# -- what is outstanding -----------------------------------------------------------------------------------------------


def test_nobody_else_works_on_a_study_while_jobs_do(store: Store, monkeypatch: pytest.MonkeyPatch):
    folder = new_record(store, jobs_of(Task(number=0, kind="across")))
    for states in ({0: State(is_running=True)}, None):  # None: Slurm does not answer, so they may be
        monkeypatch.setattr(Slurm, "states", lambda self, jobs, states=states: states)
        assert at_work(store) == [folder]
        assert automation.is_being_run(store)
        with pytest.raises(
            StudyError, match=r"job 7 of Slurm work on study tiny; `featcx run tiny --on slurm` follows"
        ):
            refuse_at_work(store)
    monkeypatch.setattr(Slurm, "states", lambda self, jobs: {})
    assert at_work(store) == []
    refuse_at_work(store)
    assert not outstanding.cancel(store, say=print)


def test_a_record_goes_once_it_was_told(store: Store):
    folder = new_record(store, jobs_of())
    other = new_record(store, jobs_of())
    assert records(store) == [folder, other]
    write_jobs(folder, read_jobs(folder).model_copy(update={"is_told": True}))
    assert records(store)[0] == folder
    third = new_record(store, jobs_of())
    assert records(store) == [other, third]
    (other / "task-0000.json").write_text("{")  # a disk that was full
    assert read_progress(other, 0) == Progress()


def test_without_slurm(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(store.home))
    jobs = jobs_of(Task(number=0, kind="across"))
    assert Slurm().states(jobs) is None
    with pytest.raises(StudyError, match=r"^scancel 7: "):
        Slurm().cancel(jobs)
    with pytest.raises(StudyError, match="no sbatch and srun on this machine; start --on slurm where you can submit"):
        list(Slurm().submit(store, store.root, jobs))
    for name in ("sbatch", "srun"):
        (store.home / name).touch(mode=0o755)
    monkeypatch.setattr(slurm, "find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"--on slurm needs submitit; pip install 'featcx\[slurm\]'"):
        list(Slurm().submit(store, store.root, jobs))


def test_options_that_do_not_go_together(store: Store):
    wanted = "Error: --workers goes with --on local; on a cluster, cluster.tasks of the study file says how many"
    assert refused("run", "tiny", "--on", "slurm", "--workers", "2") == wanted
    assert (
        refused("run", "tiny", "--cancel")
        == "Error: --cancel goes with --on slurm; what runs on this machine ends with Ctrl-C"
    )


# -- this machine ------------------------------------------------------------------------------------------------------


def test_each_worker_has_a_gpu(store: Store, monkeypatch: pytest.MonkeyPatch):
    started: list[dict[str, str]] = []

    def popen(command: list[str], *, env: dict[str, str], **_: object) -> SimpleNamespace:
        started.append(env)
        return SimpleNamespace(poll=lambda: None)

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 6")
    tasks = (Task(number=0, kind="before"), *(Task(number=n, kind="epochs", epochs=(n,)) for n in (1, 2, 3)))
    jobs, engine = jobs_of(*tasks, engine="local", device="cuda"), Local(2)
    list(engine.submit(store, new_record(store, jobs), jobs))
    monkeypatch.setattr(local.subprocess, "Popen", popen)
    assert engine.states(jobs) == {0: State(is_running=True, says="here")} | {
        n: State(is_running=False) for n in (1, 2, 3)
    }
    assert started[0]["CUDA_VISIBLE_DEVICES"] == "4, 6"  # alone: all of them
    engine._running = {}
    assert [state.is_running for state in engine.states(jobs).values()] == [True, True, False]
    assert [env["CUDA_VISIBLE_DEVICES"] for env in started[1:]] == ["4", "6"]


def test_gpus_are_counted_where_they_are_dealt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 6")
    assert visible_gpus("auto") == ["4", "6"]
    assert visible_gpus("cpu") == visible_gpus("cuda:1") == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus("auto") == []
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf 'GPU 0: H\\nGPU 1: H\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert visible_gpus("auto") == ["0", "1"]


def test_two_workers_make_what_a_plain_run_makes(store: Store, monkeypatch: pytest.MonkeyPatch):
    files = sorted(store.root.glob("tables/complexity/0*.parquet"))
    wanted = {path: read_rows(path) for path in files}
    forget(store, "complexity")
    done = featcx("run", "tiny", "--only", "complexity", "--on", "local", "--workers", "3", "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "tiny: done, 3 parts in " in done.stdout
    for path, rows in wanted.items():
        pd.testing.assert_frame_equal(read_rows(path), rows, check_exact=True)
    again = featcx("run", "tiny", "--only", "complexity", "--on", "local")
    assert "tiny: nothing to do, everything is current" in again.stdout
