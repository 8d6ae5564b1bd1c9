"""What `featcx run` says at the end: the main numbers, and where things lie."""

from typing import Any

from featcx_assets.catalog import database
from featcx_core.analyses.reading import read_tables
from featcx_core.findings.evidence import NOT_MEASURED
from featcx_core.findings.headlines import Headline, headlines
from featcx_core.store.places import Store


def summary_lines(store: Store) -> list[str]:
    """The main numbers of the reference epoch, a line each, then the paths of report, explorer and database."""
    found = _headlines(store)
    known = [row for row in found if not row.value.startswith(str(NOT_MEASURED))]
    width = max((len(row.name) for row in known), default=0)
    numbers = [f"  {row.name:<{width}}  {row.value}   ({row.meaning})" for row in known]
    if missing := [row.name for row in found if row not in known]:
        numbers.append(f"  not measured, or stale: {', '.join(missing)}")
    return [*numbers, *(f"{name}: {path}" for name, path in _places(store).items())]


def summary_values(store: Store) -> dict[str, Any]:
    """The same for machines."""
    return {"numbers": [row._asdict() for row in _headlines(store)], **_places(store)}


def _headlines(store: Store) -> list[Headline]:
    tables = read_tables(store)
    return headlines(tables, reference_epoch=store.study.reference_epoch) if len(tables.epochs) else []


def _places(store: Store) -> dict[str, str]:
    places = {
        "report": store.report / "index.html",
        "explorer": store.explorer / "index.html",
        "database": database(store.home),
    }
    return {name: str(path) for name, path in places.items() if path.exists()}
