"""What the tables of a study hold, compared with those of an undisturbed run."""

from pathlib import Path

import numpy as np
import pandas as pd

from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.places import Store, open_store

Tables = dict[str, pd.DataFrame]


def tables_of(store: Store) -> Tables:
    """Read all tables of a study that are there."""
    reader = StudyReader(Snapshot(store))
    names = [name for name in reader.snapshot.catalogue.tables if list(store.root.glob(f"tables/{name}/*.parquet"))]
    return {name: reader.table(name) for name in names}


def tables_in(home: Path, study: str = "tiny") -> Tables:
    """Read all tables of a registered study."""
    return tables_of(open_store(home, study))


def different(tables: Tables, truth: Tables, asked: set[str] | None = None) -> list[str]:
    """Return the names of tables, of those asked for, whose rows differ or are not there."""
    names = truth.keys() if asked is None else asked & truth.keys()
    return [name for name in sorted(names) if name not in tables or not is_same(tables[name], truth[name])]


def is_part(tables: Tables, truth: Tables) -> bool:
    """Whether every row that can be read is one of the true ones."""
    for name, rows in tables.items():
        if len(rows):
            keys = [column for column in rows if rows[column].dtype.kind in "iOU" and column != "jackknife"]
            keys = [column for column in keys if not isinstance(rows[column].iloc[0], list | np.ndarray)]
            known = truth[name].set_index(keys).index
            if not rows.set_index(keys).index.isin(known).all():
                return False
            part = truth[name][known.isin(rows.set_index(keys).index)]
            if not is_same(rows, part):
                return False
    return True


def is_same(rows: pd.DataFrame, truth: pd.DataFrame) -> bool:
    """Whether rows are the same, seconds aside."""
    columns = [column for column in truth if not column.endswith("_seconds")]
    try:
        pd.testing.assert_frame_equal(
            _sorted(rows[columns]), _sorted(truth[columns]), check_exact=False, rtol=1e-5, atol=1e-7
        )
    except (AssertionError, KeyError):
        return False
    return True


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    keys = [column for column in rows if rows[column].dtype.kind in "ib" or column in ("layer", "kind", "dictionary")]
    return rows.sort_values(keys, kind="stable").reset_index(drop=True) if keys else rows.reset_index(drop=True)
