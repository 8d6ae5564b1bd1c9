"""Previews of an artefact for the web UI: column schemas, counts, first rows, pictures, files."""

import math
from pathlib import Path
from typing import Any

import dagster as dg

from featcx_assets.pages import address_of, page_file
from featcx_core.artefacts.commits import place_of
from featcx_core.artefacts.declaration import Artefact, CheckpointFiles, Folder, Page, Rows, resolve
from featcx_core.artefacts.fingerprints import TENSORS
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.partition import Partition
from featcx_core.store.places import Store
from featcx_core.store.tables import FINGERPRINT, STUDY, Dtype, Table

Metadata = dict[str, Any]
_FIRST_ROWS = 8
_NAMES: dict[Dtype, str] = {"int64": "int", "float64": "float"}


def metadata_of(reader: StudyReader, artefact: Artefact, partition: Partition) -> Metadata:
    """Return counts, previews, pictures and paths of a partition."""
    metadata: Metadata = {}
    for holding in artefact.holds:
        place = place_of(reader.store, holding, partition)
        match holding:
            case Rows(table):
                metadata |= table_metadata(table, place)
            case Folder():
                metadata |= _folder_metadata(reader.store.home, place, artefact.name)
            case Page():
                metadata[artefact.name] = dg.MetadataValue.url(address_of(reader.store.home, place))
            case CheckpointFiles():
                metadata |= {"checkpoints": reader.study.training.last + 1, "folder": dg.MetadataValue.path(place)}
    if artefact.preview:
        pictures: dict[str, bytes] = resolve(artefact.preview)(reader, partition)
        folders = [
            place_of(reader.store, holding, partition) for holding in artefact.holds if isinstance(holding, Folder)
        ]
        metadata |= {title: _shown(reader.store.home, folders, title, png) for title, png in pictures.items()}
    if TENSORS in artefact.outside:
        metadata |= _checkpoint_metadata(reader, partition)
    return metadata


def metadata_of_group(store: Store, artefact: Artefact) -> Metadata:
    """Return the page, the last table and the pictures of an artefact of a group."""
    place, metadata = Partition(artefact.name), Metadata()
    for holding in artefact.holds:
        path = place_of(store, holding, place)
        if isinstance(holding, Folder):
            metadata["page"] = dg.MetadataValue.url(address_of(store.home, path / "index.html"))
            pictures = sorted((path / "figures").glob("*.png"))
            metadata |= {picture_file.stem: picture(picture_file.read_bytes()) for picture_file in pictures}
        elif isinstance(holding, Rows):
            metadata |= table_metadata(holding.table, path)
    return metadata


def table_metadata(table: Table, path: Path) -> Metadata:
    """Return row count, first rows and file of a table's partition."""
    from pyarrow.parquet import ParquetFile

    shown = {*table.scalars} - {STUDY.name, FINGERPRINT.name}  # the same in every row
    columns = [column for column in column_schema((table,)).columns if column.name in shown]
    with ParquetFile(path) as file:
        n_rows = file.metadata.num_rows
        names = [column.name for column in columns]
        rows = next(file.iter_batches(_FIRST_ROWS, columns=names)).to_pylist() if n_rows else []
    records = [dg.TableRecord({name: _plain(value) for name, value in row.items()}) for row in rows]
    title, value = f"first rows of {table.name}", dg.MetadataValue.table(records, dg.TableSchema(columns))
    preview = {title: value} if records else {}
    return {"dagster/partition_row_count": n_rows, "file": dg.MetadataValue.path(path), **preview}


def _shown(home: Path, folders: list[Path], title: str, png: bytes) -> dg.MetadataValue[Any]:
    """Return a picture that the UI shows: by its address where it is served, which needs no click, else its bytes."""
    files = (folder / f"{title}.png" for folder in folders)
    served = next((file for file in files if page_file(home, file.relative_to(home).as_posix())), None)
    return dg.MetadataValue.md(f"![{title}]({address_of(home, served)})") if served else picture(png)


def picture(png: bytes) -> dg.MetadataValue[Any]:
    """Return a picture that the UI shows."""
    from base64 import b64encode

    return dg.MetadataValue.md(f"![preview](data:image/png;base64,{b64encode(png).decode()})")


def column_schema(tables: tuple[Table, ...]) -> dg.TableSchema:
    """Return the columns of tables, with their meaning, as the web UI shows them."""
    columns = {column.name: column for table in tables for column in table.columns}
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                _NAMES.get(column.dtype, column.dtype),
                column.description,
                dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in columns.values()
        ]
    )


def _folder_metadata(home: Path, path: Path, name: str) -> Metadata:
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    page = path / "index.html"
    where: Metadata = {name: dg.MetadataValue.url(address_of(home, page))} if page.is_file() else {}
    return {"file": dg.MetadataValue.path(path), "size_bytes": size, **where}


def _checkpoint_metadata(reader: StudyReader, partition: Partition) -> Metadata:
    """Return where a checkpoint lies, its size, and how it was read."""
    from featcx_core.checkpoints.landing import landed

    files = landed(reader.store).get(partition.epoch)
    if not files:
        return {}
    how = reader.snapshot.survey.found_as.get(partition.epoch)
    weights = {"checkpoint": dg.MetadataValue.path(files[0].place), "size_bytes": files[0].size_bytes}
    return {**weights, **({"read as": how} if how else {})}


def _plain(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
