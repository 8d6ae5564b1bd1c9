"""Sedimentation: mean K by epoch, of all concepts and of the most important ones."""

from collections.abc import Iterator

import pandas as pd

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.complexity.make import scored
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.over_images import ImageResamples
from featcx_core.artefacts.given import Given
from featcx_core.measures.sedimentation import SedimentationGroup, sedimentation

CONTROLS = {
    "prevalence_fraction": "prevalence_jackknife",
    "variance": "variance_jackknife",
    "class_information": "class_information_jackknife",
}
"""Properties of a concept that partial correlations hold fixed."""


def sedimentation_rows(given: Given) -> pd.DataFrame:
    """Return mean K by epoch, of all concepts and of the most important ones, with bands."""
    analyses, resamples = given.study.analyses, ImageResamples(given)
    parts = []
    for epoch, concepts in concepts_by_epoch(given, with_importance=True):
        groups = sedimentation(
            concepts["complexity"].to_numpy(),
            concepts["importance"].to_numpy(),
            shares=analyses.top_shares,
            over_images=(resamples.complexity(epoch), resamples.importance(epoch)),
        )
        parts.append(pd.DataFrame(groups, columns=list(SedimentationGroup._fields)).assign(epoch=epoch))
    return pd.concat(parts, ignore_index=True)


def concepts_by_epoch(given: Given, *, with_importance: bool) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield each epoch at which everything needed is there, with K, the controls and perhaps Γ of its concepts."""
    for epoch in given.epochs:
        controls = given.rows(CODES, epoch=epoch, table="concepts", columns=["concept", *CONTROLS, *CONTROLS.values()])
        concepts = scored(given, epoch).merge(controls, on="concept")
        if with_importance:
            concepts = concepts.merge(
                given.rows(IMPORTANCE, epoch=epoch, columns=["concept", "importance"]), on="concept"
            )
        yield epoch, concepts
