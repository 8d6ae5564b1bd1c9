"""Meta-features of an epoch's dictionary."""

import numpy as np
import pandas as pd

from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.artefacts.given import Given
from featcx_core.measures.clusters import LEVELS, cluster_atoms, embed_atoms


def cluster_rows(given: Given) -> pd.DataFrame:
    """Return clusters, dendrogram and plane of the atoms, and their super-classes.

    Raises StudyError where super-classes name a class that does not exist.
    """
    study, data, dictionary = given.study, given.data, read_dictionary(given, epoch=given.epoch)
    count = study.clusters.count
    if count != "auto":  # atoms that are zero have no direction
        count = min(count, int(dictionary.atoms.any(axis=1).sum()))
    clusters = cluster_atoms(dictionary.atoms, count=count, seed=study.seed)
    plane = embed_atoms(dictionary.atoms, method=study.clusters.embedding, seed=study.seed)
    return pd.DataFrame(
        {
            "epoch": given.epoch,
            "concept": np.arange(len(dictionary.atoms)),
            "cluster": clusters.cluster,
            "x": plane[:, 0],
            "y": plane[:, 1],
            "super_class": ["" if c < 0 else data.superclass_of[c] for c in dictionary.class_of],
            **{f"level_{level + 1}": clusters.levels[:, level] for level in range(LEVELS)},
        }
    )
