"""The reference epoch's concepts, matched at every epoch."""

from functools import cache

import numpy as np
import pandas as pd

from featcx_core.analyses.complexity.make import scored
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.artefacts.given import Given
from featcx_core.measures.matching import match_atoms, null_cosine


def path_rows(given: Given) -> pd.DataFrame:
    """Return the matches of the reference epoch's concepts at every epoch, with K and Γ of their partners there."""
    reference, study = given.study.reference_epoch, given.study
    atoms = read_dictionary(given, epoch=reference).atoms
    is_signed = bool((atoms < 0).any())

    @cache  # epochs have dictionaries of one size, so the long assignments of random atoms are made once
    def null(n_others: int) -> float:
        return null_cosine(atoms, n_others=n_others, is_signed=is_signed, seed=study.seed)

    parts = []
    for epoch in given.epochs:
        others = read_dictionary(given, epoch=epoch).atoms
        match = match_atoms(atoms, others)
        if epoch == reference:  # equal atoms could be matched crosswise, to the same sum
            match = match._replace(partner=np.where(match.partner < 0, -1, np.arange(len(atoms))))
        frame = pd.DataFrame(
            {
                "epoch": epoch,
                "concept": np.arange(len(atoms)),
                "matched_concept": pd.Series(match.partner, dtype="Int64").mask(match.partner < 0),
                "cosine": match.cosine,
                "null_cosine": null(int(others.any(axis=1).sum())),
            }
        )
        parts.append(_with_properties(given, epoch, frame))
    return pd.concat(parts, ignore_index=True)


def _with_properties(given: Given, epoch: int, frame: pd.DataFrame) -> pd.DataFrame:
    """Add the matched concepts' K and Γ at their epoch."""
    gamma = given.rows(IMPORTANCE, epoch=epoch, columns=["concept", "importance"])
    properties = scored(given, epoch).merge(gamma, on="concept", how="outer")
    properties = properties.rename(columns={"concept": "matched_concept"}).astype({"matched_concept": "Int64"})
    return frame.merge(properties, on="matched_concept", how="left", validate="many_to_one")
