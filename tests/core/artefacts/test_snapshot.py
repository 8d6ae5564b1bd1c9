"""What is stale, ready and visible, as files come, change and go."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.networks.anatomy import Anatomy, anatomy_text
from featcx_core.store.files import write_bytes
from featcx_core.store.places import Store, open_store
from tests.steps import path_of, refresh, table_of

ONCE = {artefact.name for artefact in catalogue().shown if not artefact.has_epochs}
DETAILED = {artefact.name for artefact in catalogue().shown if artefact.when in ("detailed", "reference")}
OF_EPOCHS = {artefact.name for artefact in catalogue().shown if artefact.has_epochs}
OF_LAYERS = {artefact.name for artefact in catalogue().shown if artefact.grain == "layer"}


def stale(store: Store) -> dict[str, set[int]]:
    """Epochs of what is to be made, pictures aside."""
    snapshot = Snapshot(store)
    found = {artefact.name: {p.epoch for p in snapshot.stale(artefact)} for artefact in snapshot.wanted}
    return {
        asset: epochs for asset, epochs in found.items() if epochs and asset not in ("figures", "report", "explorer")
    }


def visible(store: Store, table: str) -> set[int]:
    refresh(store)
    rows = table_of(store, table)
    return set(rows["epoch"]) if "epoch" in rows else {-1} if len(rows) else set()


def edited(store: Store, old: str, new: str) -> Store:
    text = store.study_path.read_text()
    assert old in text
    store.study_path.write_text(text.replace(old, new))
    return open_store(store.home, "tiny")


def test_artefacts_stand_after_what_they_are_made_from():
    names = [artefact.name for artefact in catalogue()]
    for place, artefact in enumerate(catalogue()):
        assert {need.artefact.name for need in catalogue().needs(artefact)} <= {*names[:place]}


def test_names_of_partitions(small: Store):
    assert Partition("report").name == "all"
    assert Partition("codes", 7).name == "000007"
    assert Partition("v_information", 7, "layer1.0").name == "000007-layer1.0"
    reference = path_of(small, "reference_v_information", 7, "stem")
    assert reference.name == "reference-000007-stem.parquet"


def test_a_finished_study_is_current_and_visible(small: Store):
    assert stale(small) == {}
    tables = {table.name for artefact in catalogue().shown for table in artefact.tables}
    without_corruption = {"memorisation_detection", "corruption"}  # its labels are true
    no_flips = {"concept_flips"}  # no prediction of so small a study hangs on a single concept
    for table in tables - {*DETAILED, "concept_paths", "meta_features", *without_corruption, *no_flips}:
        assert len(table_of(small, table)), table


@pytest.mark.parametrize(
    ("lost", "wanted"),
    [
        ("activations/000001/stem.zarr", {"activations": {1}}),
        ("activations/000002/penultimate_positions.zarr", {"activations": {2}}),  # needed for the heat maps
        ("dictionary/000001.zarr", {"dictionary": {1}}),
        ("codes/000001.zarr", {"codes": {1}}),
        ("tables/concepts/000001.parquet", {"codes": {1}}),
        ("tables/dictionaries/000001.parquet", {"codes": {1}}),
        ("tables/v_information/000001-stem.parquet", {"v_information": {1}}),
        ("tables/v_information/reference-000001-stem.parquet", {"reference_v_information": {1}}),
        ("tables/importance/000001.parquet", {"importance": {1}}),
    ],
)
def test_what_is_lost_is_made_again(small: Store, lost: str, wanted: dict[str, set[int]]):
    path = small.root / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = stale(small)
    assert {asset: epochs for asset, epochs in found.items() if asset not in ONCE} == wanted
    # what was made from it is still there; what spans all epochs is made from current partitions only
    assert found.keys() - wanted.keys() <= ONCE


def test_a_folder_without_its_marker_is_not_there(small: Store):
    (path_of(small, "codes", 1) / "featcx.json").unlink()
    assert Snapshot(small).committed(Partition("codes", 1)) is None
    assert stale(small)["codes"] == {1}


def test_a_checkpoint_that_lands_makes_its_epoch_stale(small: Store):
    before = Snapshot(small)
    shutil.copy(small.checkpoint(2), small.checkpoint(3))
    found = stale(small)
    assert {epoch for epochs in found.values() for epoch in epochs} == {3}
    assert found.keys() == OF_EPOCHS - DETAILED  # nothing of it is made yet, so what spans all epochs stands
    assert Partition("decode_time") not in Snapshot(small).stale(catalogue()["decode_time"])
    assert before.visible() < Snapshot(small).visible()
    for table in ("sedimentation", "correlations", "decode_time"):
        assert visible(small, table)  # while the further epoch is on its way


def test_a_replaced_checkpoint_hides_its_rows_at_once(small: Store):
    write_bytes(
        small.checkpoint(1), save(load_file(small.checkpoint(2)))
    )  # somebody else's: a copy would count as damaged
    assert visible(small, "complexity") == {0, 2}
    assert visible(small, "sedimentation") == set()  # one of its inputs is no longer expected
    assert stale(small)["complexity"] == {1}


def test_a_checkpoint_that_goes_takes_its_rows_along(small: Store):
    small.checkpoint(0).unlink()
    assert visible(small, "complexity") == {1, 2}
    assert "complexity" not in stale(small)
    assert stale(small)["training"] == {-1}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a checkpoint", None])
def test_a_bad_checkpoint_is_no_epoch(small: Store, content: bytes | None):
    whole = small.checkpoint(1).read_bytes()
    write_bytes(small.checkpoint(1), whole[:-8] if content is None else content)
    state = Snapshot(small)
    assert state.survey.bad.keys() == {1}
    assert str(small.checkpoint(1)) in state.survey.bad[1]
    assert {p.epoch for name in OF_LAYERS for p in state.partitions(catalogue()[name])} == {0, 2}
    assert visible(small, "complexity") == {0, 2}
    assert "training" not in stale(small)  # it is for the user to delete
    write_bytes(small.checkpoint(1), whole)
    assert stale(small) == {}


def test_another_training_hides_nothing_until_it_has_begun(small: Store):
    changed = edited(small, "batch_size = 32", "batch_size = 40")
    assert stale(changed) == {"training": {-1}}
    assert visible(changed, "complexity") == {0, 1, 2}


def test_other_layers_leave_the_recorded_ones_alone(small: Store):
    anatomy = Anatomy.model_validate_json(small.anatomy.model_dump_json().replace('"layer2.0"', '"layer9.0"'))
    write_bytes(small.layers_path, anatomy_text(anatomy).encode())
    state = Snapshot(small)
    assert {p.layer for p in state.stale(catalogue()["activations"])} == {"layer9.0"}
    assert {p.layer for p in state.stale(catalogue()["v_information"])} == {"layer9.0"}
    assert set(table_of(small, "v_information")["layer"]) == {"stem", "layer3.2"}
    assert table_of(small, "complexity").empty  # K is over other layers now


def test_what_is_not_asked_for_is_not_wanted(small: Store):
    for run, wanted in {
        '["complexity"]': {"complexity", "correlations"},
        '["complexity", "importance"]': {"complexity", "importance", "correlations"},
        '["decode_time"]': {"decode_time"},
        "[]": set(),
    }.items():
        store = edited(small, "bootstrap = 100", f"bootstrap = 100\nrun = {run}")
        optional = {a.name for a in catalogue().shown if a.asked in ("default", "named")} | {"correlations"}
        assert {artefact.name for artefact in Snapshot(store).wanted} & optional == wanted
        edited(small, f"bootstrap = 100\nrun = {run}", "bootstrap = 100")


def test_what_can_be_made_is_what_has_its_inputs(small_home: Path, small: Store):
    assert all(Snapshot(open_store(small_home, "tiny")).is_ready(Partition(asset)) for asset in sorted(ONCE))
    shutil.rmtree(path_of(small, "activations", 1, "stem"))
    small.checkpoint(2).unlink()
    state = Snapshot(small)
    ready = {a.name: [p.epoch for p in state.partitions(a) if state.is_ready(p)] for a in catalogue().shown}
    assert ready["activations"] == [0] * 3 + [1] * 3
    assert ready["v_information"] == [0] * 3 + [1] * 2
    assert ready["complexity"] == [0, 1]
    assert ready["reference_v_information"] == []  # the reference epoch's checkpoint is gone
    assert ready["decode_time"] == []
    assert not visible(small, "decode_time")
