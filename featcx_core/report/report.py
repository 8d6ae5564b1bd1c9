"""The report of one study: one HTML file with the study's own numbers, pictures inside, no script, no network."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from featcx_core.findings.claim import Claim
from featcx_core.findings.claims import claims
from featcx_core.findings.headlines import headlines
from featcx_core.findings.layer_choices import choice_rows
from featcx_core.findings.predictions import carried_sentence, lost_predictions
from featcx_core.findings.study_tables import StudyTables
from featcx_core.findings.summary import (
    concept_rows,
    control_rows,
    dictionary_facts,
    notes,
    super_class_rows,
)
from featcx_core.report.questions import questions

ALTERNATIVE_TEXTS = {
    "training_curves": "Two line charts by epoch: loss and accuracy on training and on held-out images.",
    "complexity_spectrum": "Concepts sorted by complexity K with error bars, above box plots of K for the controls.",
    "concept_sheet": "One row a concept from simple to complex: its strongest images with heat maps.",
    "concept_pictures": "Pairs of a picture made to excite a concept and the image on which it is strongest.",
    "complexity_against_decode_time": "Scatter plot of complexity K against normalised time to decode Λ, by concept.",
    "information_by_layer_and_epoch": "Mean V-information by layer, one line an epoch, and by layer and epoch.",
    "branches_by_block": "CKA and V-information of residual and main branch by block, of simple and complex concepts.",
    "complexity_against_importance": "Scatter plots of complexity K against importance Γ, one panel an epoch.",
    "sedimentation_curves": "Line chart of mean complexity by epoch for all and for the most important concepts.",
    "redundancy_against_complexity": "Scatter plots of redundancy against complexity K by masked share of units.",
    "sensitivity_against_complexity": "Scatter plots of sensitivity to noise against complexity K by noise level.",
    "sparsity_against_complexity": "Scatter plots of the atoms' Hoyer sparsity against complexity K.",
    "support_curves": "Line charts of accuracy by the share of concepts kept, one line an order of removal.",
    "group_sheet": "One row a cluster from simple to complex: its concepts' strongest images with heat maps.",
    "concept_map": "Scatter plots of a plane of atoms: K, importance, sparsity, cluster, and super-class where named.",
    "concept_dendrogram": "Two trees of clusters with sizes and classes, coloured by mean K and by mean importance.",
    "groups_by_complexity": "Mean K and mean importance of each cluster and super-class, with intervals.",
    "concept_paths": "Share of concepts matched by epoch, epochs of birth, and paths of K and importance by epoch.",
    "inhibitors": "Scatter plot of signed against absolute importance, with a list of the strongest inhibitors.",
}
"""Picture that the report has a place for -> what it shows, for a reader who cannot see it."""
_PLACES = (
    "dictionary", "when", "where", "branch", "end", "start", "rise", "sediment",
    "redundancy", "robustness", "sparsity", "support",
)  # fmt: skip
"""The claims' names in the template, in the order of `claims`."""


class FurtherAnalysis(NamedTuple):
    """An analysis that the report has no section of its own for."""

    name: str
    """The artefact's name."""
    description: str
    """Its declared description."""
    table: str
    """The table to query."""
    n_rows: int
    """Current rows."""
    figures: Mapping[str, bytes]
    """PNG bytes by name."""
    claims: Sequence[Claim] = ()
    """Claims that its declaration judges."""


def render_report(
    tables: StudyTables,
    *,
    study: str,
    facts: Mapping[str, str],
    reference_epoch: int,
    figures: Mapping[str, bytes],
    has_explorer: bool = True,
    further: Sequence[FurtherAnalysis] = (),
) -> str:
    """Return the report as one HTML document.

    facts: name -> value of what was studied, shown as they come (data, counts, network, …).
    figures: PNG bytes under the names of `ALTERNATIVE_TEXTS`; the page names a missing one as missing.
    has_explorer: whether `explorer/index.html` lies beside the report; the page then links it.
    further: analyses whose declaration names figures and claims of their own, each with them.

    Raises: ValueError for a figure without a place, and for tables with rows of another study.
    """
    unknown = sorted(set(figures) - set(ALTERNATIVE_TEXTS))
    if unknown:
        raise ValueError(f"wanted figures named {', '.join(ALTERNATIVE_TEXTS)}, got {', '.join(unknown)}")
    for name, table in tables._asdict().items():
        others = sorted({str(owner) for owner in table["study"].unique()} - {study})
        if others:
            raise ValueError(f"wanted rows of study {study} in {name}, got {', '.join(others)}; try filtering by study")
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    answers = claims(tables, reference_epoch=reference_epoch)
    return templates.get_template("report.html.j2").render(
        study=study,
        has_explorer=has_explorer,
        facts=facts,
        reference_epoch=reference_epoch,
        warning=lost_predictions(tables.dictionaries, tables.learning_curve, epoch=reference_epoch),
        carried=carried_sentence(tables.dictionaries, epoch=reference_epoch),
        headlines=headlines(tables, reference_epoch=reference_epoch),
        claims=dict(zip(_PLACES, answers, strict=True)),
        pictures=_encoded(figures),
        alternative_texts=ALTERNATIVE_TEXTS,
        ranked=concept_rows(tables, reference_epoch=reference_epoch),
        super_classes=super_class_rows(tables, reference_epoch=reference_epoch),
        notes=notes(tables, reference_epoch=reference_epoch),
        controls=control_rows(tables, reference_epoch=reference_epoch),
        choices=choice_rows(tables.layer_choices, epoch=reference_epoch),
        dictionary=dictionary_facts(tables.dictionaries, reference_epoch=reference_epoch),
        further=[(each, _encoded(each.figures)) for each in further],
        questions=questions(study, reference_epoch=reference_epoch),
    )


def _encoded(figures: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(picture).decode("ascii") for name, picture in figures.items()}
