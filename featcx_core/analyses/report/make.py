"""The report of a study: its facts, and the page."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from featcx_core.analyses.explorer import EXPLORER
from featcx_core.analyses.figures import FIGURES
from featcx_core.analyses.reading import doubts, read_tables
from featcx_core.artefacts.declaration import Artefact, resolve
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.findings.claim import Claim, unmeasured
from featcx_core.findings.study_tables import StudyTables
from featcx_core.networks.anatomy import Anatomy
from featcx_core.report.report import FurtherAnalysis, render_report
from featcx_core.study.fields import Study

_ATOMS = {"class": "atoms a class", "all": "atoms for all classes together"}


def write_report(given: Given) -> None:
    """Write the study's report, one HTML file with its pictures inside, which leads to the explorer."""
    (place,) = given.partitions
    pictures = {path.stem: path.read_bytes() for path in sorted(given.folder(FIGURES).glob("*.png"))}
    further = list(_further(given, pictures))
    tables = read_tables(given)
    html = render_report(
        tables,
        study=given.study.name,
        facts=_facts(given, tables.epochs["epoch"].tolist()),
        reference_epoch=given.study.reference_epoch,
        figures={name: picture for name, picture in pictures.items() if "." not in name},
        has_explorer=given.is_expected(EXPLORER),
        further=further,
    )
    given.draft(place).write_text(html, encoding="utf-8")


def _further(given: StudyReader, pictures: Mapping[str, bytes]) -> Iterator[FurtherAnalysis]:
    """Yield the analyses whose tables the report's own sections do not read, with their figures and claims."""
    for artefact in given.snapshot.catalogue.shown:
        names = [table.name for table in artefact.tables]
        is_further = names and not {*names} & {*StudyTables._fields} and given.is_made(artefact)
        if is_further and len(rows := given.table(names[0])):
            figures = {
                name.partition(".")[2]: picture
                for name, picture in pictures.items()
                if name.startswith(f"{artefact.name}.")
            }
            yield FurtherAnalysis(
                artefact.name, artefact.description, names[0], len(rows), figures, _claims(artefact, rows)
            )


def _claims(artefact: Artefact, rows: pd.DataFrame) -> list[Claim]:
    """Judge the claims that a declaration names; where that fails, the one claim says why."""
    if not artefact.findings:
        return []
    try:
        judged: list[Claim] = resolve(artefact.findings)(rows)
    except Exception as error:  # another package's code fails in any way
        reason = f"{artefact.findings} failed: {type(error).__name__}: {error}"
        return [unmeasured(f"The claims of {artefact.name}.", reason)]
    return judged


def _facts(given: Given, epochs: list[int]) -> dict[str, str]:
    study, data = given.study, given.data
    n_used = sum(map(len, data.split.values())) + len(data.broken)
    left_out = f"{len(data.broken)} of the {n_used} image files that are used cannot be read and are left out"
    broken = f"; {left_out}" if data.broken else ""
    facts = {
        "data": f"{study.data.source}, {len(data.labels)} images of {len(data.class_names)} classes{broken}",
        "split": ", ".join(f"{len(rows)} {name}" for name, rows in data.split.items()),
        "network": _network(study, given.anatomy),
        "checkpoints": f"{len(epochs)}: epochs {', '.join(map(str, sorted(epochs)))}",
        "dictionary": f"{study.dictionary.atoms_per_class} {_ATOMS[study.dictionary.scope]}, seed {study.seed}",
    }
    if doubtful := doubts(given):
        facts["to be looked at"] = " ".join(doubtful)
    return facts


def _network(study: Study, anatomy: Anatomy) -> str:
    model, n_outputs = study.model, anatomy.n_classes
    parts = [f"{model.source}, {len(anatomy.layers)} recorded layers, {len(anatomy.in_complexity)} in K"]
    if model.weights:
        parts.append(f"starts from {Path(model.weights).name if model.weights_path else model.weights}")
    if model.outputs == "none":
        parts.append(f"{n_outputs} outputs, none of them a class of the data: accuracy and loss are not measured")
    elif isinstance(model.outputs, dict):
        parts.append(f"{n_outputs} outputs, {len(model.outputs)} of them classes of the data; accuracy is over all")
    return "; ".join(parts)
