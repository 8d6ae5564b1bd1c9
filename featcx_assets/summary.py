"""The end of `featcx run`: the answer in words, then where to look further."""

import math
import os
import textwrap
from pathlib import Path
from typing import Any

from featcx_assets.views import database
from featcx_core.analyses.reading import read_tables
from featcx_core.artefacts.commits import place_of
from featcx_core.artefacts.declaration import Folder, Page
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.partition import Partition
from featcx_core.findings.answer import (
    Answer,
    answer,
    cautions,
    checks_passed,
    paper_in_words,
    share_in_words,
)
from featcx_core.findings.evidence import NOT_MEASURED, number
from featcx_core.findings.headlines import Headline, headlines
from featcx_core.findings.predictions import lost_predictions
from featcx_core.findings.readable import ordinal
from featcx_core.findings.reliance import Reliance
from featcx_core.findings.study_tables import StudyTables

COLUMNS, LINES = 100, 20
"""Size that a summary fits, with the line above it."""
_DATABASE = "database"
_NAME = 12
"""Columns of a row's name."""


def summary_lines(reader: StudyReader, *, judges_paper: bool = True) -> list[str]:
    """Return the answer in at most 19 lines of 100 columns: what is not known first, then the strongest evidence.

    judges_paper: whether the last row counts the paper's claims, which takes loading SciPy and torch.
    """
    tables, places = read_tables(reader), _places(reader)
    lines = [""]
    if len(tables.epochs):
        blocks = _blocks(answer(tables, reference_epoch=reader.study.reference_epoch, judges_paper=judges_paper))
        lines += [line for block in blocks if block for line in (*block, "")]
    if pages := [path for name, path in places.items() if name != _DATABASE]:
        lines.append(f"  open   {_from_here(pages[0])}")
    else:
        lines = lines[:-1]
    if len(lines) >= LINES:
        lines = [line for line in lines if line]
    return [line.replace("−", "-") for line in lines]


def full_lines(reader: StudyReader) -> list[str]:
    """Return every main number with all its intervals, a line each, then the paths of pages and database."""
    warning, rows = _main_numbers(reader)
    measured = [row for row in rows if not row.value.startswith(str(NOT_MEASURED))]
    width = max((len(row.name) for row in measured), default=0)
    numbers = [f"  {row.name:<{width}}  {row.value}   ({row.meaning})" for row in measured]
    if missing := [row.name for row in rows if row not in measured]:
        numbers.append(f"  without a number (not measured, stale, or the same for all concepts): {', '.join(missing)}")
    first = [f"warning: {warning}"] if warning else []
    return [*first, *numbers, *(f"{name}: {path}" for name, path in _places(reader).items())]


def summary_values(reader: StudyReader) -> dict[str, Any]:
    """Return the answer and all main numbers for machines."""
    warning, rows = _main_numbers(reader)
    numbers = [row._asdict() for row in rows]
    found = answer(read_tables(reader), reference_epoch=reader.study.reference_epoch) if rows else None
    return {"warning": warning, "answer": _plain(found), "numbers": numbers, **_places(reader)}


def _blocks(found: Answer) -> list[list[str]]:
    """Return the summary's blocks of lines, which blank lines set apart."""
    unknown = [line for each in found.unknown for line in _wrapped("", f"{each.what} {each.remedy}")]
    return [[*unknown, *_first(found)], [*_reliance(found.reliance), *_development(found)], _trust(found)]


def _first(found: Answer) -> list[str]:
    """Return the line on the network and its concepts."""
    right = [f"{share_in_words(found.accuracy)} of unseen images right"] if found.accuracy == found.accuracy else []
    kept = f" keep {share_in_words(found.kept)} of the network's predictions" if found.kept == found.kept else ""
    concepts = [f"{found.n_concepts} concepts{kept}"] if found.n_concepts else []
    return _wrapped("", "; ".join([*right, *concepts])) if right or concepts else []


def _reliance(found: Reliance | None) -> list[str]:
    """Return what the network relies on, with accuracy without a third of the concepts below."""
    if found is None:
        return []
    n = found.n_removed
    without = {"simplest": f"the {n} simplest", "random": f"{n} at random", "most complex": f"the {n} most complex"}
    width = max(map(len, without.values()))
    first = _wrapped("relies on", f"{found.conclusion}: {found.quantity} {share_in_words(found.whole)}")
    rows = [f"{'':16}without {without[end]:<{width}}  {share_in_words(found.left[end]):>7}" for end in without]
    return [*first, *rows]


def _development(found: Answer) -> list[str]:
    """Return where and when concepts can be read, and how their complexity changed."""
    lines = []
    if where := found.where:
        which = f"{ordinal(where.place)} of {where.n_layers} layers"
        lines += _wrapped("where", f"{where.n_readable} of {where.n} half readable by {where.layer} ({which})")
    if when := found.when:
        lines += _wrapped("when", f"{when.n_present} of {when.n} there to stay by epoch {when.epoch}{when.passes}")
    if found.training:
        text = f"mean complexity {number(found.training.first)} -> {number(found.training.last)}"
        if change := found.of_important:
            text += f"; {change.n} most important {number(change.first)} -> {number(change.last)}"
        lines += _wrapped("training", text)
    return lines


def _trust(found: Answer) -> list[str]:
    """Return the checks, the cautions and the paper's claims."""
    rows = {"ok": "; ".join(checks_passed(found)), "caution": "; ".join(cautions(found))}
    if found.paper:
        rows["paper"] = paper_in_words(found.paper)
    return [line for name, text in rows.items() if text for line in _wrapped(name, text)]


def _wrapped(name: str, text: str) -> list[str]:
    """Return a row in at most 100 columns, its further lines under its text."""
    first = f"  {name:<{_NAME}}" if name else "  "
    return textwrap.wrap(text, COLUMNS, initial_indent=first, subsequent_indent=" " * len(first))


def _from_here(path: str) -> str:
    """Return a path as one would type it here, where that is shorter."""
    return min(path, os.path.relpath(path), key=len)


def _plain(value: Any) -> Any:
    """Return named tuples as dictionaries, and null for what is not finite."""
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _main_numbers(reader: StudyReader) -> tuple[str, list[Headline]]:
    """Return a warning of a dictionary that does not keep the predictions, or an empty text, and the headlines."""
    tables: StudyTables = read_tables(reader)
    epoch = reader.study.reference_epoch
    if not len(tables.epochs):
        return "", []
    warning = lost_predictions(tables.dictionaries, tables.learning_curve, epoch=epoch)
    return warning, headlines(tables, reference_epoch=epoch)


def _places(reader: StudyReader) -> dict[str, str]:
    """Return the pages that are there, by the names of their artefacts, and the database."""
    places: dict[str, Path] = {}
    for artefact in reversed(reader.snapshot.catalogue.shown):
        for holding in artefact.holds:
            if isinstance(holding, Page | Folder) and not artefact.has_epochs:
                path = place_of(reader.store, holding, Partition(artefact.name))
                places[artefact.name] = path if isinstance(holding, Page) else path / "index.html"
    places[_DATABASE] = database(reader.store.home)
    return {name: str(path) for name, path in places.items() if path.exists()}
