"""The report of a study: its facts, and the page."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from featcx_core.analyses.ablation import ABLATION
from featcx_core.analyses.codes import CODES
from featcx_core.analyses.explorer import EXPLORER
from featcx_core.analyses.figures import FIGURES
from featcx_core.analyses.generalising import GENERALISING
from featcx_core.analyses.image_losses import IMAGE_LOSSES
from featcx_core.analyses.memorisation import MEMORISATION
from featcx_core.analyses.reading import doubts, read_tables
from featcx_core.analyses.report.look import look
from featcx_core.analyses.selectivity import SELECTIVITY
from featcx_core.analyses.spectra import SPECTRA
from featcx_core.artefacts.declaration import Artefact, resolve
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.figures.vector import Drawing, read_svg
from featcx_core.findings.claim import Claim, unmeasured
from featcx_core.findings.passes import training_progress
from featcx_core.findings.study_tables import StudyTables
from featcx_core.images.outputs import stated_outputs
from featcx_core.networks.anatomy import Anatomy
from featcx_core.report.report import FurtherAnalysis, render_report
from featcx_core.study.fields import Study

logger = logging.getLogger("featcx")

_ON_MEMORISING = (GENERALISING, MEMORISATION, IMAGE_LOSSES, ABLATION, SELECTIVITY, SPECTRA)
_ATOMS = {"class": "atoms a class", "all": "atoms for all classes together"}


def write_report(given: Given) -> None:
    """Write the study's report, one HTML file with its pictures inside, which leads to the explorer."""
    (place,) = given.partitions
    drawn = sorted(given.folder(FIGURES).glob("*.svg"))
    pictures = {path.stem: read_svg(path.read_text(encoding="utf-8")) for path in drawn}
    further = sorted(_further(given, pictures), key=lambda each: each.name != GENERALISING.name)  # the answer first
    tables = read_tables(given)
    html = render_report(
        tables,
        study=given.study.name,
        facts=_facts(given, tables.epochs),
        reference_epoch=given.study.reference_epoch,
        figures={name: picture for name, picture in pictures.items() if "." not in name},
        has_explorer=given.is_expected(EXPLORER),
        further=further,
        look=look(given, tables) if given.has(CODES, epoch=given.study.reference_epoch) else None,
    )
    given.draft(place).write_text(html, encoding="utf-8")


def _passes(epochs: pd.DataFrame) -> str:
    """Return how many passes over the data each checkpoint is after; empty where its number says it."""
    progress = training_progress(epochs)
    if not progress.is_fine:
        return ""
    places = ", ".join(f"{place:.2g}" for place in progress.places.values())
    return f"; these are the checkpoints' numbers, after {places} {progress.label}"


def _further(given: StudyReader, pictures: Mapping[str, Drawing]) -> Iterator[FurtherAnalysis]:
    """Yield the analyses with figures of their own, or whose tables the report's sections do not read, and claims."""
    for artefact in given.snapshot.catalogue.shown:
        names = [table.name for table in artefact.tables]
        has_own = artefact.figures or artefact.findings or not {*names} & {*StudyTables._fields}
        is_further = names and has_own and given.is_made(artefact)
        if is_further and len(rows := given.table(names[0])):
            figures = {
                name.partition(".")[2]: picture
                for name, picture in pictures.items()
                if name.startswith(f"{artefact.name}.")
            }
            claims = _findings(given, artefact)
            yield FurtherAnalysis(
                artefact.name,
                artefact.description,
                names[0],
                len(rows),
                figures,
                claims,
                is_on_memorising=artefact in _ON_MEMORISING,
            )


def _findings(given: StudyReader, artefact: Artefact) -> tuple[Claim, ...]:
    """Return what a declaration finds in its artefact's rows; where that fails, a claim that says why."""
    if not artefact.findings:
        return ()
    try:
        return tuple(resolve(artefact.findings)(given.tables(artefact)))
    except Exception as error:  # another package's code fails in any way
        if artefact.is_own:
            raise
        reason = (str(error).splitlines() or [""])[0]
        logger.warning("%s: %s failed: %s: %s", artefact.name, artefact.findings, type(error).__name__, reason)
        return (unmeasured(f"The findings of {artefact.name}.", f"{artefact.findings} failed: {reason}"),)


def _facts(given: Given, epochs: pd.DataFrame) -> dict[str, str]:
    study, data, numbers = given.study, given.data, sorted(epochs["epoch"])
    n_used = sum(map(len, data.split.values())) + len(data.broken)
    left_out = f"{len(data.broken)} of the {n_used} image files that are used cannot be read and are left out"
    broken = f"; {left_out}" if data.broken else ""
    facts = {
        "data": f"{study.data.source}, {len(data.labels)} images of {len(data.class_names)} classes{broken}",
        "split": ", ".join(f"{len(rows)} {name}" for name, rows in data.split.items()),
        "network": _network(study, given.anatomy),
        "checkpoints": f"{len(numbers)}: epochs {', '.join(map(str, numbers))}{_passes(epochs)}",
        "dictionary": _dictionary(study),
    }
    if doubtful := doubts(given):
        facts["to be looked at"] = " ".join(doubtful)
    return facts


def _dictionary(study: Study) -> str:
    atoms = study.dictionary.atoms_per_class
    stated = "as many as keep the predictions, of" if atoms == "auto" else str(atoms)
    further = f"; further images from {study.data.dictionary}" if study.data.dictionary else ""
    return f"{stated} {_ATOMS[study.dictionary.scope]}, seed {study.seed}{further}"


def _network(study: Study, anatomy: Anatomy) -> str:
    model, n_outputs = study.model, anatomy.n_classes
    parts = [f"{model.source}, {len(anatomy.layers)} recorded layers, {len(anatomy.in_complexity)} in K"]
    if model.weights:
        parts.append(f"starts from {Path(model.weights).name if model.weights_path else model.weights}")
    if model.outputs == "none":
        parts.append(f"{n_outputs} outputs, none of them a class of the data: accuracy and loss are not measured")
    elif stated := stated_outputs(model):
        n_stated = sum(map(len, stated.values()))
        several = "" if n_stated == len(stated) else f", which stand for {len(stated)} classes of the data"
        named = "classes of the data" if not several else "named in the study"
        parts.append(f"{n_outputs} outputs, {n_stated} of them {named}{several}; accuracy is over all")
    return "; ".join(parts)
