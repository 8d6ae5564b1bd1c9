"""The report of one study: one HTML file with the study's own numbers, pictures inside, no script, no network."""

import base64
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from featcx_core.figures.claims import claims
from featcx_core.figures.gallery import StudyTables
from featcx_core.figures.summary import concept_rows, control_rows, dictionary_facts, headlines, questions

ALTERNATIVE_TEXTS = {
    "training_curves": "Two line charts by epoch: loss and accuracy on training and on held-out images.",
    "complexity_spectrum": "Concepts sorted by complexity K with error bars, above box plots of K for the controls.",
    "concept_sheet": "One row a concept from simple to complex: its strongest images with heat maps.",
    "complexity_against_decode_time": "Scatter plot of complexity K against time to decode Λ, one point a concept.",
    "information_by_layer_and_epoch": "Mean V-information by layer, one line an epoch, and by layer and epoch.",
    "branches_by_block": "CKA and V-information of residual and main branch by block, of simple and complex concepts.",
    "complexity_against_importance": "Scatter plots of complexity K against importance Γ, one panel an epoch.",
    "sedimentation_curves": "Line chart of mean complexity by epoch for all and for the most important concepts.",
}
"""The pictures that the report has a place for, and what each shows to a reader who cannot see it."""


def render_report(
    tables: StudyTables,
    *,
    study: str,
    facts: Mapping[str, str],
    reference_epoch: int,
    figures: Mapping[str, bytes],
) -> str:
    """The report as one HTML document.

    facts: what was studied, name -> value, shown as they come (data, counts, network, …).
    figures: PNG bytes under the names of `ALTERNATIVE_TEXTS`; a missing one is named as missing.

    Raises: ValueError for a figure without a place, and for tables with rows of another study.
    """
    unknown = sorted(set(figures) - set(ALTERNATIVE_TEXTS))
    if unknown:
        raise ValueError(f"wanted figures named {', '.join(ALTERNATIVE_TEXTS)}, got {', '.join(unknown)}")
    for name, table in tables._asdict().items():
        others = sorted({str(owner) for owner in table["study"].unique()} - {study})
        if others:
            raise ValueError(f"wanted rows of study {study} in {name}, got {', '.join(others)}; try filtering by study")
    found = claims(tables, reference_epoch=reference_epoch)
    places = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    ranked = concept_rows(tables, reference_epoch=reference_epoch)
    return places.get_template("report.html.j2").render(
        study=study,
        facts=facts,
        reference_epoch=reference_epoch,
        headlines=headlines(tables, reference_epoch=reference_epoch),
        claims=dict(
            zip(("dictionary", "when", "where", "branch", "end", "start", "rise", "sediment"), found, strict=True)
        ),
        pictures={name: base64.b64encode(picture).decode("ascii") for name, picture in figures.items()},
        alternative_texts=ALTERNATIVE_TEXTS,
        ranked=ranked,
        controls=control_rows(tables, reference_epoch=reference_epoch),
        dictionary=dictionary_facts(tables.dictionaries, reference_epoch=reference_epoch),
        questions=questions(study, reference_epoch=reference_epoch),
    )
