"""Backups and their way back."""

import shutil
from pathlib import Path

import pytest

from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.backup import LIST, back_up, restore
from featcx_core.store.manifests import digest_of, sealed
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import StudyError
from tests.steps import table_of


def kept(small: Store, target: Path) -> list[str]:
    """Back a study up; returns what is left out."""
    left_out: list[str] = []
    back_up(small.home, target, ["tiny"], say=left_out.append)
    return left_out


def test_a_backup_restores_to_equal_tables_with_nothing_to_do(small: Store, tmp_path: Path):
    assert kept(small, tmp_path / "kept") == []
    assert restore(tmp_path / "kept", tmp_path / "home") == ["tiny"]
    store = open_store(tmp_path / "home", "tiny")
    for name in ("v_information", "importance", "epochs"):
        assert table_of(store, name).equals(table_of(small, name))
    before, after = Snapshot(small), Snapshot(store)
    assert after.current == before.current
    assert not (store.root / "locks").exists()


def test_what_is_damaged_is_left_out_and_named(small: Store, tmp_path: Path):
    path = small.table("importance", "000001")
    path.write_bytes(path.read_bytes()[:-9])
    (line,) = kept(small, tmp_path / "kept")
    assert line.startswith(f"left out: {path} is damaged: ")
    assert restore(tmp_path / "kept", tmp_path / "home", ["tiny"]) == ["tiny"]
    assert not open_store(tmp_path / "home", "tiny").table("importance", "000001").exists()


@pytest.mark.parametrize("damage", ["flip", "remove", "list"])
def test_a_backup_that_is_not_whole_restores_nothing(small: Store, tmp_path: Path, damage: str):
    kept(small, tmp_path / "kept")
    path = tmp_path / "kept" / ("tiny/study.toml" if damage != "list" else LIST)
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-3] + b"  \n")
    with pytest.raises(
        StudyError, match=r"is not as it was backed up; nothing of tiny|No such file|is not as it was written"
    ):
        restore(tmp_path / "kept", tmp_path / "home")
    assert not (tmp_path / "home" / "tiny").exists()


def test_nothing_is_overwritten(small: Store, tmp_path: Path):
    kept(small, tmp_path / "kept")
    with pytest.raises(StudyError, match="kept is there already; wanted the name of a new folder"):
        kept(small, tmp_path / "kept")
    with pytest.raises(StudyError, match="tiny is there already; rename or delete it first"):
        restore(tmp_path / "kept", small.home)
    with pytest.raises(StudyError, match=r"no study 'other' in .*kept; it has: tiny"):
        restore(tmp_path / "kept", tmp_path / "home", ["other"])
    with pytest.raises(StudyError, match="no study 'other' in"):
        back_up(small.home, tmp_path / "new", ["other"], say=print)
    shutil.rmtree(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    with pytest.raises(StudyError, match=r"is no backup: it has no backup\.json"):
        restore(tmp_path / "kept", tmp_path / "home")


@pytest.mark.parametrize("name", ["tiny/../../evil", "../evil", "/evil", "evil", "tiny/.."])
def test_a_backup_writes_nowhere_else(tmp_path: Path, name: str):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / LIST).write_bytes(sealed({"files": {name: [0, digest_of([b""])]}}))
    with pytest.raises(StudyError, match=r"backup\.json names '.*', which lies outside; nothing is restored"):
        restore(tmp_path / "kept", tmp_path / "home")
    assert not (tmp_path / "home").exists()
