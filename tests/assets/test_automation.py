import os
import shutil
from pathlib import Path

import dagster as dg
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from featcx_assets import automation
from featcx_assets.automation import checkpoint_sensor, refresh_schedule
from featcx_assets.dagster_home import PROCESS, instance
from featcx_assets.definitions import definitions
from featcx_assets.runner import run_study
from featcx_core.analyses.codes import make as codes_make
from featcx_core.analyses.reading import doubts
from featcx_core.analyses.v_information import make as information_make
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.given import Given
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.files import write_bytes
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Checkpoints
from featcx_core.study.files import study_text
from tests.steps import altered, reader, table_of

ONCE = {artefact.name for artefact in catalogue().shown if not artefact.has_epochs}

Tick = dg.SensorResult | dg.SkipReason


def tick(dagster: dg.DagsterInstance, store: Store, *, cursor: str | None = None) -> dg.SensorResult:
    with dg.build_sensor_context(instance=dagster, cursor=cursor) as context:
        result = checkpoint_sensor(store.study)(context)
    assert isinstance(result, dg.SensorResult)
    return result


def follow(dagster: dg.DagsterInstance, store: Store, *, cursor: str | None = None) -> list[list[str]]:
    """Tick, and do what is asked for, until nothing is; gives the assets of every run."""
    job = definitions(store.home).resolve_implicit_global_asset_job_def()
    asked = []
    while (result := tick(dagster, store, cursor=cursor)).run_requests:
        cursor = result.cursor
        for request in result.run_requests:
            asked.append([key.path[1] for key in request.asset_selection])
            run = job.execute_in_process(
                instance=dagster, asset_selection=request.asset_selection, tags=request.tags, raise_on_error=False
            )
            if not run.success:
                asked[-1].append("failed")
    return asked


LEFT = "what spans all epochs is left to the schedule tiny_across_epochs"


def settle(*files: Path) -> None:
    """As if they had been written long ago."""
    for file in files:
        os.utime(file, (0, 0))


def scheduled(dagster: dg.DagsterInstance, store: Store) -> list[str] | str:
    """The assets that the schedule asks for, or why it asks for none."""
    with dg.build_schedule_context(instance=dagster) as context:
        result = refresh_schedule(store.study)(context)
    if isinstance(result, dg.SkipReason):
        return str(result.skip_message)
    assert isinstance(result, dg.RunRequest)
    return [key.path[1] for key in result.asset_selection]


def stale(store: Store) -> dict[str, list[int]]:
    snapshot = Snapshot(store)
    return {a.name: [p.epoch for p in snapshot.stale(a)] for a in snapshot.wanted if snapshot.stale(a)}


def test_a_checkpoint_that_lands_is_worked_off_stage_by_stage(small: Store, capsys: pytest.CaptureFixture[str]):
    curves = small.table("decode_time", "all").read_bytes()
    with instance(small.home) as dagster:
        first = tick(dagster, small)
        assert first.skip_reason.skip_message == LEFT

        shutil.copy(small.checkpoint(2), small.checkpoint(3))
        write_bytes(small.checkpoint(4), small.checkpoint(2).read_bytes()[:5000])
        first = tick(dagster, small, cursor=first.cursor)
        assert first.skip_reason.skip_message == LEFT  # they may still be being written
        assert not [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
        settle(small.checkpoint(3), small.checkpoint(4))
        asked = follow(dagster, small, cursor=first.cursor)
        assert asked == [
            ["checkpoint"],
            ["activations"],
            ["dictionary_activations", "dictionary", "codes"],
            ["reference_v_information", "v_information"],
            [
                "image_losses",
                "noise_groups",
                "selectivity",
                "similarity_to_end",
                "importance",
                "strongest_images",
                "complexity",
            ],
        ]
        assert dagster.get_dynamic_partitions("tiny_epochs") == ["000000", "000001", "000002", "000003"]
    assert stale(small).keys() <= ONCE
    assert small.table("decode_time", "all").read_bytes() == curves  # the reference epoch is pinned
    (named,) = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]  # once in seven ticks
    assert "000004.safetensors is truncated" in named
    assert set(table_of(small, "complexity")["epoch"]) == {0, 1, 2, 3}  # seen without any further run

    with instance(small.home) as dagster:
        asked = scheduled(dagster, small)
        # nothing is new at the epochs that decode_time and meta_features read
        curves = ["layer_information", "concept_paths", "correlations", "sedimentation"]
        anew = ["direction_paths", "memorisation", "generalising", "spectra", "layer_choices"]
        assert sorted(asked) == sorted([*anew, *curves, "explorer", "figures", "report"])
    run_study(small, only=["sedimentation", "correlations"], epochs=(), device="cpu", say=lambda line: None)
    with instance(small.home) as dagster:
        asked = scheduled(dagster, small)
        rest = ["layer_information", "concept_paths", "explorer", "figures", "report"]
        assert sorted(asked) == sorted([*anew, *rest])


EPOCHLY = [
    ["checkpoint"],
    ["activations"],
    ["dictionary_activations", "dictionary", "codes"],
    ["v_information"],
    ["importance", "strongest_images", "complexity"],
]


def test_checkpoints_of_another_program_are_followed_as_they_land(small: Store, tmp_path: Path):
    runs = tmp_path / "runs"
    runs.mkdir()
    weights = {epoch: load_file(small.checkpoint(epoch)) for epoch in (0, 1, 2)}

    def write(epoch: int, state: dict[str, torch.Tensor], name: str = "{}.pth") -> None:
        nested = {"model": {f"module.{key}": held for key, held in state.items()}}
        torch.save(nested, path := runs / name.format(epoch))
        settle(path)

    few = ("complexity", "importance", "decode_time", "sedimentation", "support", "clusters")
    settings = {
        "name": "other",
        "checkpoints": Checkpoints(folder=str(runs), pattern="{epoch}.pth"),
        "analyses": small.study.analyses.model_copy(update={"run": few}),
    }
    store = register(small.study.model_copy(update=settings).with_reference(30), home=small.home)
    with instance(small.home) as dagster:
        assert tick(dagster, store).skip_reason.skip_message == "no checkpoint yet"
        write(10, weights[1])
        assert follow(dagster, store) == [*EPOCHLY, ["clusters", "support"]]
        write(30, weights[2])
        write(5, weights[0])  # late, of an earlier epoch
        (runs / "20.pth").write_bytes(b"broken")
        settle(runs / "20.pth")
        follow(dagster, store)
        assert stale(store).keys() <= ONCE
        write(10, weights[0])  # another network at the same epoch
        os.utime(runs / "10.pth", (1, 1))  # with its time unchanged it would count as damaged
        assert {epoch for epochs in stale(store).values() for epoch in epochs} - {-1} == {10}
        follow(dagster, store)
        assert stale(store).keys() <= ONCE
        assert dagster.get_dynamic_partitions("other_epochs") == ["000010", "000005", "000030"]
    assert doubts(reader(store)) == []
    for epoch in (5, 10, 30):  # as if it guessed
        altered(store, "epochs", f"{epoch:06d}", lambda rows: rows.assign(test_accuracy=0.33))
    (said,) = doubts(reader(store))
    assert said.startswith("held-out accuracy at epoch 30 is 33.0%, about a guess's (33.3%): are images prepared as in")
    assert doubts(reader(small)) == []
    known = table_of(store, "complexity").query("kind == 'concept'").set_index(["epoch", "concept"])["complexity"]
    own = table_of(small, "complexity").query("kind == 'concept'").set_index(["epoch", "concept"])["complexity"]
    for epoch, source in {5: 0, 10: 0, 30: 2}.items():
        assert known[epoch].to_numpy() == pytest.approx(own[source].to_numpy(), abs=1e-6, nan_ok=True)


def test_nothing_is_asked_for_on_a_finished_study(home: Path):
    store = open_store(home, "tiny")
    with instance(home) as dagster:
        assert tick(dagster, store).skip_reason.skip_message == "nothing is stale"
        assert scheduled(dagster, store) == "nothing is stale"


@pytest.mark.usefixtures("no_gallery")
def test_a_run_of_both_measures_own_and_reference_concepts_together(small: Store, monkeypatch: pytest.MonkeyPatch):
    for path in (small.root / "tables" / "v_information").glob("*-*.parquet"):
        path.unlink()
    inform, calls = information_make.inform, []

    def count(given: Given) -> object:
        calls.append((given.epoch, {place.artefact for place in given.partitions}))
        return inform(given)

    monkeypatch.setattr(information_make, "inform", count)
    run_study(small, only=(), epochs=(), device="cpu", say=lambda line: None)
    both = {"v_information", "reference_v_information"}
    assert sorted(calls, key=lambda call: call[0]) == [(0, both), (1, both), (2, {"v_information"})]
    assert not stale(small)


def test_what_was_made_from_something_else_is_not_read(small: Store):
    dictionary = small.study.dictionary.model_copy(update={"l1": 0.002})
    changed = Store(small.home, small.study.model_copy(update={"dictionary": dictionary}))
    small.study_path.write_text(study_text(changed.study), encoding="utf-8")
    job = definitions(small.home).resolve_implicit_global_asset_job_def()
    with instance(small.home) as dagster:
        for asset, need in (("v_information", "codes"), ("importance", "codes"), ("complexity", "v_information")):
            key = "000001|stem" if asset == "v_information" else "000001"
            run = job.execute_in_process(
                instance=dagster,
                asset_selection=[dg.AssetKey(["tiny", asset])],
                partition_key=key,
                raise_on_error=False,
            )
            (failure,) = run.filter_events(lambda event: event.is_step_failure)
            wanted = f"epoch 1: {need} of epoch 1"
            assert failure.step_failure_data.user_failure_data.description.startswith(wanted)
            assert Snapshot(changed).stale(catalogue()[asset])


def test_what_fails_is_tried_once_and_holds_nothing_up(small: Store, monkeypatch: pytest.MonkeyPatch):
    for epoch in (0, 1, 2):
        small.table("concepts", f"{epoch:06d}").unlink()
    encode = codes_make.encode_probe_images

    def refuse(given: Given) -> object:
        if given.epoch == 1:
            raise ValueError("no codes today")
        return encode(given)

    monkeypatch.setattr(codes_make, "encode_probe_images", refuse)
    with instance(small.home) as dagster:
        assert follow(dagster, small) == [["codes", "failed"]] * 2  # of all three epochs, then of the one that is left
        assert stale(small)["codes"] == [1]


def test_it_waits_for_what_is_under_way(small: Store):
    small.table("importance", "000001").unlink()
    with instance(small.home) as dagster:
        with FileLock(small.lock_path("run")):
            waiting = tick(dagster, small)
            assert waiting.skip_reason.skip_message == "`featcx run` is at work on this study"
            assert scheduled(dagster, small) == "`featcx run` is at work on this study"
        (request,) = tick(dagster, small).run_requests
        job = definitions(small.home).resolve_implicit_global_asset_job_def()
        run = dagster.create_run_for_job(
            job,
            asset_selection=frozenset(request.asset_selection),
            tags=request.tags,
            status=dg.DagsterRunStatus.STARTED,
        )
        assert tick(dagster, small).skip_reason.skip_message == "a run of this study is under way"
        assert scheduled(dagster, small) == "a run of this study is under way"
        dagster.report_run_failed(run, "ended")
        assert tick(dagster, small).run_requests
        # the run of a `featcx run` that was killed seems to go on, but its process holds the lock no more
        dagster.create_run_for_job(
            job,
            asset_selection=frozenset(request.asset_selection),
            tags={**request.tags, PROCESS: "1"},
            status=dg.DagsterRunStatus.STARTED,
        )
        assert tick(dagster, small).run_requests


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING])
def test_a_run_that_nobody_began_holds_nothing_up(
    small: Store, monkeypatch: pytest.MonkeyPatch, status: dg.DagsterRunStatus
):
    small.table("importance", "000001").unlink()
    with instance(small.home) as dagster:
        (request,) = tick(dagster, small).run_requests
        job = definitions(small.home).resolve_implicit_global_asset_job_def()
        run = dagster.create_run_for_job(
            job, asset_selection=frozenset(request.asset_selection), tags=request.tags, status=status
        )
        assert tick(dagster, small).skip_reason.skip_message == "a run of this study is under way"
        monkeypatch.setattr(automation, "_BEGINS_WITHIN_SECONDS", 0.0)
        assert tick(dagster, small).run_requests
        assert dagster.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_study_that_is_not_there_or_broken_is_skipped(small: Store):
    with instance(small.home) as dagster:
        small.study_path.write_text("name = ")
        for result in (
            checkpoint_sensor(small.study)(dg.build_sensor_context(instance=dagster)),
            refresh_schedule(small.study)(dg.build_schedule_context(instance=dagster)),
        ):
            assert isinstance(result, dg.SkipReason)
            assert "not valid TOML" in result.skip_message
        shutil.rmtree(small.root)
        with dg.build_sensor_context(instance=dagster) as context:
            result = checkpoint_sensor(small.study)(context)
        assert isinstance(result, dg.SkipReason)
        assert "no study 'tiny'" in result.skip_message
