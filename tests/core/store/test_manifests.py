"""Manifests of folders, digests of tables, and arrays that are compared as they are read."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.store.damage import Damaged, aside
from featcx_core.store.manifests import MARKER, forget_verified, refuse_altered, sealed, unsealed, whole_manifest
from featcx_core.store.parquet import read_all, read_footer, read_rows, write_rows
from featcx_core.store.places import Store, committed
from featcx_core.store.verified_arrays import open_arrays
from featcx_core.study.fields import Study

TABLE = catalogue().tables["importance"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home", Study(name="s"))


def write_array(store: Store, name: str = "000001", *, offset: float = 0.0) -> Path:
    """A committed array of four chunks, the first of zeros."""
    folder = store.root / "codes" / f"{name}.zarr"
    values = np.repeat([0.0, 1.0, 2.0, 3.0], 4) + offset
    with store.writing(folder, fingerprint=f"f{name}") as draft:
        zarr.create_array(store=str(draft), data=values, chunks=(4,), compressors=None)
    return folder


def write_table(store: Store, name: str = "000001", *, value: float = 0.5) -> Path:
    path = store.table("importance", name)
    of_type = {"int64": 1, "float64": value, "list<float>": [value]}
    columns = [column for column in TABLE.columns if column.name not in ("study", "fingerprint")]
    rows = pd.DataFrame({column.name: [of_type[column.dtype]] for column in columns})
    write_rows(path, TABLE, rows, study="s", fingerprint="f", inputs=["a", "b"])
    return path


def altered(path: Path, position: int, byte: int) -> None:
    """Change one byte behind everybody's back; the time of change stays."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[position] ^= byte
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_an_array_is_read_as_it_was_written(store: Store):
    folder = write_array(store)
    assert list(open_arrays(folder)[:]) == list(np.repeat([0.0, 1.0, 2.0, 3.0], 4))
    assert refuse_altered(folder).files.keys() == {"zarr.json", "c/1", "c/2", "c/3"}  # zeros are not stored
    with pytest.raises((ValueError, TypeError), match=r"read.only"):
        open_arrays(folder)[0] = 1.0


@pytest.mark.parametrize("key", ["c/1", "c/3", "zarr.json"])
def test_a_changed_byte_is_damage_when_it_is_read(store: Store, key: str):
    folder = write_array(store)
    open_arrays(folder)[:]
    altered(folder / key, 3, 4)
    with pytest.raises(Damaged, match=rf"000001\.zarr is damaged: {key} is not as it was written; `featcx verify"):
        open_arrays(folder)[:]
    with pytest.raises(Damaged, match=f"{key} is not as it was written"):
        refuse_altered(folder)
    assert committed(folder) == "f000001"  # a look at sizes reads no content


def test_a_missing_chunk_is_not_zeros(store: Store):
    folder = write_array(store)
    array = open_arrays(folder)
    (folder / "c/2").unlink()
    with pytest.raises(Damaged, match="c/2 is gone"):
        array[:]
    assert committed(folder) is None
    with pytest.raises(Damaged, match="c/2: No such file"):
        open_arrays(folder)


def test_a_chunk_of_another_place_is_damage_and_one_that_was_not_written_is_not_read(store: Store):
    folder = write_array(store)
    shutil.copy(folder / "c/3", folder / "c/0")
    assert list(open_arrays(folder)[:4]) == [0.0] * 4
    shutil.copy(folder / "c/3", folder / "c/1")
    with pytest.raises(Damaged, match="c/1 is not as it was written"):
        open_arrays(folder)[:]


def test_content_is_compared_once_a_process_as_long_as_the_file_is_the_same(store: Store, monkeypatch):
    folder, read = write_array(store), []
    from featcx_core.store import manifests

    whole = manifests.file_digest
    monkeypatch.setattr(manifests, "file_digest", lambda path: read.append(path.name) or whole(path))
    refuse_altered(folder)
    refuse_altered(folder)
    assert sorted(read) == ["1", "2", "3", "zarr.json"]
    forget_verified()
    refuse_altered(folder)
    assert len(read) == 8


@pytest.mark.parametrize(
    "change", [lambda text: text[:-5], lambda text: text.replace("f000001", "f000002"), lambda _: ""]
)
def test_a_manifest_that_was_altered_is_damage(store: Store, change):
    folder = write_array(store)
    (folder / MARKER).write_text(change((folder / MARKER).read_text()))
    with pytest.raises(Damaged, match=r"its featcx\.json is not as it was written"):
        whole_manifest(folder)
    assert committed(folder) is None


def test_a_manifest_of_an_earlier_version_is_not_there(store: Store):
    folder = write_array(store)
    (folder / MARKER).write_text('{"fingerprint": "f000001"}')
    assert whole_manifest(folder) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", sealed({"a": 1}).replace(b"1", b"2")])
def test_only_what_was_sealed_is_unsealed(content: bytes):
    with pytest.raises(ValueError, match=r"it is not as it was written|Expecting value"):
        unsealed(content)


def test_every_byte_of_a_table_counts(store: Store):
    path = write_table(store)
    assert read_rows(path)["importance"].item() == 0.5
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        altered(path, position, 1 << position % 8)
        with pytest.raises(Damaged, match=r"000001\.parquet is damaged: "):
            read_rows(path)
        path.write_bytes(whole)
    assert read_all(TABLE, [path])["importance"].item() == 0.5


@pytest.mark.parametrize("size", [0, 3, 100, -1])
def test_a_truncated_table_is_damage(store: Store, size: int):
    path = write_table(store)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(Damaged, match="is damaged: "):
        read_footer(path)
    with pytest.raises(Damaged, match="is damaged: "):
        read_rows(path)


def test_a_table_lies_where_it_belongs(store: Store):
    first, second = write_table(store), write_table(store, "000002", value=0.25)
    shutil.copy(first, second)
    with pytest.raises(Damaged, match=r"000002\.parquet is damaged: it holds importance/000001"):
        read_footer(second)
    with pytest.raises(Damaged, match="it holds importance/000001"):
        read_rows(second)
    assert read_footer(first) == ("f", frozenset({"a", "b"}))


def test_what_is_damaged_is_put_aside_under_its_name_and_nothing_is_deleted(
    store: Store, caplog: pytest.LogCaptureFixture
):
    path = write_table(store)
    content = path.read_bytes()
    store.put_aside(path, "a reason")
    (name,) = aside(store.root)
    assert name.startswith("tables/importance/000001.parquet.")
    assert (store.root / "damaged" / name).read_bytes() == content
    assert not path.exists()
    (line,) = caplog.messages
    assert line == f"{path} is damaged: a reason; put aside as damaged/{name}, it is made again"
    store.put_aside(path, "it is gone")
    assert len(aside(store.root)) == 1
