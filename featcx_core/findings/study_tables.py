"""The tables of one study that figures and report read."""

from typing import NamedTuple

import pandas as pd


class StudyTables(NamedTuple):
    """The result tables of one study, each a data frame with the columns of its table; empty ones are allowed."""

    epochs: pd.DataFrame
    """One row per checkpoint."""
    layers: pd.DataFrame
    """One row per layer."""
    dictionaries: pd.DataFrame
    """One row per epoch's dictionary."""
    learning_curve: pd.DataFrame
    """One row per (epoch, dictionary images, atoms), measured or foretold."""
    concepts: pd.DataFrame
    """One row per concept of an epoch's dictionary."""
    v_information: pd.DataFrame
    """One row per (epoch, layer, dictionary_epoch, kind, concept)."""
    complexity: pd.DataFrame
    """One row per (epoch, kind, concept) of an epoch's own dictionary."""
    importance: pd.DataFrame
    """One row per (epoch, concept) of an epoch's own dictionary."""
    decode_time: pd.DataFrame
    """One row per concept of the reference epoch."""
    sedimentation: pd.DataFrame
    """One row per (epoch, group)."""
    layer_information: pd.DataFrame
    """One row per (epoch, kind, layer)."""
    correlations: pd.DataFrame
    """One row per (epoch, kind, x, y, level, method, controls)."""
    meta_features: pd.DataFrame
    """One row per (epoch, grouping, group, measure)."""
    branches: pd.DataFrame
    """One row per (epoch, block, branch, kind, concept)."""
    redundancy: pd.DataFrame
    """One row per (epoch, kind, concept, masked share)."""
    sensitivity: pd.DataFrame
    """One row per (epoch, kind, concept, sigma)."""
    support: pd.DataFrame
    """One row per (epoch, order, share kept)."""
    stability: pd.DataFrame
    """One row per concept of an epoch's dictionary."""
    stability_correlations: pd.DataFrame
    """One row per (epoch, x, y, level, method, controls), over dictionaries of other seeds."""
    layer_choices: pd.DataFrame
    """One row per (epoch, choice of layers or reader)."""
    clusters: pd.DataFrame
    """One row per concept of an epoch's dictionary."""
    concept_paths: pd.DataFrame
    """One row per (concept of the reference epoch, epoch)."""
