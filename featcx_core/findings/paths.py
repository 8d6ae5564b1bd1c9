"""Paths of concepts over training: birth, match above the null, and K and Γ from birth on."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from featcx_core.findings.evidence import number, percent
from featcx_core.measures.births import birth_epoch

FEWEST = 5
"""Concepts behind a median."""


class FollowedConcepts(NamedTuple):
    """The reference epoch's concepts over the epochs."""

    matches: pd.DataFrame
    """One row per epoch: `share` matched above the null, median `cosine`, `null_cosine`."""
    births: pd.DataFrame
    """One row per concept that is ever born: `concept`, `birth`."""
    living: pd.DataFrame
    """One row per (concept, epoch) from its birth to the reference epoch, where it has a K."""
    medians: pd.DataFrame
    """One row per epoch with at least five living concepts: medians of `complexity` and `importance`."""


def follow_concepts(paths: pd.DataFrame, *, reference_epoch: int) -> FollowedConcepts:
    """Return the matches, births and lives of the reference epoch's concepts."""
    born = births(paths, reference_epoch=reference_epoch)
    living = paths[paths["epoch"] <= reference_epoch].merge(born, on="concept")
    living = living[living["epoch"] >= living["birth"]].dropna(subset=["complexity"])
    by_epoch = living.groupby("epoch")
    medians = by_epoch[["complexity", "importance"]].median()[by_epoch.size() >= FEWEST]
    return FollowedConcepts(_matches(paths), born, living, medians.reset_index())


def births(paths: pd.DataFrame, *, reference_epoch: int) -> pd.DataFrame:
    """Return `concept` and `birth`, the epoch from which its match stays above the null; without the never born.

    Epochs after the reference epoch do not count.
    """
    until = paths[paths["epoch"] <= reference_epoch]
    if until.empty:
        return pd.DataFrame({"concept": [], "birth": []}, dtype=int)
    above = until.assign(above=until["cosine"] > until["null_cosine"]).pivot(
        index="epoch", columns="concept", values="above"
    )
    epochs = birth_epoch(above.fillna(value=False).to_numpy(dtype=bool), above.index.to_numpy(dtype=int))
    frame = pd.DataFrame({"concept": above.columns.to_numpy(dtype=int), "birth": epochs})
    return frame[frame["birth"] >= 0].reset_index(drop=True)


def _matches(paths: pd.DataFrame) -> pd.DataFrame:
    """Return the share matched above the null, the median cosine and the null's cosine, one row per epoch."""
    by_epoch = paths.groupby("epoch")
    epochs = np.unique(paths["epoch"].to_numpy(dtype=int))
    return pd.DataFrame(
        {
            "epoch": epochs,
            "share": [_share_above(by_epoch.get_group(epoch)) for epoch in epochs],
            "cosine": by_epoch["cosine"].median().reindex(epochs).to_numpy(dtype=float),
            "null_cosine": by_epoch["null_cosine"].first().reindex(epochs).to_numpy(dtype=float),
        }
    )


def _share_above(rows: pd.DataFrame) -> float:
    matched = rows.dropna(subset=["cosine"])
    return float((matched["cosine"] > matched["null_cosine"]).mean()) if len(matched) else float("nan")


def paths_finding(paths: pd.DataFrame, *, reference_epoch: int) -> str:
    """Return one sentence with numbers on births and on the change of K from birth to the reference epoch."""
    until = paths[paths["epoch"] <= reference_epoch]
    epochs = sorted(int(epoch) for epoch in until["epoch"].unique())
    if len(epochs) < 2:
        return "Not measured: it takes two epochs or more whose concepts are matched."
    born = births(paths, reference_epoch=reference_epoch)
    first = _share_above(until[until["epoch"] == epochs[0]])
    sentence = (
        f"Of the {until['concept'].nunique()} concepts of epoch {reference_epoch}, {percent(first)} % "
        f"are matched above the null at epoch {epochs[0]}"
    )
    if born.empty:
        return f"{sentence}."
    half = float(born["birth"].median())
    ends = until.merge(born, on="concept")
    start = ends[ends["epoch"] == ends["birth"]].set_index("concept")["complexity"]
    end = ends[ends["epoch"] == reference_epoch].set_index("concept")["complexity"]
    change = (end - start)[born.loc[born["birth"] < reference_epoch, "concept"]].dropna()
    moved = ""
    if len(change):
        moved = (
            f"; from birth on, K falls for {percent(float((change < 0).mean()))} % of those born before "
            f"the end (median change {number(float(change.median()))})"
        )
    return f"{sentence}; half of them are there to stay by epoch {half:.0f}{moved}."
