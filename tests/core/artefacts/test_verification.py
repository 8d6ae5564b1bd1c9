"""Verification, pruning, space: a study's home kept well."""

from pathlib import Path

import pandas as pd
import pytest

from featcx_core.artefacts import space
from featcx_core.artefacts.making import make
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.pruning import prunable, prune
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.artefacts.space import bytes_wanted, refuse_full_disk
from featcx_core.artefacts.verification import verify
from featcx_core.store.damage import aside
from featcx_core.store.places import Store
from featcx_core.study.fields import StudyError
from tests.steps import path_of, reader, remake, rows_of, table_of


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def damaged_paths(store: Store) -> dict[Path, str]:
    return {finding.path: finding.reason for finding in verify(store) if "not made" not in finding.reason}


def test_every_kind_of_damage_is_found_and_named(small: Store):
    assert damaged_paths(small) == {}
    activations = path_of(small, "activations", 1, "stem")
    (activations / "c/0/0").unlink()
    flipped(path_of(small, "dictionary", 2) / "atoms/c/0/0")
    for path in (small.table("importance", "000002"), small.current_path, small.training_state, small.digests_path):
        flipped(path)
    found = damaged_paths(small)
    assert found[activations] == "c/0/0: No such file or directory"
    assert found[path_of(small, "dictionary", 2)] == "atoms/c/0/0 is not as it was written"
    assert {
        small.table("importance", "000002"),
        small.current_path,
        small.training_state,
        small.digests_path,
    } < found.keys()


def test_a_damaged_checkpoint_is_found_and_is_not_a_new_one(small: Store):
    before = Snapshot(small).survey.digests
    flipped(small.checkpoint(1))
    surveyed = Snapshot(small).survey
    assert (
        surveyed.bad[1].startswith(f"{small.checkpoint(1)} is damaged: it is not as it was written")
        or "corrupt" in surveyed.bad[1]
    )
    assert surveyed.digests == {epoch: digest for epoch, digest in before.items() if epoch != 1}
    assert small.checkpoint(1) in damaged_paths(small)


def test_what_lies_beside_other_damage_is_looked_at_too(small: Store):
    flipped(small.checkpoint(1))
    table, folder = small.table("concepts", "000002"), path_of(small, "codes", 2)  # committed together
    table.write_bytes(table.read_bytes()[:-5])
    for path in (path_of(small, "codes", 1), folder):
        flipped(path / "zarr.json")
    assert {small.checkpoint(1), path_of(small, "codes", 1), table, folder} <= damaged_paths(small).keys()


def test_what_is_missing_comes_last(small: Store):
    small.table("importance", "000002").unlink()
    missing = [finding.path for finding in verify(small) if finding.reason == "it is not made, or is gone"]
    assert small.table("importance", "000002") in missing


@pytest.mark.parametrize("name", ["activations", "codes"])
def test_an_input_that_is_damaged_is_made_again_on_the_way(small: Store, name: str, caplog: pytest.LogCaptureFixture):
    layer = "stem" if name == "activations" else ""
    folder = path_of(small, name, 1, layer)
    before = rows_of(small, "v_information", epoch=1, layer="stem")
    chunk = next(path for path in sorted(folder.rglob("*")) if "c" in path.parts[-3:-1] and path.is_file())
    flipped(chunk)
    small.table("v_information", "000001-stem").unlink()
    make(small, "v_information", epoch=1, device="cpu")
    after = rows_of(small, "v_information", epoch=1, layer="stem")
    pd.testing.assert_frame_equal(after, before, rtol=1e-5)
    assert [name for name in aside(small.root) if name.startswith(str(folder.relative_to(small.root)))]
    assert sum("is damaged" in line for line in caplog.messages) == 1


def test_pruned_arrays_count_as_made_until_something_reads_them(small: Store):
    few = small.study.analyses.model_copy(update={"run": ("complexity",)})  # none that reads activations of all epochs
    small = register(small.study.model_copy(update={"analyses": few}), home=small.home)
    parts = prunable(Snapshot(small), keep=[0])
    assert {part.partition.epoch for part in parts} == {1}  # 2 is the reference epoch
    assert "activations" in {part.partition.artefact for part in parts}
    assert all(part.size_bytes > 0 for part in parts)
    prune(Snapshot(small), parts)
    stem = Partition("activations", 1, "stem")
    state = Snapshot(small)
    assert state.is_current(stem)
    assert state.is_pruned(stem)
    assert not state.stale(state.catalogue["activations"])
    assert prunable(state, keep=[0]) == []
    with pytest.raises(ValueError, match="activations 000001-stem was pruned"):
        reader(small).arrays(state.catalogue["activations"], epoch=1, layer="stem")
    before = table_of(small, "v_information")
    small.table("v_information", "000001-stem").unlink()
    assert not Snapshot(small).is_current(stem)
    make(small, "v_information", epoch=1, device="cpu")
    pd.testing.assert_frame_equal(table_of(small, "v_information"), before, rtol=1e-5)
    assert not Snapshot(small).is_pruned(stem)


def test_pruning_names_an_epoch_that_is_not_there(small: Store):
    with pytest.raises(ValueError, match="no epoch 7 in study tiny; wanted some of: 0, 1, 2"):
        prunable(Snapshot(small), keep=[7])


def test_a_run_that_does_not_fit_is_refused_before_it_begins(small: Store, monkeypatch: pytest.MonkeyPatch):
    state = Snapshot(small)
    places = [Partition("activations", 1, layer) for layer in ("stem", "layer2.0")]
    one = bytes_wanted(state, places[:1])
    assert bytes_wanted(state, places) == 2 * one > 0
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**6}))
    with pytest.raises(
        StudyError, match=r"wanted about 0\.1 GB free, got 0\.0 GB; make room, `featcx prune`, or choose"
    ):
        refuse_full_disk(state, places)


def test_remade_partitions_replace_what_was_there(small: Store):
    before = table_of(small, "importance")
    remake(small, "importance", epoch=1)
    pd.testing.assert_frame_equal(table_of(small, "importance"), before, rtol=1e-5)
