"""Queries of `featcx sql`: over the result files as they are at one moment, read-only, and nothing else on the machine.

A query gets its own links to the files: a run that replaces one replaces a name, not what is read. Each is compared
with its digest. One that is damaged, or lies where it does not belong, is left out and named; the others are read.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from featcx_assets.views import SQL_TYPES, columns_as_declared, quoted, undeclared
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.store.damage import Damaged
from featcx_core.store.parquet import refuse_altered_content
from featcx_core.store.tables import Table
from featcx_core.study.fields import StudyError

if TYPE_CHECKING:
    import duckdb

_TRIES = 20  # lists of files, each of which a run may change while it is opened
_READING = ".reading-"
_OLD_SECONDS = 86_400.0


@contextmanager
def asking(
    home: Path, query: str, *, say: Callable[[str], None], trusted: bool = False
) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Give a connection that sees the current rows of every table that a query names.

    Unless `trusted`, it reads no other file, writes none and changes no setting. `say` is told of each file that is
    left out. Raises StudyError where there is no study yet, and for a statement that does more than read.
    """
    import duckdb

    if not any(home.glob("*/tables/current.parquet")):
        raise StudyError(f"no results in {home} yet; `featcx run` makes the first, FEATCX_HOME points elsewhere")
    if not trusted:
        _refuse_changes(query)
    with ExitStack() as stack:
        files = _Files(stack.enter_context(_own_folder(home)), say)
        connection = stack.enter_context(duckdb.connect())
        for table in catalogue().tables.values():
            is_named = _names(query, table.name)
            connection.execute(f"CREATE VIEW {table.name} AS {_rows(home, table, files) if is_named else _none(table)}")
            if is_named or _names(query, "duckdb_columns") or _names(query, "duckdb_views"):
                for statement in _comments(table):
                    connection.execute(statement)
        for name in undeclared(home):
            paths = [path for study in _studies(home) for path in files.opened(home / study / "tables" / name)]
            if paths and _names(query, name):
                connection.execute(
                    f"CREATE VIEW {name} AS SELECT * FROM read_parquet({_listed(paths)}, union_by_name = true)"
                )
        if not trusted:
            connection.execute(f"SET allowed_directories = [{quoted(str(files.folder))}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        yield connection


class _Files:
    """Links to result files, or copies where there can be no links, for the length of a query.

    Args:
        folder: where they lie.
        say: is told of each file that is left out.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self.say = folder, say
        self._numbers = count()

    def opened(self, folder: Path, pattern: str = "*.parquet") -> list[str]:
        """Link the whole files of a folder; returns the links."""
        for _ in range(_TRIES):
            try:
                links = [self._linked(path) for path in sorted(folder.glob(pattern)) if not path.name.startswith(".")]
                return [str(link) for link in links if link]
            except FileNotFoundError:  # gone while it was linked
                continue
        raise StudyError(f"{folder} changes faster than it can be read; ask again")

    def _linked(self, path: Path) -> Path | None:
        link = self.folder / f"{next(self._numbers)}.parquet"
        try:
            link.hardlink_to(path)
        except FileNotFoundError:
            raise
        except OSError:  # another disk, one without links, or a home of somebody else
            shutil.copyfile(path, link)
        try:
            refuse_altered_content(path, link.read_bytes())
        except Damaged as error:
            self.say(f"left out: {error}")
            return None
        return link


@contextmanager
def _own_folder(home: Path) -> Iterator[Path]:
    """Give a folder for links; what killed queries left is swept away."""
    for litter in home.glob(f"{_READING}*"):
        with suppress(FileNotFoundError):
            if time.time() - litter.stat().st_mtime > _OLD_SECONDS:
                shutil.rmtree(litter, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        prefix=_READING, dir=home if os.access(home, os.W_OK) else None, ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


def _rows(home: Path, table: Table, files: _Files) -> str:
    """Return the query for a table's current rows: of each study those in its own folder with a current fingerprint."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    parts = [_none(table)]
    for study in _studies(home):
        current = files.opened(home / study / "tables", "current.parquet")
        rows = files.opened(home / study / "tables" / table.name)
        if current and rows:
            parts.append(
                f"SELECT * FROM read_parquet({_listed(rows)}, {columns_as_declared(table)}) "
                f"SEMI JOIN (SELECT study, fingerprint FROM read_parquet({_listed(current)}) "
                f"WHERE table_name = {quoted(table.name)}) USING (study, fingerprint) WHERE study = {quoted(study)}"
            )
    return f"SELECT {columns} FROM ({' UNION ALL BY NAME '.join(parts)})"


def _none(table: Table) -> str:
    columns = ", ".join(f'CAST(NULL AS {SQL_TYPES[column.dtype]}) AS "{column.name}"' for column in table.columns)
    return f"(SELECT {columns} WHERE false)"


def _comments(table: Table) -> Iterator[str]:
    yield f"COMMENT ON VIEW {table.name} IS {quoted(table.row)}"
    for column in table.columns:
        yield f'COMMENT ON COLUMN {table.name}."{column.name}" IS {quoted(column.description)}'


def _studies(home: Path) -> list[str]:
    return sorted(path.parent.parent.name for path in home.glob("*/tables/current.parquet"))


def _names(query: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", query, re.IGNORECASE) is not None


def _refuse_changes(query: str) -> None:
    import duckdb

    reading = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI)
    for statement in duckdb.extract_statements(query):
        if statement.type not in reading:
            kind = statement.type.name.lower()
            raise StudyError(f"wanted a query that only reads, got {kind}: {query!r}; --trusted lets it through")


def _listed(paths: list[str]) -> str:
    return f"[{', '.join(map(quoted, paths))}]"
