"""Result tables on disk: one Parquet file a partition, typed by the table's description."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from featcx_core.store.files import replacing
from featcx_core.store.tables import Dtype, Table

_FINGERPRINT = b"featcx.fingerprint"
_INPUTS = b"featcx.inputs"
_ARROW: dict[Dtype, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "list<float>": pa.list_(pa.float32()),
}
_TOLERANCE = 1e-9  # of a range: sums that are exactly 1 on paper


class Footer(NamedTuple):
    """A Parquet file's own account of its rows."""

    fingerprint: str
    """Digest of everything the rows were made from."""
    inputs: frozenset[str]
    """Fingerprints behind a table over all epochs; empty elsewhere."""


def schema(table: Table) -> pa.Schema:
    """Return a table's types on disk, with a comment on each column."""
    return pa.schema([pa.field(c.name, _ARROW[c.dtype], metadata={"comment": c.description}) for c in table.columns])


def without_rows(table: Table) -> pd.DataFrame:
    """Return an empty frame with the columns that an analysis gives."""
    empty: pd.DataFrame = schema(table).empty_table().to_pandas()
    return empty.drop(columns=["study", "fingerprint"], errors="ignore")


def write_rows(
    path: Path, table: Table, rows: pd.DataFrame, *, study: str, fingerprint: str, inputs: Collection[str] = ()
) -> None:
    """Write a table's rows, whole or not at all; `study` and `fingerprint` are filled in, columns go by name.

    Raises ValueError when a column is missing or unknown, or a value breaks the table's description.
    """
    frame = rows.assign(study=study, fingerprint=fingerprint)
    _refuse_other_columns(table, frame)
    for offence in offences(frame, table):
        raise ValueError(f"table {table.name}: {offence}")
    arrow = pa.Table.from_pandas(frame[[c.name for c in table.columns]], schema(table), preserve_index=False)
    arrow = arrow.replace_schema_metadata({_FINGERPRINT: fingerprint, _INPUTS: json.dumps(sorted(inputs))})
    write_parquet(arrow, path)


def read_rows(path: Path, *, columns: list[str] | None = None) -> pd.DataFrame:
    """Read the rows of one file; all columns unless some are named."""
    frame: pd.DataFrame = pq.ParquetFile(path).read(columns=columns).to_pandas()
    return frame


def read_all(table: Table, paths: Collection[Path], *, columns: list[str] | None = None) -> pd.DataFrame:
    """Read the rows of several files of a table, in order; none, with the table's types, where there is no file."""
    wanted = schema(table)
    if columns is not None:
        wanted = pa.schema([wanted.field(name) for name in columns])
    parts = [pq.ParquetFile(path).read(columns=wanted.names).cast(wanted) for path in paths]
    frame: pd.DataFrame = pa.concat_tables([wanted.empty_table(), *parts]).to_pandas()
    return frame


def read_footer(path: Path) -> Footer | None:
    """Read fingerprint and inputs from a file's footer; None where there is no such file."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except FileNotFoundError:
        return None
    inputs = frozenset(json.loads(metadata.get(_INPUTS, b"[]")))
    return Footer(metadata.get(_FINGERPRINT, b"").decode(), inputs)


def write_parquet(arrow: pa.Table, path: Path) -> None:
    """Write a Parquet file whole or not at all."""
    with replacing(path) as draft:
        pq.write_table(arrow, draft, compression="zstd")


def offences(frame: pd.DataFrame, table: Table) -> Iterator[str]:
    """Yield, a line each, how rows break their table's description: repeated keys, missing values, values out of range.

    Columns that the frame does not hold are not looked at.
    """
    keys = list(table.keys)
    repeated = frame[frame.duplicated(keys, keep=False)]
    if len(repeated):
        yield f"{len(repeated)} rows share a key, the first: {repeated.iloc[0][keys].to_dict()}"
    for column in table.columns:
        if column.name not in frame or column.dtype == "list<float>":
            continue
        values = frame[column.name]
        if not column.nullable and values.isna().any():
            yield f"{column.name}: {int(values.isna().sum())} values are missing"
        if column.dtype == "float64" and np.isinf(values.astype(float)).any():
            yield f"{column.name}: {int(np.isinf(values.astype(float)).sum())} values are infinite"
        if column.low is not None and (values < column.low - _TOLERANCE).any():
            yield f"{column.name}: {float(values.min())} is below {column.low}"
        if column.high is not None and (values > column.high + _TOLERANCE).any():
            yield f"{column.name}: {float(values.max())} is above {column.high}"


def _refuse_other_columns(table: Table, frame: pd.DataFrame) -> None:
    wanted, got = {column.name for column in table.columns}, set(frame.columns)
    if wanted != got:
        missing, extra = sorted(wanted - got), sorted(got - wanted)
        raise ValueError(f"table {table.name}: wanted exactly its columns, got missing {missing}, unknown {extra}")
