from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

from featcx_assets import dagster_home
from featcx_assets.dagster_home import instance
from featcx_assets.dagster_private import SqliteEventLog
from featcx_core.store.files import FullDisk
from featcx_core.study.fields import StudyError


def events(dagster: dg.DagsterInstance, run_id: str) -> list[str]:
    return [entry.message for entry in dagster.all_logs(run_id)]


def test_dagster_reads_what_is_written_while_it_is_open_and_afterwards(tmp_path: Path):
    @dg.asset
    def thing() -> int:
        return 1

    with instance(tmp_path) as dagster:
        assert isinstance(dagster.event_log_storage, SqliteEventLog)
        runs = [dg.materialize([thing], instance=dagster).run_id for _ in range(10)]  # more than stay open
        with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as other:
            assert not isinstance(other.event_log_storage, SqliteEventLog)
            for run_id in runs:
                assert events(other, run_id) == events(dagster, run_id) != []
            assert len(other.fetch_materializations(thing.key, limit=20).records) == 10
    assert not list(tmp_path.rglob("*.db-wal"))  # closed: all of it is in the databases
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as other:
        assert len(other.get_runs()) == 10


def test_a_batch_of_events_is_stored_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch):
    partitions = dg.StaticPartitionsDefinition(["a", "b", "c"])

    @dg.asset(partitions_def=partitions, backfill_policy=dg.BackfillPolicy.single_run())
    def thing() -> None:
        pass

    with instance(tmp_path) as dagster:
        log = dagster.event_log_storage
        run_id = dg.materialize(
            [thing],
            instance=dagster,
            tags={"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"},
        ).run_id
        made = log.fetch_materializations(thing.key, limit=20).records
        assert sorted(record.partition_key for record in made) == ["a", "b", "c"]
        entries = [record.event_log_entry for record in made]
        n_events = len(dagster.all_logs(run_id))
        log.store_event_batch(entries)
        assert len(log.fetch_materializations(thing.key, limit=20).records) == 6
        assert len(dagster.all_logs(run_id)) == n_events + 3

        store_event, stored = type(log).store_event, []

        def failing(self, event) -> None:
            if stored:
                raise OSError("no space left on device")
            stored.append(event)
            store_event(self, event)

        monkeypatch.setattr(type(log), "store_event", failing)
        with pytest.raises(OSError, match="no space left"):
            log.store_event_batch(entries)
        monkeypatch.undo()
        assert len(log.fetch_materializations(thing.key, limit=20).records) == 6
        assert len(dagster.all_logs(run_id)) == n_events + 3
        log.store_event(entries[0])
        assert len(dagster.all_logs(run_id)) == n_events + 4


def test_a_home_with_a_storage_of_its_own_keeps_it(tmp_path: Path):
    (tmp_path / "dagster").mkdir()
    own = f"storage:\n  sqlite:\n    base_dir: {tmp_path / 'own'}\n"
    (tmp_path / "dagster" / "dagster.yaml").write_text(own, encoding="utf-8")
    with instance(tmp_path) as dagster:
        assert not isinstance(dagster.event_log_storage, SqliteEventLog)
    assert (tmp_path / "own").is_dir()


def test_a_database_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    away = OperationalError("select 1", {}, Exception("disk I/O error"))
    with (
        pytest.raises(
            StudyError, match=r"run history, as .*dagster\.yaml names it, cannot be used: disk I/O error; see"
        ),
        instance(tmp_path),
    ):
        raise away
    monkeypatch.setattr(dagster_home.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 4096}))
    with pytest.raises(FullDisk, match=r"dagster cannot be written: the disk is full; make room"), instance(tmp_path):
        raise away


def test_a_server_that_is_away_is_one_line(tmp_path: Path):
    address = "{scheme: postgresql+psycopg2, hostname: 127.0.0.1, port: 1, username: x, password: x, db_name: x}"
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_db: {address}}}}}")
    wanted = r"cannot be used: .*onnection refused.*; see that its database is there"
    with pytest.raises(StudyError, match=wanted), instance(tmp_path):
        pass
