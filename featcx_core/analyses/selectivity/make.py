"""Selectivity and mutual information of a layer's units, from the stored activations."""

import numpy as np
import pandas as pd

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.artefacts.given import Given
from featcx_core.measures.mutual_information import mutual_information
from featcx_core.measures.selectivity import selectivity


def selectivity_rows(given: Given) -> pd.DataFrame:
    """Return a row for each layer's unit at an epoch: how selective it is, and its information about the class.

    Raises ValueError where fewer than two classes have probe images.
    """
    return pd.concat([_rows(given, layer) for layer in given.anatomy.names], ignore_index=True)


def _rows(given: Given, layer: str) -> pd.DataFrame:
    settings, data = given.study.selectivity, given.data
    labels, n_classes = data.labels[data.probe], len(data.class_names)
    acts = np.asarray(given.arrays(ACTIVATIONS, epoch=given.epoch, layer=layer)[:], dtype=np.float32)
    of_class = selectivity(acts, labels, n_classes=n_classes, n_shuffles=settings.shuffles, seed=given.study.seed)
    information = mutual_information(acts, labels, n_classes=n_classes, n_bins=settings.bins)
    return pd.DataFrame(
        {
            "epoch": given.epoch,
            "layer": layer,
            "unit": np.arange(acts.shape[1]),
            "selectivity": np.asarray(of_class.selectivity, dtype=np.float64),
            "selectivity_by_chance": np.asarray(of_class.by_chance, dtype=np.float64),
            "mutual_information_bits": information.bits,
            "mutual_information_by_chance_bits": information.by_chance_bits,
            "class_id": np.asarray(of_class.class_id),
            "n_images": len(acts),
        }
    )
