import multiprocessing
import os
import time
from pathlib import Path

import pandas as pd
import pytest

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.visible_rows import write_current
from featcx_core.store.files import FullDisk, is_of_full_disk, replacing, write_bytes
from featcx_core.store.parquet import read_all, read_footer, read_rows, schema, write_rows
from featcx_core.store.places import MARKER, Store, committed, epoch_key, open_store
from featcx_core.study.fields import Study, StudyError
from tests.steps import made_up


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home", Study(name="s"))


def importance(epoch: int, *values: float) -> pd.DataFrame:
    return made_up("importance", values, concept=range(len(values)), epoch=epoch, prevalence_fraction=0.5)


def litter(store: Store) -> list[Path]:
    return list(store.home.rglob("*.partial"))


def test_epoch_keys_sort_as_numbers():
    assert sorted(map(epoch_key, [100, 2, 12])) == ["000002", "000012", "000100"]


def test_a_folder_appears_whole_and_marked(store: Store):
    folder = store.root / "activations/000001/stem.zarr"
    with store.writing(folder, fingerprint="f1") as draft:
        draft.mkdir()
        (draft / "data").write_text("one")
        assert not folder.exists()
    assert committed(folder) == "f1"
    with store.writing(folder, fingerprint="f2") as draft:
        draft.mkdir()
        (draft / "other").write_text("two")
        assert (folder / "data").read_text() == "one"
    assert committed(folder) == "f2"
    assert sorted(path.name for path in folder.iterdir()) == sorted([MARKER, "other"])
    assert not litter(store)


def test_a_failed_writer_leaves_what_was_there(store: Store):
    folder = store.root / "activations/000001/stem.zarr"
    with store.writing(folder, fingerprint="f1") as draft:
        draft.mkdir()

    def fail() -> None:
        with store.writing(folder, fingerprint="f2") as draft:
            draft.mkdir()
            raise OSError(28, "No space left on device")

    with pytest.raises(FullDisk, match=r"stem\.zarr cannot be written: the disk is full; make room .*`featcx prune`"):
        fail()
    assert committed(folder) == "f1"
    assert not litter(store)


def test_each_library_has_words_of_its_own_for_a_full_disk(tmp_path: Path):
    for error in (OSError(122, "Disk quota exceeded"), ValueError('Io(Os { code: 28, kind: "StorageFull" })'),
                  RuntimeError("[Errno 28] Error writing bytes to file. Detail: No space left on device")):  # fmt: skip
        assert is_of_full_disk(error)
        with pytest.raises(FullDisk, match="x cannot be written: the disk is full"), replacing(tmp_path / "x"):
            raise error
    assert not is_of_full_disk(OSError(13, "Permission denied"))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_swept_by_the_next(store: Store):
    folder = store.root / "activations/000001/stem.zarr"
    folder.parent.mkdir(parents=True)
    (folder.parent / ".stem.zarr.0badcafe.partial").mkdir()
    (folder.parent / ".other.zarr.0badcafe.partial").mkdir()
    with store.writing(folder, fingerprint="f") as draft:
        draft.mkdir()
    assert [path.name for path in litter(store)] == [".other.zarr.0badcafe.partial"]


@pytest.mark.parametrize("marker", ["", "{}", "[1]", '{"finger'])
def test_a_folder_without_a_whole_marker_is_not_there(store: Store, marker: str):
    folder = store.root / "codes/000001.zarr"
    assert committed(folder) is None
    folder.mkdir(parents=True)
    assert committed(folder) is None
    (folder / MARKER).write_text(marker)
    assert committed(folder) is None


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "a" / "b.bin"
    write_bytes(path, b"one")

    def fail() -> None:
        with replacing(path) as draft:
            draft.write_bytes(b"tw")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"one"
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["b.bin"]


def test_only_old_litter_of_files_is_swept_because_nobody_holds_a_lock(tmp_path: Path):
    young, old = tmp_path / ".b.bin.1.partial", tmp_path / ".b.bin.2.partial"
    for path in (young, old):
        path.write_text("")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    write_bytes(tmp_path / "b.bin", b"")
    assert young.exists()
    assert not old.exists()


def hold(home: str, order: "multiprocessing.Queue[str]") -> None:
    with Store(home, Study(name="s")).lock("epoch-1"):
        order.put("child has it")
        time.sleep(30)


def test_a_second_writer_waits_and_a_killed_one_holds_nothing(store: Store):
    context = multiprocessing.get_context("spawn")
    order: multiprocessing.Queue[str] = context.Queue()
    child = context.Process(target=hold, args=(str(store.home), order))
    child.start()
    assert order.get(timeout=60) == "child has it"
    with store.lock("epoch-2"):
        pass  # another artefact's lock is free
    child.kill()
    with store.lock("epoch-1"):
        pass
    child.join()


IMPORTANCE = catalogue().tables["importance"]


def test_a_file_holds_the_rows_of_its_partition(store: Store):
    paths = [store.table("importance", f"00000{epoch}") for epoch in (1, 2)]
    write_rows(paths[0], IMPORTANCE, importance(1, 0.1, 0.2), study="s", fingerprint="f1")
    write_rows(paths[1], IMPORTANCE, importance(2, 0.3), study="s", fingerprint="f2")
    write_rows(paths[0], IMPORTANCE, importance(1, 0.5), study="s", fingerprint="f3", inputs=["y", "x"])
    rows = read_all(IMPORTANCE, paths)
    assert list(rows.columns) == [column.name for column in IMPORTANCE.columns]
    assert rows[["study", "epoch", "importance", "fingerprint"]].values.tolist() == [
        ["s", 1, 0.5, "f3"],
        ["s", 2, 0.3, "f2"],
    ]
    assert read_footer(paths[0]) == ("f3", frozenset({"x", "y"}))
    assert list(read_rows(paths[1])["importance"]) == [0.3]
    assert list(read_all(IMPORTANCE, paths, columns=["epoch"]).columns) == ["epoch"]


def test_the_list_of_visible_rows_is_written_where_it_changes(store: Store):
    write_current(store, [("importance", "old")])
    stamp = store.current_path.stat().st_mtime_ns
    write_current(store, [("importance", "old"), ("importance", "old")])
    assert store.current_path.stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.rename(columns={"importance": "gamma"}), r"missing \['importance'\], unknown \['gamma'\]"),
        (lambda rows: rows.assign(importance=-1.0), r"importance: -1\.0 is below 0\.0"),
        (lambda rows: pd.concat([rows, rows]), "2 rows share a key"),
    ],
)
def test_rows_that_break_the_description_are_refused(store: Store, change, said: str):
    path = store.table("importance", "000001")
    with pytest.raises(ValueError, match=f"table importance: .*{said}"):
        write_rows(path, IMPORTANCE, change(importance(1, 0.1)), study="s", fingerprint="f")
    assert not path.exists()


def test_a_table_without_rows_has_its_columns():
    for table in catalogue().tables.values():
        rows = read_all(table, [])
        assert rows.empty
        assert list(rows) == schema(table).names


def test_columns_carry_their_meaning():
    field = schema(catalogue().tables["complexity"]).field("complexity")
    assert field.metadata[b"comment"].startswith(b"K: 0 = simple")


def test_a_file_that_is_not_there_has_no_footer(tmp_path: Path):
    assert read_footer(tmp_path / "x.parquet") is None


def test_opening_a_study_that_is_not_there(tmp_path: Path):
    with pytest.raises(StudyError, match=r"no study 'x' in .*; it has none yet; `featcx run` makes the first"):
        open_store(tmp_path, "x")
    write_bytes(tmp_path / "s" / "study.toml", b'name = "s"')
    with pytest.raises(StudyError, match=r"no study 'x' in .*; it has: s"):
        open_store(tmp_path, "x")
    assert open_store(tmp_path, "s").root == tmp_path / "s"
