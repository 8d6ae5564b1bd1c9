"""All figures that need nothing but a study's tables."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from featcx_core.figures.branches import branches_by_block
from featcx_core.figures.dynamics import sedimentation_curves, training_curves
from featcx_core.figures.information import information_by_layer_and_epoch
from featcx_core.figures.inhibitors import inhibitors
from featcx_core.figures.meta_features import concepts_of, groups_by_complexity, last_clustered
from featcx_core.figures.paths import concept_paths
from featcx_core.figures.plane import Embedding, concept_map
from featcx_core.figures.properties import (
    redundancy_against_complexity,
    sensitivity_against_complexity,
    sparsity_against_complexity,
    support_curves,
)
from featcx_core.figures.relations import complexity_against_decode_time, complexity_against_importance
from featcx_core.figures.spectrum import complexity_spectrum
from featcx_core.figures.tree import concept_dendrogram
from featcx_core.findings.evidence import epochs_to_show
from featcx_core.findings.study_tables import StudyTables


def trained_epochs(tables: StudyTables) -> list[int]:
    """The epochs after the initialisation that have a complexity, in order."""
    scored = tables.complexity[tables.complexity["kind"] == "concept"].dropna(subset=["complexity"])
    return sorted({int(epoch) for epoch in scored["epoch"] if epoch > 0})


def gallery(
    tables: StudyTables,
    *,
    reference_epoch: int,
    end_shares: Sequence[float] = (0.01, 0.1),
    embedding: Embedding = "tsne",
) -> dict[str, Figure]:
    """Every figure that is drawn from tables alone, under the name of the function that draws it.

    `end_shares` and `embedding` as in the study's `analyses` and `clusters`.
    """
    trained = trained_epochs(tables)
    milestones = sorted({0, *trained[:1], *trained[-1:]})  # the baseline, the first and the last trained epoch
    complexity, importance, correlations = tables.complexity, tables.importance, tables.correlations
    concepts = tables.concepts
    shown = {
        name: epochs_to_show(getattr(tables, name), reference_epoch=reference_epoch)
        for name in ("branches", "redundancy", "sensitivity", "concepts", "support")
    }
    clustered = last_clustered(tables.clusters, reference_epoch=reference_epoch)
    known = concepts_of(tables.clusters, complexity, importance, tables.concepts, epoch=clustered)
    return {
        "training_curves": training_curves(tables.epochs),
        "complexity_spectrum": complexity_spectrum(complexity, reference_epoch=reference_epoch, importance=importance),
        "complexity_against_decode_time": complexity_against_decode_time(complexity, tables.decode_time, correlations),
        "information_by_layer_and_epoch": information_by_layer_and_epoch(
            tables.layer_information, tables.v_information, tables.layers, reference_epoch=reference_epoch
        ),
        "branches_by_block": branches_by_block(
            tables.branches, complexity, tables.layers, epochs=shown["branches"], end_shares=end_shares
        ),
        "complexity_against_importance": complexity_against_importance(
            complexity, importance, correlations, epochs=milestones
        ),
        "sedimentation_curves": sedimentation_curves(tables.sedimentation),
        "redundancy_against_complexity": redundancy_against_complexity(
            complexity, tables.redundancy, correlations, epochs=shown["redundancy"]
        ),
        "sensitivity_against_complexity": sensitivity_against_complexity(
            complexity, tables.sensitivity, correlations, epochs=shown["sensitivity"]
        ),
        "sparsity_against_complexity": sparsity_against_complexity(
            complexity, concepts, correlations, tables.layers, epochs=shown["concepts"]
        ),
        "support_curves": support_curves(tables.support, epochs=shown["support"]),
        "concept_map": concept_map(known, embedding=embedding),
        "concept_dendrogram": concept_dendrogram(known),
        "groups_by_complexity": groups_by_complexity(tables.meta_features, epoch=clustered),
        "concept_paths": concept_paths(tables.concept_paths, reference_epoch=reference_epoch),
        "inhibitors": inhibitors(importance, complexity, tables.concepts, epoch=reference_epoch),
    }
