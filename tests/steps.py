"""Steps of a study as tests take them: make one artefact anew, read rows, arrays and paths back."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from featcx_core.analyses.codes.make import read_probe
from featcx_core.artefacts.catalogue import artefact_called, catalogue
from featcx_core.artefacts.commits import place_of
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.making import make
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.artefacts.visible_rows import write_current
from featcx_core.features.probe_reader import KINDS, ProbeReader
from featcx_core.store.parquet import write_parquet
from featcx_core.store.places import Store


def made_up(table: str, values: Sequence[float], **columns: object) -> pd.DataFrame:
    """Rows of a table, one a value; columns that are not given hold it, as whole numbers 1, as lists alone."""
    of_type: dict[str, Any] = {"int64": 1, "float64": list(values), "bool": True, "string": "x"}
    rows = pd.DataFrame(index=range(len(values)))
    for column in catalogue().tables[table].columns:
        if column.name not in ("study", "fingerprint"):
            is_list = column.dtype == "list<float>"
            rows[column.name] = [[value] for value in values] if is_list else of_type[column.dtype]
    return rows.assign(**columns)


def reader(store: Store) -> StudyReader:
    """A reader of the study as it is now."""
    return StudyReader(Snapshot(store))


def remake(store: Store, name: str, **settings: Any) -> pd.DataFrame | None:
    """Make an artefact again; returns its rows at that epoch, where it has rows."""
    make(store, name, anew=True, **{"device": "cpu", **settings})
    artefact = artefact_called(name)
    if not artefact.tables or artefact.grain == "layer":
        return None
    return rows_of(store, name, epoch=settings.get("epoch", -1), table=artefact.tables[-1].name)


def rows_of(store: Store, name: str, *, epoch: int = -1, layer: str = "", table: str = "") -> pd.DataFrame:
    """One partition's rows, whatever their fingerprint."""
    return reader(store).rows(artefact_called(name), epoch=epoch, layer=layer, table=table)


def table_of(store: Store, name: str) -> pd.DataFrame:
    """A table's current rows."""
    return reader(store).table(name)


def arrays_of(store: Store, name: str, *, epoch: int, layer: str = "") -> Any:
    """A committed array or group."""
    return reader(store).arrays(artefact_called(name), epoch=epoch, layer=layer)


def probe_of(store: Store, *, epoch: int, kinds: tuple[str, ...] = KINDS) -> ProbeReader:
    """The committed codes of an epoch."""
    return read_probe(reader(store), epoch=epoch, kinds=kinds)


def path_of(store: Store, name: str, epoch: int = -1, layer: str = "") -> Path:
    """Where the first thing that an artefact holds lies."""
    artefact = catalogue()[name]
    holding = artefact.folders[0] if artefact.folders else artefact.holds[0]
    return place_of(store, holding, Partition(name, epoch, layer))


def refresh(store: Store) -> None:
    """Bring the views up to the study as it is now."""
    write_current(store, Snapshot(store).visible())


def altered(store: Store, name: str, partition: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change a partition's rows behind featcx's back; fingerprint and inputs stay."""
    file = store.table(name, partition)
    before = pq.ParquetFile(file).read()
    after = pa.Table.from_pandas(change(before.to_pandas()), before.schema, preserve_index=False)
    write_parquet(after.replace_schema_metadata(before.schema.metadata), file)
