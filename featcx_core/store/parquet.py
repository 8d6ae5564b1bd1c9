"""Result tables on disk: one Parquet file a partition, typed by the table's description.

A file's footer says where it belongs and carries a digest of the whole file, taken with zeros in its own place. Pages
carry checksums. A file that is not as it was written, or lies under another name, is damaged, and is not read.
"""

import json
from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from featcx_core.store.damage import Damaged
from featcx_core.store.files import replacing
from featcx_core.store.manifests import digest_of, version
from featcx_core.store.tables import Dtype, Table

_FINGERPRINT = b"featcx.fingerprint"
_INPUTS = b"featcx.inputs"
_PLACE = b"featcx.place"
_DIGEST = b"featcx.digest"
_BLANK = b"0" * 32
_FEATCX = (_FINGERPRINT, _INPUTS, _PLACE, _DIGEST)
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
    """Read the rows of one file; all columns unless some are named. Raises Damaged."""
    frame: pd.DataFrame = read_parquet(path, columns=columns).to_pandas()
    return frame


def read_all(table: Table, paths: Collection[Path], *, columns: list[str] | None = None) -> pd.DataFrame:
    """Read the rows of several files of a table, in order; none, with the table's types, where there is no file.

    Raises Damaged.
    """
    wanted = schema(table)
    if columns is not None:
        wanted = pa.schema([wanted.field(name) for name in columns])
    parts = [read_parquet(path, columns=wanted.names).cast(wanted) for path in paths]
    frame: pd.DataFrame = pa.concat_tables([wanted.empty_table(), *parts]).to_pandas()
    return frame


def read_parquet(path: Path, *, columns: list[str] | None = None) -> pa.Table:
    """Read a file, whose content is compared with its digest once a process. Raises Damaged."""
    refuse_altered_file(path)
    try:
        return pq.ParquetFile(path, page_checksum_verification=True).read(columns=columns)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise Damaged(path, _first_line(error)) from None


def read_footer(path: Path) -> Footer | None:
    """Read fingerprint and inputs from a file's footer; None where there is no such file. Raises Damaged."""
    try:
        return _footer(path, *version(path.stat()))
    except FileNotFoundError:
        return None


def refuse_altered_file(path: Path, *, anew: bool = False) -> None:
    """Compare a file with the digest in its footer, once a process (`anew`: again). Raises Damaged."""
    if anew:
        _refuse_altered.cache_clear()
    _refuse_altered(path, *version(path.stat()))


def refuse_altered_content(path: Path, content: bytes) -> None:
    """Compare what was read of a file with the digest in its footer, and its place with the path. Raises Damaged."""
    altered = bytearray(content)
    place = _digest_place(altered)
    stated = bytes(altered[place : place + len(_BLANK)])
    altered[place : place + len(_BLANK)] = _BLANK
    if place < 0 or digest_of([altered]).encode() != stated:
        raise Damaged(path, "it is not as it was written")
    _checked_footer(path, pa.BufferReader(content))


def write_parquet(arrow: pa.Table, path: Path) -> None:
    """Write a Parquet file whole or not at all, with a digest of itself."""
    kept = {key: value for key, value in (arrow.schema.metadata or {}).items() if key not in (_PLACE, _DIGEST)}
    about = {key: value for key, value in kept.items() if key in _FEATCX}
    arrow = arrow.replace_schema_metadata({key: value for key, value in kept.items() if key not in about} or None)
    about |= {_PLACE: _place(path).encode(), _DIGEST: _BLANK}
    with replacing(path) as draft:
        with pq.ParquetWriter(draft, arrow.schema, compression="zstd", write_page_checksum=True) as writer:
            writer.write_table(arrow)
            writer.add_key_value_metadata(about)
        content = bytearray(draft.read_bytes())
        place = _digest_place(content)
        content[place : place + len(_BLANK)] = digest_of([content]).encode()
        draft.write_bytes(content)


@lru_cache(maxsize=65536)
def _footer(path: Path, *_version: int) -> Footer:
    return _checked_footer(path, path)


def _checked_footer(path: Path, source: Path | pa.BufferReader) -> Footer:
    try:
        metadata = pq.read_metadata(source).metadata or {}
        place = metadata.get(_PLACE, b"").decode()
        footer = Footer(metadata.get(_FINGERPRINT, b"").decode(), frozenset(json.loads(metadata.get(_INPUTS, b"[]"))))
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged footer fails in many ways
        raise Damaged(path, _first_line(error)) from None
    if place and place != _place(path):
        raise Damaged(path, f"it holds {place}")
    return footer if place else Footer("", frozenset())  # of an earlier version, without a digest


@lru_cache(maxsize=65536)
def _refuse_altered(path: Path, *_version: int) -> None:
    refuse_altered_content(path, path.read_bytes())


def _digest_place(content: bytearray) -> int:
    """Return where the footer holds the digest: after its key, the type and the length of its text; -1 for none.

    Thrift's compact protocol: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
    """
    key = content.rfind(_DIGEST)
    return key + len(_DIGEST) + 2 if key >= 0 else -1


def _place(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


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
