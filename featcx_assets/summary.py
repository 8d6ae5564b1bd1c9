"""The end of `featcx run`: the main numbers, and where things lie."""

from typing import Any

from featcx_assets.views import database
from featcx_core.analyses.reading import read_tables
from featcx_core.artefacts.commits import place_of
from featcx_core.artefacts.declaration import Folder, Page
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.partition import Partition
from featcx_core.findings.evidence import NOT_MEASURED
from featcx_core.findings.headlines import Headline, headlines
from featcx_core.findings.predictions import lost_predictions


def summary_lines(reader: StudyReader) -> list[str]:
    """Return the main numbers of the reference epoch, a line each, then the paths of pages and database.

    Where the concepts do not say what the network says, that comes first.
    """
    warning, rows = _main_numbers(reader)
    measured = [row for row in rows if not row.value.startswith(str(NOT_MEASURED))]
    width = max((len(row.name) for row in measured), default=0)
    numbers = [f"  {row.name:<{width}}  {row.value}   ({row.meaning})" for row in measured]
    if missing := [row.name for row in rows if row not in measured]:
        numbers.append(f"  without a number (not measured, stale, or the same for all concepts): {', '.join(missing)}")
    first = [f"warning: {warning}"] if warning else []
    return [*first, *numbers, *(f"{name}: {path}" for name, path in _places(reader).items())]


def summary_values(reader: StudyReader) -> dict[str, Any]:
    """Return the same for machines."""
    warning, rows = _main_numbers(reader)
    return {"warning": warning, "numbers": [row._asdict() for row in rows], **_places(reader)}


def _main_numbers(reader: StudyReader) -> tuple[str, list[Headline]]:
    """Return a warning of a dictionary that does not keep the predictions, or an empty text, and the headlines."""
    tables, epoch = read_tables(reader), reader.study.reference_epoch
    if not len(tables.epochs):
        return "", []
    warning = lost_predictions(tables.dictionaries, tables.learning_curve, epoch=epoch)
    return warning, headlines(tables, reference_epoch=epoch)


def _places(reader: StudyReader) -> dict[str, str]:
    """Return the pages that are there, by the names of their artefacts, and the database."""
    places = {}
    for artefact in reversed(reader.snapshot.catalogue.shown):
        for holding in artefact.holds:
            if isinstance(holding, Page | Folder) and not artefact.has_epochs:
                path = place_of(reader.store, holding, Partition(artefact.name))
                places[artefact.name] = path if isinstance(holding, Page) else path / "index.html"
    places["database"] = database(reader.store.home)
    return {name: str(path) for name, path in places.items() if path.exists()}
