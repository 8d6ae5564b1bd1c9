"""Concepts as the report shows them: their names, and the images of some along the axis of complexity."""

import base64

import numpy as np

from featcx_core.analyses.examples import read_top_images
from featcx_core.analyses.figures.names import shown_names
from featcx_core.artefacts.given import Given
from featcx_core.findings.evidence import number
from featcx_core.findings.sheets import choose_concepts
from featcx_core.findings.study_tables import StudyTables
from featcx_core.report.explorer.pictures import LOSSLESS, thumbnail
from featcx_core.report.report import Look, Strip

N_IMAGES, N_SHOWN, N_STRIPS = 8, 4, 6
"""Images that name a concept, images of a strip, strips."""


def look(given: Given, tables: StudyTables) -> Look:
    """Return names of all concepts by their strongest probe images, and strips of some from simple to complex."""
    data, top = given.data, read_top_images(given, n_images=N_IMAGES).images
    shown = shown_names(data, top)
    names = dict(
        enumerate(shown if len(data.class_names) > 1 else [f"concept {concept}" for concept in range(len(top))])
    )
    chosen = choose_concepts(tables.complexity, epoch=given.study.reference_epoch, n_concepts=N_STRIPS)
    strips = [_strip(given, tables, concept, names[concept], top[concept]) for concept in chosen]
    return Look(names, strips, in_pixels=max(data.image_shape[1:]) <= LOSSLESS)


def _strip(given: Given, tables: StudyTables, concept: int, name: str, images: np.ndarray) -> Strip:
    """Return a concept's strip with its strongest images inside."""
    data, rows = given.data, images[images >= 0][:N_SHOWN]
    pixels = [data.images[data.probe[[row]]][0] for row in rows]
    epoch = given.study.reference_epoch
    scored = tables.complexity[(tables.complexity["epoch"] == epoch) & (tables.complexity["kind"] == "concept")]
    gamma = tables.importance[tables.importance["epoch"] == epoch]
    k, weight = (
        float(table.loc[table["concept"] == concept, column].iloc[0]) if (table["concept"] == concept).any() else np.nan
        for table, column in ((scored, "complexity"), (gamma, "importance"))
    )
    addresses = [f"data:image/webp;base64,{base64.b64encode(thumbnail(each)).decode('ascii')}" for each in pixels]
    return Strip(concept, name, number(k), number(weight), addresses)
