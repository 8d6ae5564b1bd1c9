import shutil

from featcx_core.artefacts.state import ASSETS, NEEDS, ONCE, Partition, State

from featcx_assets.stages import STAGES, Stage, Work, needed, runs, without, work
from featcx_core.store.files import write_bytes
from featcx_core.store.places import Store

BY_NAME = {stage.name: stage for stage in STAGES}


def forget(store: Store, *assets: str, epochs: tuple[int, ...] = (0, 1, 2)) -> None:
    """Undo what was made of some assets."""
    for asset in assets:
        if (store.root / "tables" / asset).exists():
            for epoch in epochs:
                for path in (store.root / "tables" / asset).glob(f"*{epoch:06d}*.parquet"):
                    path.unlink()
        else:
            for epoch in epochs:
                for path in (store.root / asset).glob(f"{epoch:06d}*"):
                    shutil.rmtree(path)


def planned(store: Store, **limits: object) -> dict[str, set[tuple[str, int]]]:
    state = State(store)
    todo = {stage.name: work(state, stage, **limits) for stage in STAGES}
    return {name: {(p.asset, p.epoch) for p in found.partitions} for name, found in todo.items() if found}


def test_every_asset_is_in_one_stage_after_what_it_needs():
    order = [asset for stage in STAGES for asset in stage.assets]
    assert sorted(order) == sorted(ASSETS)
    for asset in ASSETS:
        assert all(order.index(need) < order.index(asset) for need in NEEDS[asset])
    for stage in STAGES:  # one run, so one kind of partitions
        assert len({asset in ONCE for asset in stage.assets}) == 1


def test_everything_an_asset_is_made_from_is_needed(small: Store):
    state = State(small)
    assert needed(state, ["dictionary"]).keys() == {"training", "checkpoint", "dictionary_activations", "dictionary"}
    assert needed(state, ["report"]).keys() == {*ASSETS} - {"explorer"}
    assert needed(state, []) == {}


def test_a_detailed_analysis_needs_its_own_epochs_alone(small: Store):
    state, ends = State(small), {0, 2}
    assert small.study.detailed_epochs([0, 1, 2]) == ends
    assert all(epochs == ends for epochs in needed(state, ["redundancy", "support"]).values())
    assert needed(state, ["redundancy", "complexity"])["v_information"] == {0, 1, 2}
    assert needed(state, ["visualisation"])["codes"] == {2}
    forget(small, "codes")
    assert planned(small, only=["redundancy"]) == {"dictionary and codes": {("codes", 0), ("codes", 2)}}
    assert planned(small, only=["redundancy"], epochs=[1]) == {}


def test_a_finished_study_needs_only_its_pictures(small: Store):
    assert planned(small) == {"across epochs": {("figures", -1), ("report", -1), ("explorer", -1)}}
    assert planned(small, only=["correlations"]) == {}


def test_what_a_run_makes_on_the_way_counts_as_there(small: Store):
    forget(small, "dictionary_activations", "dictionary", "codes", epochs=(1,))
    chain = {("dictionary_activations", 1), ("dictionary", 1), ("codes", 1)}
    assert planned(small, only=["codes"]) == {"dictionary and codes": chain}
    assert planned(small, only=["codes"], epochs=[0]) == {}
    assert planned(small, only=["dictionary"]) == {"dictionary and codes": chain - {("codes", 1)}}


def test_what_lacks_its_inputs_waits(small: Store):
    forget(small, "activations", "v_information", epochs=(1,))
    todo = planned(small, only=["correlations"])
    assert todo["activations"] == {("activations", 1)}
    # V-information follows in its own stage, once the activations are there
    assert not {"V-information", "complexity and importance"} & todo.keys()


def test_curves_wait_for_what_they_read_of_an_epoch(small: Store):
    for asset in ("decode_time", "sedimentation", "correlations"):
        small.table(asset, "all").unlink()
    forget(small, "complexity")
    across = {(asset, -1) for asset in ("decode_time", "figures", "report", "explorer")}
    assert planned(small)["across epochs"] == across  # importance alone makes no curve, time to decode needs neither
    forget(small, "importance", epochs=(0, 1))
    assert planned(small, only=["correlations"]).keys() == {"complexity and importance", "across epochs"}


def test_without_checkpoints_only_training_can_start(small: Store):
    for path in small.root.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    assert planned(small) == {"training": {("training", -1)}}


def test_a_run_is_a_range_without_what_must_not_be_made(small: Store):
    forget(small, "codes")
    for epoch in (3, 4, 5):
        shutil.copy(small.checkpoint(2), small.checkpoint(epoch))
    write_bytes(small.checkpoint(4), b"")
    state = State(small)
    stage = Stage("dictionary and codes", ("codes",))
    todo = work(state, stage)
    assert todo
    assert {p.epoch for p in todo.partitions} == {0, 1, 2}  # 3 and 5 have no dictionary yet, 4 is broken

    def ranges(todo: Work | None, *inserted: int) -> list[list[int]]:
        assert todo is not None
        return [[p.epoch for p in part.partitions] for part in runs(state, todo, inserted=inserted)]

    assert ranges(todo, 0, 1, 2, 3, 4, 5) == [[0, 1, 2]]
    assert ranges(todo, 0, 3, 1, 5, 4, 2) == [[0], [1], [2]]
    assert ranges(without(todo, [1]), 0, 1, 2, 3) == [[0], [2]]  # 1 is stale, but was not asked for


def test_a_range_may_cover_what_is_current(small: Store):
    forget(small, "importance", epochs=(0, 2))
    state = State(small)
    todo = work(state, BY_NAME["complexity and importance"])
    (only,) = runs(state, todo, inserted=[0, 1, 2])
    assert only.partitions == (Partition("importance", 0), Partition("importance", 2))
    assert only.assets == ("importance",)


def test_work_without_epochs():
    assert without(None, [1]) is None
