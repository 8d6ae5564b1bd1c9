"""The gallery: every figure that needs nothing but a study's tables."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from featcx_core.figures.branches import branches_by_block
from featcx_core.figures.dynamics import sedimentation_curves, training_curves
from featcx_core.figures.information import information_by_layer_and_epoch
from featcx_core.figures.inhibitors import inhibitors
from featcx_core.figures.meta_features import groups_by_complexity
from featcx_core.figures.paths import concept_paths
from featcx_core.figures.plane import Embedding, concept_map
from featcx_core.figures.properties import (
    redundancy_against_complexity,
    sensitivity_against_complexity,
    sparsity_against_complexity,
    support_curves,
)
from featcx_core.figures.relations import complexity_against_decode_time, complexity_against_importance
from featcx_core.figures.reliance import reliance_curves
from featcx_core.figures.spectrum import complexity_spectrum
from featcx_core.figures.tree import concept_dendrogram
from featcx_core.findings.branches import branch_curves
from featcx_core.findings.information import layer_means
from featcx_core.findings.inhibitors import signed_contributions
from featcx_core.findings.meta_features import clustered_concepts
from featcx_core.findings.paths import follow_concepts
from featcx_core.findings.properties import (
    hoyer_by_chance,
    redundancy_points,
    sensitivity_points,
    sparsity_points,
)
from featcx_core.findings.selection import epochs_to_show, last_clustered, trained_epochs
from featcx_core.findings.study_tables import StudyTables


def gallery(
    tables: StudyTables,
    *,
    reference_epoch: int,
    end_shares: Sequence[float] = (0.01, 0.1),
    embedding: Embedding = "tsne",
) -> dict[str, Figure]:
    """Draw every figure that needs tables alone; its name is that of the function that draws it.

    end_shares, embedding: as in the study's `analyses` and `clusters`.
    """
    trained = trained_epochs(tables)
    milestones = sorted({0, *trained[:1], *trained[-1:]})  # the baseline, the first and the last trained epoch
    complexity, importance, correlations = tables.complexity, tables.importance, tables.correlations
    information = layer_means(
        tables.layer_information, tables.v_information, tables.layers, reference_epoch=reference_epoch
    )
    curves = branch_curves(
        tables.branches,
        complexity,
        tables.layers,
        epochs=epochs_to_show(tables.branches, reference_epoch=reference_epoch),
        end_shares=end_shares,
    )
    followed = follow_concepts(tables.concept_paths, reference_epoch=reference_epoch)
    contributions = signed_contributions(importance, complexity, tables.concepts, epoch=reference_epoch)
    return {
        "training_curves": training_curves(tables.epochs),
        "complexity_spectrum": complexity_spectrum(complexity, reference_epoch=reference_epoch, importance=importance),
        "complexity_against_decode_time": complexity_against_decode_time(
            complexity, tables.decode_time, correlations, tables.epochs
        ),
        "information_by_layer_and_epoch": information_by_layer_and_epoch(
            information, tables.layers, tables.epochs, reference_epoch=reference_epoch
        ),
        "branches_by_block": branches_by_block(curves),
        "complexity_against_importance": complexity_against_importance(
            complexity, importance, correlations, epochs=milestones
        ),
        "sedimentation_curves": sedimentation_curves(tables.sedimentation, tables.epochs),
        "reliance": reliance_curves(tables.support, epoch=reference_epoch),
        "reliance_narrow": reliance_curves(tables.support, epoch=reference_epoch, is_narrow=True),
        **_figures_of_properties(tables, reference_epoch=reference_epoch),
        **_figures_of_groups(tables, reference_epoch=reference_epoch, embedding=embedding),
        "concept_paths": concept_paths(followed, tables.epochs, reference_epoch=reference_epoch),
        "inhibitors": inhibitors(contributions, epoch=reference_epoch),
    }


def _figures_of_properties(tables: StudyTables, *, reference_epoch: int) -> dict[str, Figure]:
    """Draw redundancy, sensitivity and sparsity against K, and the support curves."""
    complexity, correlations = tables.complexity, tables.correlations
    epochs = {
        name: epochs_to_show(getattr(tables, name), reference_epoch=reference_epoch)
        for name in ("redundancy", "sensitivity", "concepts", "support")
    }
    return {
        "redundancy_against_complexity": redundancy_against_complexity(
            redundancy_points(complexity, tables.redundancy), correlations, epochs=epochs["redundancy"]
        ),
        "sensitivity_against_complexity": sensitivity_against_complexity(
            sensitivity_points(complexity, tables.sensitivity), correlations, epochs=epochs["sensitivity"]
        ),
        "sparsity_against_complexity": sparsity_against_complexity(
            sparsity_points(complexity, tables.concepts),
            correlations,
            epochs=epochs["concepts"],
            by_chance=hoyer_by_chance(tables.layers),
        ),
        "support_curves": support_curves(tables.support, epochs=epochs["support"]),
    }


def _figures_of_groups(tables: StudyTables, *, reference_epoch: int, embedding: Embedding) -> dict[str, Figure]:
    """Draw the plane, the tree and the means of the clusters."""
    epoch = last_clustered(tables.clusters, reference_epoch=reference_epoch)
    clustered = clustered_concepts(tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=epoch)
    return {
        "concept_map": concept_map(clustered, embedding=embedding),
        "concept_dendrogram": concept_dendrogram(clustered),
        "groups_by_complexity": groups_by_complexity(tables.meta_features, epoch=epoch),
    }
