"""The reference epoch's concepts, followed through training."""

from functools import cache

import numpy as np
import pandas as pd

from featcx_core.analyses.features import read_dictionary
from featcx_core.analyses.over_epochs import write_over_epochs
from featcx_core.artefacts.state import Partition, State
from featcx_core.measures.matching import match_atoms, null_cosine
from featcx_core.store.places import Store, epoch_key


def make_concept_paths(store: Store) -> pd.DataFrame:
    """Match the reference epoch's concepts at every epoch, with K and Γ of what they are matched to; writes the rows.

    Raises ValueError where the reference epoch has no dictionary yet.
    """
    state, reference = State(store), store.study.reference_epoch
    atoms = read_dictionary(store, epoch=reference).atoms
    is_signed = bool((atoms < 0).any())

    @cache  # epochs have dictionaries of one size, so the long assignments of random atoms are made once
    def null(n_others: int) -> float:
        return null_cosine(atoms, n_others=n_others, is_signed=is_signed, seed=store.study.seed)

    parts = []
    for epoch in sorted(state.survey.digests):
        if not state.current.issuperset(Partition(need, epoch) for need in ("dictionary", "complexity", "importance")):
            continue
        others = read_dictionary(store, epoch=epoch).atoms
        found = match_atoms(atoms, others)
        if epoch == reference:  # equal atoms could be matched crosswise, to the same sum
            found = found._replace(partner=np.where(found.partner < 0, -1, np.arange(len(atoms))))
        frame = pd.DataFrame(
            {
                "epoch": epoch,
                "concept": np.arange(len(atoms)),
                "matched_concept": pd.Series(found.partner, dtype="Int64").mask(found.partner < 0),
                "cosine": found.cosine,
                "null_cosine": null(int(others.any(axis=1).sum())),
            }
        )
        parts.append(_with_properties(store, epoch, frame))
    frame = pd.concat(parts, ignore_index=True)
    write_over_epochs(state, "concept_paths", frame)
    return frame


def _with_properties(store: Store, epoch: int, frame: pd.DataFrame) -> pd.DataFrame:
    """The matched concepts' K and Γ at their epoch."""
    key = epoch_key(epoch)
    own = store.read_partition("complexity", key, columns=["kind", "concept", "complexity"])
    gamma = store.read_partition("importance", key, columns=["concept", "importance"])
    known = own[own["kind"] == "concept"].drop(columns="kind").merge(gamma, on="concept", how="outer")
    known = known.rename(columns={"concept": "matched_concept"}).astype({"matched_concept": "Int64"})
    return frame.merge(known, on="matched_concept", how="left", validate="many_to_one")
