"""Importance Γ of an epoch's concepts."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from featcx_core.analyses.codes.make import read_probe
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.artefacts.given import Given
from featcx_core.measures.importance import importance_streamed


def importance_rows(given: Given) -> pd.DataFrame:
    """Return Γ of every concept of an epoch's own dictionary.

    Group g of the jackknife holds the images g, g + groups, … of either half: its score images are those of group g of
    the V-information.
    """
    atoms, (head, _) = read_dictionary(given, epoch=given.epoch).atoms, given.head(epoch=given.epoch)
    probe = read_probe(given, epoch=given.epoch, kinds=("concept", "class_logit"))
    n_concepts, groups = len(atoms), given.study.probe.groups

    def decided() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for chunk in probe.chunks():
            rows = probe.codes_of(chunk)
            yield rows[:, :n_concepts], rows[:, n_concepts:].argmax(axis=1), chunk.groups(groups)

    result = importance_streamed(decided(), atoms, head, groups=groups)
    gamma, signed, prevalence, left_out = (np.asarray(part) for part in result)
    return pd.DataFrame(
        {
            "epoch": given.epoch,
            "concept": np.arange(n_concepts),
            "importance": gamma,
            "signed_importance": signed,
            "prevalence_fraction": prevalence,
            "jackknife": list(left_out.astype(np.float32)),
        }
    )
