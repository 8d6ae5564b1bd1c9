"""Everything that uses or overrides private parts of Dagster, each with its measured gain and when it goes.

- `SqliteEventLog`: Dagster opens and closes its databases for each event: every statement is compiled anew, and closing
  the last connection of a database carries its log over, waiting for the disk each time. `featcx run` writes three
  events a partition: 60 ms each with Dagster's own, 12 ms with this one. Goes when Dagster keeps connections open.
- `keep_for_the_end`: `context.add_asset_metadata` lists the whole range anew at every call: 25 ms each with 1,530
  partitions, 0.1 ms here. Goes when that call no longer lists the range.
- `instance_at`: an instance with that event log, which no public call makes. Goes with it.
- `was_interrupted`: Dagster takes Ctrl-C in a step for a failure. Goes when a public event says so.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import EventLogEntry
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event

_OPEN = 8
"""Databases that stay open: the index, and those of the latest runs."""


class SqliteEventLog(SqliteEventLogStorage):
    """The same files, tables and statements, with connections that stay open and one transaction for a batch of events.

    A commit does not wait for the disk: losing power may lose the last events, never what they tell of.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._tables: set[str] = set()  # seen: none goes away
        self._batch = threading.local()  # of the thread that stores one: its open transactions, by database
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "SqliteEventLog":
        """As Dagster makes it from its settings."""
        return cls(inst_data=inst_data, **config_value)

    def dispose(self) -> None:
        """Close the databases."""
        while self._engines:
            self._engines.popitem()[1].dispose()
        super().dispose()

    def has_table(self, table_name: str) -> bool:
        """Whether the index has the table; Dagster asks twice a partition."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """In each database all of them or none; Dagster would commit each two or three times."""
        with self._db_lock, ExitStack() as stack:
            self._batch.transactions, self._batch.stack = dict[str, Connection](), stack
            stack.callback(self._batch.__dict__.clear)
            super().store_event_batch(events)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        transactions = getattr(self._batch, "transactions", None)
        if transactions is None:
            with self._db_lock, self._transaction(shard) as connection:
                yield connection
            return
        if shard not in transactions:
            transactions[shard] = self._batch.stack.enter_context(self._transaction(shard))
        yield transactions[shard]

    @contextmanager
    def _transaction(self, shard: str) -> Iterator[Connection]:
        engine = self._engines.pop(shard, None) or _engine(self.conn_string_for_shard(shard))
        self._engines[shard] = engine  # last = used last
        while len(self._engines) > _OPEN:
            self._engines.pop(next(iter(self._engines))).dispose()
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        with engine.connect() as connection, connection.begin():
            yield connection


def instance_at(folder: Path) -> dg.DagsterInstance:
    """Open the instance of a folder; where its events lie in SQLite, as by default, they are written faster."""
    settings, _ = dagster_instance_config(str(folder))
    if settings.keys() & {"storage", "event_log_storage", "instance_class"}:
        return dg.DagsterInstance.from_config(str(folder))
    events = {
        "module": __name__,  # loaded with the instance only
        "class": SqliteEventLog.__name__,
        "config": {"base_dir": str(folder / "history" / "runs")},
    }
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides={"event_log_storage": events}))


def keep_for_the_end(context: dg.AssetExecutionContext, key: str, metadata: Mapping[str, Any]) -> None:
    """Keep metadata for the event, one a partition of its range, with which Dagster ends the run."""
    step = context.get_step_execution_context()
    step._metadata_accumulator = step._metadata_accumulator.with_additional_asset_metadata(
        asset_key=context.asset_key, partition_key=key, metadata=metadata
    )


def was_interrupted(event: dg.DagsterEvent) -> bool:
    """Whether a step failed because the user ended it."""
    error = event.step_failure_data.error
    return error is not None and "DagsterExecutionInterruptedError" in (
        error.cls_name,
        error.cause and error.cause.cls_name,
    )


def _engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})

    @event.listens_for(engine, "connect")
    def relax(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine
