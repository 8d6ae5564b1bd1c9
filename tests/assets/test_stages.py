import shutil

import pytest

from featcx_assets.stages import Stage, Work, needed, runs, stages, without, work
from featcx_core.artefacts import fingerprints
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.files import write_bytes
from featcx_core.store.places import Store
from featcx_core.study.fields import Checkpoints

PLAN = stages(catalogue())
BY_ARTEFACT = {artefact.name: stage for stage in PLAN for artefact in stage.artefacts}
CODED, SCORED, LAST = (BY_ARTEFACT[name].name for name in ("codes", "complexity", "report"))


def forget(store: Store, *artefacts: str, epochs: tuple[int, ...] = (0, 1, 2)) -> None:
    """Undo what was made of some artefacts."""
    for artefact in artefacts:
        if (store.root / "tables" / artefact).exists():
            for epoch in epochs:
                for path in (store.root / "tables" / artefact).glob(f"*{epoch:06d}*.parquet"):
                    path.unlink()
        else:
            for epoch in epochs:
                for path in (store.root / artefact).glob(f"{epoch:06d}*"):
                    shutil.rmtree(path)


def planned(store: Store, *, only: tuple[str, ...] = (), epochs: tuple[int, ...] = ()) -> dict[str, set[tuple]]:
    snapshot = Snapshot(store, also=only)
    todo = {stage.name: work(snapshot, stage, only=only, epochs=epochs) for stage in PLAN}
    return {name: {(p.artefact, p.epoch) for p in made.partitions} for name, made in todo.items() if made}


def needed_by(snapshot: Snapshot, *only: str) -> dict[str, frozenset[int]]:
    """The artefacts that are needed and their epochs, but for what is stored on the way."""
    return {a.name: epochs for a, epochs in needed(snapshot, only).items() if not a.is_internal}


def test_every_artefact_is_in_one_stage_after_what_it_needs():
    order = [artefact for stage in PLAN for artefact in stage.artefacts]
    assert sorted(artefact.name for artefact in order) == sorted(catalogue().names)
    for artefact in order:
        for need in catalogue().needs(artefact):
            shown = [need.artefact]
            if need.artefact.is_internal:  # it is made of these, with the first of them or when it is read
                shown = [inner.artefact for inner in catalogue().needs(need.artefact)]
            assert all(order.index(each) < order.index(artefact) for each in shown), artefact.name
    for stage in PLAN:  # one run, so one kind of partitions
        assert len({artefact.grain for artefact in stage.artefacts}) == 1
        assert len({artefact.when in ("detailed", "reference") for artefact in stage.artefacts}) == 1


def test_the_stages_are_few_and_the_last_spans_all_epochs():
    assert len(PLAN) == 8
    assert BY_ARTEFACT["training"] is PLAN[0]
    together = [
        {"dictionary_activations", "dictionary", "codes"},
        {"v_information", "reference_v_information"},
        {
            "complexity",
            "image_losses",
            "importance",
            "noise_groups",
            "selectivity",
            "similarity_to_end",
            "strongest_images",
        },
        {
            *("branches", "redundancy", "sensitivity", "support", "stability", "readers", "variance_share", "clusters"),
            *("learning_curve", "visualisation", "similarity", "ablation", "monitor", "concept_effects"),
        },
    ]
    for names in together:
        assert {artefact.name for artefact in BY_ARTEFACT[min(names)].artefacts} == names
    once = {artefact.name for artefact in catalogue().shown if not artefact.has_epochs}
    assert {artefact.name for artefact in PLAN[-1].artefacts} == once - {"training"}
    assert [stage.is_detailed for stage in PLAN] == [stage is BY_ARTEFACT["support"] for stage in PLAN]


def test_everything_an_artefact_is_made_from_is_needed(small: Store):
    snapshot = Snapshot(small)
    assert needed_by(snapshot, "dictionary").keys() == {
        "training",
        "checkpoint",
        "dictionary_activations",
        "dictionary",
    }
    # the explorer is not read, what is made on request is not asked for
    on_request = [artefact.name for artefact in catalogue().shown if artefact.asked == "named"]
    assert {*on_request} == {"visualisation", "projection", "readers", "ablation", "monitor"}
    assert needed_by(snapshot, "report").keys() == {*catalogue().names} - {"explorer", *on_request}
    assert needed_by(Snapshot(small, also=on_request), "report").keys() == {*catalogue().names} - {"explorer"}
    assert needed(snapshot, []) == {}


def test_a_detailed_analysis_needs_its_own_epochs_alone(small: Store):
    snapshot, ends = Snapshot(small), {0, 2}
    assert small.study.detailed_epochs([0, 1, 2]) == ends
    assert all(epochs == ends for epochs in needed(snapshot, ["redundancy", "support"]).values())
    assert needed_by(snapshot, "redundancy", "complexity")["v_information"] == {0, 1, 2}
    assert needed_by(snapshot, "visualisation")["codes"] == {2}
    forget(small, "codes")
    assert planned(small, only=("redundancy",)) == {CODED: {("codes", 0), ("codes", 2)}}
    assert planned(small, only=("redundancy",), epochs=(1,)) == {}


def test_a_finished_study_needs_only_its_pictures(small: Store):
    assert planned(small) == {LAST: {("figures", -1), ("report", -1), ("explorer", -1)}}
    assert planned(small, only=("correlations",)) == {}


def test_what_a_run_makes_on_the_way_counts_as_there(small: Store):
    forget(small, "dictionary_activations", "dictionary", "codes", epochs=(1,))
    chain = {("dictionary_activations", 1), ("dictionary", 1), ("codes", 1)}
    assert planned(small, only=("codes",)) == {CODED: chain}
    assert planned(small, only=("codes",), epochs=(0,)) == {}
    assert planned(small, only=("dictionary",)) == {CODED: chain - {("codes", 1)}}


def test_what_lacks_its_inputs_waits(small: Store):
    forget(small, "activations", "v_information", epochs=(1,))
    todo = planned(small, only=("correlations",))
    assert todo[BY_ARTEFACT["activations"].name] == {("activations", 1)}
    # V-information follows in its own stage, once the activations are there
    assert not {BY_ARTEFACT["v_information"].name, SCORED} & todo.keys()


def test_curves_wait_for_what_they_read_of_an_epoch(small: Store):
    for artefact in ("decode_time", "sedimentation", "correlations"):
        small.table(artefact, "all").unlink()
    forget(small, "complexity")
    across = {(artefact, -1) for artefact in ("decode_time", "generalising", "figures", "report", "explorer")}
    assert planned(small)[LAST] == across  # importance alone makes no curve, time to decode needs neither
    forget(small, "importance", epochs=(0, 1))
    assert planned(small, only=("correlations",)).keys() == {SCORED, LAST}


def test_without_checkpoints_only_training_can_start(small: Store):
    for path in small.root.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    # the layers and the images are known since the study was registered
    known = {("layers", -1), ("corruption", -1)}
    assert planned(small) == {BY_ARTEFACT["training"].name: {("training", -1)}, LAST: known}


def test_another_program_trains_where_it_writes_the_checkpoints(small: Store):
    checkpoints = Checkpoints(folder=str(small.checkpoints), pattern="{epoch}.safetensors")
    study = small.study.model_copy(update={"checkpoints": checkpoints}).with_reference(2)
    other = register(study, home=small.home)
    shutil.rmtree(other.root / "tables")
    assert PLAN[0].name == "training"
    assert PLAN[0].name not in planned(other)
    assert planned(other)[BY_ARTEFACT["checkpoint"].name] == {("checkpoint", epoch) for epoch in (0, 1, 2)}
    assert "training" not in needed_by(Snapshot(other), "codes")
    assert planned(other, only=("training",)) == {}


def test_a_run_is_a_range_without_what_must_not_be_made(small: Store):
    forget(small, "codes")
    for epoch in (3, 4, 5):
        shutil.copy(small.checkpoint(2), small.checkpoint(epoch))
    write_bytes(small.checkpoint(4), b"")
    snapshot = Snapshot(small)
    todo = work(snapshot, Stage((catalogue()["codes"],)))
    assert todo
    assert {p.epoch for p in todo.partitions} == {0, 1, 2}  # 3 and 5 have no dictionary yet, 4 is broken

    def ranges(todo: Work | None, *inserted: int) -> list[list[int]]:
        assert todo is not None
        return [[p.epoch for p in part.partitions] for part in runs(snapshot, todo, inserted=inserted)]

    assert ranges(todo, 0, 1, 2, 3, 4, 5) == [[0, 1, 2]]
    assert ranges(todo, 0, 3, 1, 5, 4, 2) == [[0], [1], [2]]
    assert ranges(without(todo, [1]), 0, 1, 2, 3) == [[0], [2]]  # 1 is stale, but was not asked for


def test_a_range_may_cover_what_is_current(small: Store):
    forget(small, "importance", epochs=(0, 2))
    snapshot = Snapshot(small)
    todo = work(snapshot, BY_ARTEFACT["importance"])
    assert todo
    (only,) = runs(snapshot, todo, inserted=[0, 1, 2])
    assert only.partitions == (Partition("importance", 0), Partition("importance", 2))
    assert only.artefacts == (catalogue()["importance"],)


def test_what_is_stored_on_the_way_goes_with_what_is_made_from_the_same(small: Store):
    snapshot, last = Snapshot(small), "layer3.2"
    stored = [Partition("branch_activations", 0, last)]
    assert list(snapshot.stored_with(Partition("activations", 0, last))) == stored
    assert not list(snapshot.stored_with(Partition("activations", 0, "stem")))  # no block
    assert not list(snapshot.stored_with(Partition("activations", 1, last)))  # nobody reads it there


def test_what_is_made_together_is_one_stage(small: Store):
    forget(small, "codes", epochs=(0,))
    for path in (small.root / "tables" / "v_information").glob("reference-000000-*"):
        path.unlink()
    both = {stage for stage, made in planned(small, only=("reference_v_information",)).items() if made}
    assert both == {BY_ARTEFACT["reference_v_information"].name}


def test_a_plan_looks_at_the_images_once(small: Store, monkeypatch: pytest.MonkeyPatch):
    looks: list[object] = []
    monkeypatch.setattr(fingerprints, "content_digest", lambda data: looks.append(data) or "")
    assert len(planned(small)) > 1  # all of it: the images are others
    assert len(looks) == 1


def test_work_without_epochs():
    assert without(None, [1]) is None
