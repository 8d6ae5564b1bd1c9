"""Dagster's event log on SQLite, without a new connection for every event.

Dagster opens and closes the databases for each event: every statement is compiled anew, and closing the last connection
of a database carries its log over, waiting for the disk each time. `featcx run` writes three events a partition.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from dagster import EventLogEntry
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


def _engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})

    @event.listens_for(engine, "connect")
    def relax(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine
