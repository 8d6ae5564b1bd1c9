"""The database: views over the Parquet files of all studies, with a comment on every column.

It holds no data and is replaced whole, so that queries work while runs are writing.

DuckDB is imported where it is used: Dagster's runs keep this module alive to the end of the process, and DuckDB would
then report its own names as leaked, in fifty lines on stderr.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.store.damage import Damaged, put_aside
from featcx_core.store.files import replacing
from featcx_core.store.parquet import read_parquet, refuse_altered_file, schema, write_parquet
from featcx_core.store.tables import Dtype, Table
from featcx_core.study.fields import StudyError

if TYPE_CHECKING:
    import duckdb

SQL_TYPES: dict[Dtype, str] = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "bool": "BOOLEAN",
    "list<float>": "FLOAT[]",
}


def database(home: Path) -> Path:
    """Return the path of the database of a home."""
    return home / "featcx.duckdb"


def write_views(home: Path) -> Path:
    """Write the views over all studies of a home; returns the database's path."""
    import duckdb

    _write_empty_tables(home)
    path = database(home)
    try:
        _write(path, home)
    except duckdb.Error:  # a damaged file among those that are read for their columns
        if not _put_damaged_aside(home):
            raise
        _write(path, home)
    return path


def _put_damaged_aside(home: Path) -> int:
    """Put aside every damaged table of every study; returns how many there were."""
    n_damaged = 0
    for path in (*home.glob("*/tables/*/*.parquet"), *home.glob("*/tables/current.parquet")):
        try:
            refuse_altered_file(path)
        except Damaged as error:
            put_aside(home / path.relative_to(home).parts[0], path, error.reason)
            n_damaged += 1
    return n_damaged


def _write(path: Path, home: Path) -> None:
    import duckdb

    with replacing(path) as draft, duckdb.connect(str(draft)) as connection:
        connection.begin()  # one wait for the disk, not one a statement
        for table in catalogue().tables.values():
            for statement in _statements(home, table):
                connection.execute(statement)
        for name in undeclared(home):
            connection.execute(_undeclared_view(home, name))
        connection.commit()


def ensure_views(home: Path) -> None:
    """Write the views where they are missing, another home's or an older featcx's."""
    if not _is_of(home):
        write_views(home)


def connect(home: Path) -> "duckdb.DuckDBPyConnection":
    """A read-only connection to the views of a home. Raises StudyError where there is no study yet."""
    import duckdb

    if not any(home.glob("*/tables/current.parquet")):
        raise StudyError(f"no results in {home} yet; `featcx run` makes the first, FEATCX_HOME points elsewhere")
    ensure_views(home)
    return duckdb.connect(str(database(home)), read_only=True)


def _write_empty_tables(home: Path) -> None:
    """One empty typed file a table beside those of the studies, so that every view always has columns.

    Also those that an older featcx did not have. No study's folder is written to.
    """
    for table in catalogue().tables.values():
        path, wanted = home / ".empty" / "tables" / table.name / "empty.parquet", schema(table)
        if not _has_columns(path, wanted):
            write_parquet(wanted.empty_table(), path)


def _has_columns(path: Path, wanted: pa.Schema) -> bool:
    try:
        return bool(read_parquet(path).schema.equals(wanted))
    except (FileNotFoundError, Damaged):
        return False


def _is_of(home: Path) -> bool:
    """Whether the views are there, have all columns and read this home: one that was moved or copied has another's."""
    import duckdb

    try:
        with duckdb.connect(str(database(home)), read_only=True) as connection:
            views = dict(connection.execute("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal").fetchall())
    except (duckdb.Error, UnicodeDecodeError):  # none yet, or damaged: it holds nothing
        return False
    current = quoted(f"{_folder(home)}/*/tables/current.parquet")
    declared = {name: sql for name, sql in views.items() if name in catalogue().tables}
    return views.keys() == {*catalogue().tables, *undeclared(home)} and all(
        current in sql
        and "split_part" in sql  # an older featcx's see copies of studies, too
        and "union_by_name" not in sql
        and all(column.name in sql for column in catalogue().tables[name].columns)
        for name, sql in declared.items()
    )


def _statements(home: Path, table: Table) -> Iterator[str]:
    rows = quoted(f"{_folder(home)}/*/tables/{table.name}/*.parquet")
    current = quoted(f"{_folder(home)}/*/tables/current.parquet")
    columns = ", ".join(f'"{column.name}"' for column in table.columns)  # `order` is a word of SQL's own
    yield f"""
        CREATE VIEW {table.name} AS
        SELECT {columns} FROM (
            SELECT * FROM read_parquet({rows}, {columns_as_declared(table)}, filename = true)
            WHERE split_part(filename, '/', -4) = study  -- not those of a copy of its folder
        )
        SEMI JOIN (
            SELECT study, fingerprint FROM read_parquet({current}, filename = true)
            WHERE table_name = {quoted(table.name)} AND split_part(filename, '/', -3) = study
        ) USING (study, fingerprint)
    """
    yield f"COMMENT ON VIEW {table.name} IS {quoted(table.row)}"
    for column in table.columns:
        yield f'COMMENT ON COLUMN {table.name}."{column.name}" IS {quoted(column.description)}'


def columns_as_declared(table: Table) -> str:
    """Return the argument of `read_parquet` that states a table's columns.

    An older featcx's file may lack some. Were they taken from the files (`union_by_name`), each would be opened twice,
    and a run that replaces it between would lend the new file the old one's footer.
    """
    columns = (
        f"{quoted(column.name)}: {{name: {quoted(column.name)}, type: {quoted(SQL_TYPES[column.dtype])}, "
        "default_value: NULL}"
        for column in table.columns
    )
    return f"schema = MAP {{{', '.join(columns)}}}"


def undeclared(home: Path) -> set[str]:
    """Return the tables of analyses that are not installed any more: they stay readable."""
    names = {file.parent.name for file in home.glob("*/tables/*/*.parquet")}
    return {name for name in names - catalogue().tables.keys() if name.isidentifier()}


def _undeclared_view(home: Path, name: str) -> str:
    rows = quoted(f"{_folder(home)}/*/tables/{name}/*.parquet")
    return f"CREATE VIEW {name} AS SELECT * FROM read_parquet({rows}, union_by_name = true)"


def _folder(home: Path) -> str:
    return re.sub(r"([*?[])", r"[\1]", str(home))  # literally, within a pattern


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
