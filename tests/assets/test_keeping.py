"""Commands that keep a home well, and queries that only read."""

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from featcx_assets import doctor
from featcx_assets.asking import asking
from featcx_core.artefacts.visible_rows import write_current
from featcx_core.store.places import Store
from featcx_core.study.fields import StudyError
from tests.assets.command import featcx, refused
from tests.assets.test_views import fresh, importance, write

COUNT = "select epoch, count(*), count(distinct importance), any_value(importance) from importance group by epoch order by epoch"


def asked(home: Path, query: str = COUNT, *, trusted: bool = False) -> tuple[list[tuple[object, ...]], list[str]]:
    """The rows, and what was left out."""
    said: list[str] = []
    with asking(home, query, say=said.append, trusted=trusted) as connection:
        return connection.sql(query).fetchall(), said


@pytest.fixture
def two(tmp_path: Path) -> Store:
    """A study with two partitions of a table."""
    store = fresh(tmp_path)
    for epoch in (1, 2):
        write(store, f"{epoch:06d}", importance(epoch, 0.5), fingerprint="now")
    return store


def test_a_query_sees_current_rows_only(two: Store):
    assert asked(two.home) == ([(1, 3, 1, 0.5), (2, 3, 1, 0.5)], [])
    write(two, "000002", importance(2, 0.7), fingerprint="before")
    assert asked(two.home) == ([(1, 3, 1, 0.5)], [])
    shutil.copytree(two.root, two.home / "copy")
    assert asked(two.home) == ([(1, 3, 1, 0.5)], [])


def test_damaged_and_stray_files_are_left_out_by_name_and_harm_nobody(two: Store):
    stray, cut = two.table("importance", "copy of 000001"), two.table("importance", "000002")
    shutil.copy(two.table("importance", "000001"), stray)
    cut.write_bytes(cut.read_bytes()[:100])
    (stray.parent / "notes.txt").write_text("not a table")
    rows, said = asked(two.home)
    assert rows == [(1, 3, 1, 0.5)]
    assert sorted(line.split(" is damaged")[0] for line in said) == sorted(f"left out: {path}" for path in (stray, cut))
    other = fresh(two.home, "other")
    write(other, "000005", importance(5, 0.25), fingerprint="now")
    assert asked(two.home)[0] == [(1, 3, 1, 0.5), (5, 3, 1, 0.25)]


@pytest.mark.parametrize("query", [
    "select * from read_csv('/etc/passwd')", "select * from read_text('/etc/passwd')", "select * from glob('/*')",
])  # fmt: skip
def test_a_query_reads_nothing_but_tables(two: Store, query: str):
    import duckdb

    with pytest.raises(duckdb.PermissionException, match="Cannot access file"):
        asked(two.home, query)
    assert asked(two.home, query, trusted=True)[0]


@pytest.mark.parametrize("query", ["copy importance to 'x'", "attach 'x'", "set threads = 1", "create table x (a int)",
                                   "install httpfs", "select 1; copy importance to 'x'", "drop view importance"])  # fmt: skip
def test_a_query_changes_nothing(two: Store, query: str):
    with pytest.raises(StudyError, match=r"wanted a query that only reads, got .*--trusted lets it through"):
        asked(two.home, query)


def test_every_table_is_described(two: Store):
    (rows, _) = asked(
        two.home, "select comment from duckdb_columns() where table_name = 'complexity' and column_name = 'complexity'"
    )
    assert rows[0][0].startswith("K: 0 = simple")
    assert ("importance",) in asked(two.home, "show tables")[0]


def test_queries_see_whole_partitions_under_many_replacements(two: Store):
    stop, replaced = threading.Event(), [0]

    def replace() -> None:
        while not stop.is_set():
            for epoch in (1, 2):
                write(two, f"{epoch:06d}", importance(epoch, replaced[0] / 1000, n=50), fingerprint="now")
            write_current(two, [("importance", "now"), ("epochs", str(replaced[0]))])
            replaced[0] += 1

    for epoch in (1, 2):
        write(two, f"{epoch:06d}", importance(epoch, 0.0, n=50), fingerprint="now")
    writer = threading.Thread(target=replace)
    writer.start()
    try:
        for _ in range(25):
            rows, said = asked(two.home)
            assert [row[:3] for row in rows] == [(1, 50, 1), (2, 50, 1)]
            assert said == []
    finally:
        stop.set()
        writer.join()
    assert replaced[0] > 2


def test_nothing_is_left_of_a_query_and_no_links_are_needed(two: Store, monkeypatch: pytest.MonkeyPatch):
    before = sorted(two.home.iterdir())
    rows, _ = asked(two.home)
    monkeypatch.setattr(Path, "hardlink_to", lambda *_: (_ for _ in ()).throw(PermissionError(1, "no links")))
    assert asked(two.home)[0] == rows
    assert sorted(two.home.iterdir()) == before


@pytest.mark.parametrize("name", ["it's mine", "a [b] c", "Ωmega", "a?b%c"])
def test_any_name_of_the_home_will_do(tmp_path: Path, name: str):
    store = fresh(tmp_path / name)
    write(store, "000001", importance(1, 0.1), fingerprint="now")
    assert asked(store.home)[0] == [(1, 3, 1, 0.1)]


def test_a_home_without_results(tmp_path: Path):
    with pytest.raises(StudyError, match=r"no results in .*; `featcx run` makes the first"):
        asked(tmp_path)


def test_verify_backup_restore_and_prune_as_a_user_types_them(
    small: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    backed_up = featcx("backup", str(tmp_path / "kept"))
    assert backed_up.exit_code == 0
    assert "files of tiny in" in backed_up.stdout
    would = featcx("prune", "tiny")
    assert "activations" in would.stdout
    assert would.stdout.splitlines()[-1].endswith("MB; --yes deletes")
    assert refused("prune", "tiny", "--keep", "9") == "Error: no epoch 9 in study tiny; wanted some of: 0, 1, 2"
    path = small.table("importance", "000001")
    path.write_bytes(path.read_bytes()[:-7])
    found = featcx("verify", "tiny", "--json")
    assert found.exit_code == 1
    (first, *_) = json.loads(found.stdout)["tiny"]
    assert first["path"] == str(path)
    assert first["remedy"] == "`featcx verify --repair` makes it again"
    monkeypatch.setenv("FEATCX_HOME", str(tmp_path / "other"))
    assert "restored tiny into" in featcx("restore", str(tmp_path / "kept")).stdout
    assert (tmp_path / "other/tiny/tables/importance/000001.parquet").is_file()
    assert refused("restore", str(tmp_path / "kept")).endswith("tiny is there already; rename or delete it first")


def test_the_doctor_looks_at_everything(two: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FEATCX_DAGSTER_HOME", str(two.home / "dagster"))
    looks = {look.name: look for look in doctor.examine(two.home)}
    assert list(looks) == [
        "versions",
        "device",
        "permissions",
        "disk",
        "storage",
        "lock",
        "database",
        "history",
        "clock",
        "studies",
    ]
    assert all(look.is_well for look in looks.values()), looks
    assert looks["lock"].says.startswith("a second process waits")


def test_the_doctor_names_what_is_wrong(two: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": -1}))
    (two.root / "study.toml").write_text('name = "s"\nsed = 1\n')
    two.checkpoints.mkdir()
    (two.checkpoints / "000001.safetensors").touch()
    os.utime(two.checkpoints / "000001.safetensors", (4e9, 4e9))
    looks = {look.name: look for look in doctor.examine(two.home)}
    assert "make room, or `featcx prune`" in looks["disk"].says
    assert "unknown key sed; did you mean seed?" in looks["studies"].says
    assert "000001.safetensors is from the future" in looks["clock"].says
    assert not any(looks[name].is_well for name in ("disk", "studies", "clock"))


def test_allowing_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("FEATCX_ALLOW_CODE")
    assert f"code in {tmp_path} may run" in featcx("allow", str(tmp_path)).stdout
    assert (tmp_path / "featcx" / "allowed").read_text() == f"{tmp_path}\n"
