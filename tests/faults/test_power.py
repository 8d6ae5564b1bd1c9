"""Power cuts: at whatever instant the power goes, nothing that is committed is half there, and a rerun heals."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.store.damage import Damaged
from featcx_core.store.manifests import refuse_altered, whole_manifest
from featcx_core.store.parquet import read_rows, write_rows
from featcx_core.store.places import Store
from featcx_core.store.verified_arrays import open_arrays
from featcx_core.study.fields import Study
from tests.faults.power import Disk, power_cut
from tests.steps import made_up

TABLE = catalogue().tables["importance"]


def rows(value: float) -> pd.DataFrame:
    return made_up("importance", [value], prevalence_fraction=0.5)


def write(store: Store, value: float) -> None:
    """Commit an array and a table, one after the other."""
    with store.writing(store.root / "codes" / "000001.zarr", fingerprint=f"f{value:g}") as draft:
        zarr.create_array(store=str(draft), data=np.full(64, value), chunks=(16,), config={"write_empty_chunks": True})
    write_rows(store.table("importance", "000001"), TABLE, rows(value), study="s", fingerprint=f"f{value:g}")


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("after", range(36))
def test_a_commit_is_whole_or_not_there(tmp_path: Path, *, before: bool, after: int):
    store = Store(tmp_path / "home", Study(name="s"))
    if before:
        write(store, 1.0)
    store.root.mkdir(parents=True, exist_ok=True)
    with power_cut(tmp_path, after=after):
        write(store, 2.0)
    folder, table = store.root / "codes" / "000001.zarr", store.table("importance", "000001")
    manifest = refuse_altered(folder)  # raises where a committed folder is not whole
    if manifest is not None:
        assert set(open_arrays(folder)[:]) == {float(manifest.fingerprint[1:])}
    if table.exists():
        assert read_rows(table)["importance"].item() in (1.0, 2.0)
    assert not before or table.exists()
    write(store, 3.0)
    assert set(open_arrays(folder)[:]) == {3.0}
    assert read_rows(table)["importance"].item() == 3.0


def test_everything_is_there_after_the_last_flush(tmp_path: Path):
    store = Store(tmp_path / "home", Study(name="s"))
    with power_cut(tmp_path, after=10_000):
        write(store, 2.0)
    assert whole_manifest(store.root / "codes" / "000001.zarr").fingerprint == "f2"
    assert read_rows(store.table("importance", "000001"))["importance"].item() == 2.0


def test_the_simulation_loses_what_was_not_flushed(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    root = tmp_path / "disk"
    root.mkdir()
    disk = Disk(root, cut_after=10)
    (root / "a").write_text("content")
    disk.flushed(root)
    (root / "b").write_text("content")
    disk.flushed(root / "b")
    disk.cut()
    assert [path.name for path in root.iterdir()] == ["a"]
    assert (root / "a").read_bytes() == bytes(7)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_folder_without_its_manifest_is_damage(tmp_path: Path):
    (tmp_path / "x").mkdir()
    with pytest.raises(Damaged, match=r"x is damaged: its featcx\.json is gone; `featcx verify --repair`"):
        whole_manifest(tmp_path / "x")
