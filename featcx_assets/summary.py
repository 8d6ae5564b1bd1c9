"""What `featcx run` says at the end: the main numbers, and where things lie."""

from typing import Any

from featcx_assets.catalog import database
from featcx_core.figures.summary import headlines
from featcx_core.steps.report import read_tables
from featcx_core.store import Store


def summary_lines(store: Store) -> list[str]:
    """The main numbers of the reference epoch, a line each, then the paths of report and database."""
    found = headlines(read_tables(store), reference_epoch=store.study.reference_epoch)
    width = max(len(row.name) for row in found)
    numbers = [f"  {row.name:<{width}}  {row.value}   ({row.meaning})" for row in found]
    return [*numbers, *(f"{name}: {path}" for name, path in _places(store).items())]


def summary_values(store: Store) -> dict[str, Any]:
    """The same for machines."""
    found = headlines(read_tables(store), reference_epoch=store.study.reference_epoch)
    return {"numbers": [row._asdict() for row in found], **_places(store)}


def _places(store: Store) -> dict[str, str]:
    return {"report": str(store.report / "index.html"), "database": str(database(store.home))}
