"""The report of one study: one HTML file with the study's own numbers, pictures inside, no script, no network."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.colors import to_hex

from featcx_core.figures.canvas import SEQUENCE
from featcx_core.figures.vector import Drawing
from featcx_core.findings.answer import Answer, answer, cautions, checks_passed, paper_in_words, share_in_words
from featcx_core.findings.answer_words import lead, reliance_sentences, when_sentence, where_sentence
from featcx_core.findings.claim import Claim
from featcx_core.findings.claims import claims
from featcx_core.findings.headlines import headlines
from featcx_core.findings.layer_choices import choice_rows
from featcx_core.findings.predictions import carried_sentence
from featcx_core.findings.study_tables import StudyTables
from featcx_core.findings.summary import (
    concept_rows,
    control_rows,
    dictionary_facts,
    notes,
    super_class_rows,
)
from featcx_core.findings.trust import trust_rows
from featcx_core.report.questions import questions

ALTERNATIVE_TEXTS = {
    "reliance": "Line chart of accuracy by the share of concepts removed: simplest, random, most complex first.",
    "reliance_narrow": "The same chart for a narrow screen.",
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
SOURCES = {
    "training_curves": "epochs",
    "complexity_spectrum": "complexity",
    "concept_sheet": "concepts",
    "complexity_against_decode_time": "decode_time",
    "information_by_layer_and_epoch": "layer_information",
    "branches_by_block": "branches",
    "complexity_against_importance": "importance",
    "sedimentation_curves": "sedimentation",
    "redundancy_against_complexity": "redundancy",
    "sensitivity_against_complexity": "sensitivity",
    "sparsity_against_complexity": "concepts",
    "support_curves": "support",
    "group_sheet": "clusters",
    "concept_map": "clusters",
    "concept_dendrogram": "clusters",
    "groups_by_complexity": "meta_features",
    "concept_paths": "concept_paths",
    "inhibitors": "importance",
}
"""Picture -> the table behind it."""
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
    figures: Mapping[str, Drawing]
    """Drawings by name."""
    claims: Sequence[Claim] = ()
    """Claims that its declaration judges."""
    is_on_memorising: bool = False
    """Whether it says if the network generalises or memorises."""


class Strip(NamedTuple):
    """A concept on the axis of complexity, by the images that excite it most."""

    concept: int
    """Index in the dictionary."""
    name: str
    """What it shows."""
    complexity: str
    """K."""
    importance: str
    """Γ."""
    images: Sequence[str]
    """Addresses of its images, with the pixels inside."""


class Look(NamedTuple):
    """Concepts by what they show."""

    names: Mapping[int, str] = {}
    """Concept -> what its strongest images show; empty where that is not known."""
    strips: Sequence[Strip] = ()
    """Concepts from simple to complex."""
    in_pixels: bool = False
    """Whether images are so small that their pixels are to be seen."""


def render_report(
    tables: StudyTables,
    *,
    study: str,
    facts: Mapping[str, str],
    reference_epoch: int,
    figures: Mapping[str, Drawing],
    has_explorer: bool = True,
    further: Sequence[FurtherAnalysis] = (),
    look: Look | None = None,
) -> str:
    """Return the report as one HTML document.

    facts: name -> value of what was studied, shown as they come (data, counts, network, …).
    figures: drawings under the names of `ALTERNATIVE_TEXTS`; the page names a missing one as missing.
    has_explorer: whether `explorer/index.html` lies beside the report; the page then links it.
    further: analyses whose declaration names figures and claims of their own, each with them.
    look: what the concepts show.

    Raises: ValueError for a figure without a place, and for tables with rows of another study.
    """
    unknown = sorted(set(figures) - set(ALTERNATIVE_TEXTS))
    if unknown:
        raise ValueError(f"wanted figures named {', '.join(ALTERNATIVE_TEXTS)}, got {', '.join(unknown)}")
    for name, table in tables._asdict().items():
        others = sorted({str(owner) for owner in table["study"].unique()} - {study})
        if others:
            raise ValueError(f"wanted rows of study {study} in {name}, got {', '.join(others)}; try filtering by study")
    folder = Path(__file__).parent
    templates = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    found, look = answer(tables, reference_epoch=reference_epoch), look or Look()
    html = templates.get_template("report.html.j2").render(
        study=study,
        css=(folder / "report.css").read_text(encoding="utf-8"),
        has_explorer=has_explorer,
        facts=facts,
        reference_epoch=reference_epoch,
        **_first_screen(found),
        **_look(look),
        **_evidence(tables, found, look, reference_epoch=reference_epoch),
        pictures=figures,
        alternative_texts=ALTERNATIVE_TEXTS,
        sources=SOURCES,
        generalising=[(each, each.figures) for each in further if each.is_on_memorising],
        further=[(each, each.figures) for each in further if not each.is_on_memorising],
        questions=questions(study, reference_epoch=reference_epoch),
    )
    return html.replace(" %", "\N{NO-BREAK SPACE}%")


def _first_screen(found: Answer) -> dict[str, object]:
    """Return the values of the first screen."""
    three = {
        "unseen images right": share_in_words(found.accuracy) if math.isfinite(found.accuracy) else "",
        "concepts": str(found.n_concepts) if found.n_concepts else "",
        "predictions that they keep": share_in_words(found.kept) if math.isfinite(found.kept) else "",
    }
    return {
        "answer": found,
        "lead": lead(found),
        "reliance": reliance_sentences(found.reliance) if found.reliance else "",
        "where": where_sentence(found),
        "when": when_sentence(found),
        "three": {name: value for name, value in three.items() if value},
        "passed": checks_passed(found),
        "cautions": cautions(found),
        "paper": paper_in_words(found.paper),
        "has_training": found.training is not None,
    }


def _look(look: Look) -> dict[str, object]:
    palette = [to_hex(SEQUENCE(share)) for share in np.linspace(0, 1, 8)]
    return {"strips": look.strips, "in_pixels": look.in_pixels, "palette": palette}


def _evidence(tables: StudyTables, found: Answer, look: Look, *, reference_epoch: int) -> dict[str, object]:
    """Return claims, tables and notes."""
    at_reference = {"reference_epoch": reference_epoch}
    judged = claims(tables, **at_reference)
    gamma = tables.importance[tables.importance["epoch"] == reference_epoch]
    return {
        "claims": dict(zip(_PLACES, judged, strict=True)),
        "carried": carried_sentence(tables.dictionaries, epoch=reference_epoch),
        "headlines": headlines(tables, **at_reference),
        "ranked": concept_rows(tables, names=look.names, **at_reference),
        "super_classes": super_class_rows(tables, **at_reference),
        "notes": notes(tables, **at_reference),
        "controls": control_rows(tables, **at_reference),
        "trust": trust_rows(found, tables, **at_reference),
        "choices": choice_rows(tables.layer_choices, epoch=reference_epoch),
        "dictionary": dictionary_facts(tables.dictionaries, **at_reference),
        "has_inhibitors": bool((gamma["signed_importance"].astype(float) < 0).any()),
        "has_branches": len(tables.branches) > 0,
    }
