"""The rows that views show: a study's table of current fingerprints."""

from collections.abc import Collection

import pyarrow as pa

from featcx_core.store.damage import Damaged
from featcx_core.store.parquet import read_parquet, write_parquet
from featcx_core.store.places import Store


def write_current(store: Store, fingerprints: Collection[tuple[str, str]]) -> None:
    """Declare the (table, fingerprint) pairs whose rows are visible; written only where that changes something."""
    pairs = sorted(set(fingerprints))
    arrow = pa.table(
        {
            "study": pa.array([store.study.name] * len(pairs), pa.string()),
            "table_name": pa.array([table for table, _ in pairs], pa.string()),
            "fingerprint": pa.array([digest for _, digest in pairs], pa.string()),
        }
    )
    if not _says(store, arrow):
        write_parquet(arrow, store.current_path)


def _says(store: Store, arrow: pa.Table) -> bool:
    try:
        return bool(read_parquet(store.current_path).equals(arrow))
    except FileNotFoundError:
        return False
    except Damaged as error:
        store.put_aside(error.path, error.reason)
        return False
