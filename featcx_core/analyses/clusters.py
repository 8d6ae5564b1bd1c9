"""Meta-features of an epoch's dictionary."""

import numpy as np
import pandas as pd

from featcx_core.analyses.features import read_dictionary
from featcx_core.checkpoints.survey import fingerprints
from featcx_core.features.method import refuse_unusable_clusters
from featcx_core.images.data import load_data
from featcx_core.measures.clusters import LEVELS, cluster_atoms, embed_atoms
from featcx_core.store.places import Store, epoch_key


def make_clusters(store: Store, *, epoch: int) -> pd.DataFrame:
    """Clusters, dendrogram and plane of the atoms, and their super-classes; writes the rows.

    Raises StudyError where there are fewer concepts than clusters, a package is missing, or super-classes name a class
    that there is not.
    """
    study, data = store.study, load_data(store.study)
    refuse_unusable_clusters(study, n_classes=len(data.class_names))
    dictionary, fingerprint = read_dictionary(store, epoch=epoch), fingerprints(store).of("clusters", epoch)
    count = study.clusters.count
    if count != "auto":  # atoms that are zero have no direction
        count = min(count, int(dictionary.atoms.any(axis=1).sum()))
    found = cluster_atoms(dictionary.atoms, count=count, seed=study.seed)
    plane = embed_atoms(dictionary.atoms, method=study.clusters.embedding, seed=study.seed)
    frame = pd.DataFrame(
        {
            "epoch": epoch,
            "concept": np.arange(len(dictionary.atoms)),
            "cluster": found.cluster,
            "x": plane[:, 0],
            "y": plane[:, 1],
            "super_class": ["" if c < 0 else data.superclass_of[c] for c in dictionary.class_of],
            **{f"level_{level + 1}": found.levels[:, level] for level in range(LEVELS)},
        }
    )
    store.write_table("clusters", epoch_key(epoch), frame, fingerprint=fingerprint)
    return frame
