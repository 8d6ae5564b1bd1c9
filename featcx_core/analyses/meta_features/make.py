"""Mean K and Γ of every cluster and super-class, and how much of K the grouping explains."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from featcx_core.analyses.clusters import CLUSTERS
from featcx_core.analyses.complexity.make import scored
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.meta_features import META_FEATURES
from featcx_core.analyses.over_images import ImageResamples
from featcx_core.artefacts.given import Given
from featcx_core.measures.explained import explained
from featcx_core.measures.group_means import group_means
from featcx_core.measures.over_images import Redrawn
from featcx_core.store.parquet import without_rows

_RANGE = {"complexity": (0.0, 1.0), "importance": (0.0, np.inf)}


def meta_feature_rows(given: Given) -> pd.DataFrame:
    """Return the rows of every epoch's clusters, and of its super-classes where some are named; Γ where it is there."""
    resamples = ImageResamples(given)
    parts = [rows for epoch in given.epochs for rows in _groups(given, resamples, epoch)]
    return pd.concat(parts, ignore_index=True) if parts else without_rows(META_FEATURES.tables[0])


def _groups(given: Given, resamples: ImageResamples, epoch: int) -> Iterator[pd.DataFrame]:
    clusters = given.rows(CLUSTERS, epoch=epoch, columns=["concept", "cluster", "super_class"])
    inside = scored(given, epoch).dropna(subset=["complexity"]).merge(clusters[clusters["cluster"] >= 0], on="concept")
    if inside.empty:
        return
    redrawn = {"complexity": resamples.complexity(epoch).of(inside["concept"].to_numpy())}
    if given.has(IMPORTANCE, epoch=epoch):
        gamma = given.rows(IMPORTANCE, epoch=epoch, columns=["concept", "importance"])
        inside = inside.merge(gamma, on="concept")
        redrawn["importance"] = resamples.importance(epoch).of(inside["concept"].to_numpy())
    settings = {"n_bootstrap": given.study.analyses.bootstrap, "seed": given.study.seed}
    for rows in group_rows(inside, redrawn, **settings):
        yield rows.assign(epoch=epoch)


def group_rows(
    inside: pd.DataFrame, redrawn: Mapping[str, Redrawn], *, n_bootstrap: int, seed: int
) -> Iterator[pd.DataFrame]:
    """Yield the means of each cluster and, where some are named, super-class, and the share of K's variance between.

    inside: a row for each concept that is in a cluster and has a complexity: `cluster`, `super_class` (empty: in none),
    and the averaged columns, `complexity` and perhaps `importance`. redrawn: each of these in resamples of the images.
    """
    settings = {"n_bootstrap": n_bootstrap, "seed": seed}
    is_named = (inside["super_class"] != "").to_numpy()
    groupings = {"cluster": np.ones(len(inside), dtype=bool)} | ({"super_class": is_named} if is_named.any() else {})
    for grouping, members in groupings.items():
        names = inside[grouping]
        for measure, drawn in redrawn.items():
            result = group_means(
                inside[measure].to_numpy(dtype=float),
                names.tolist(),
                over_images=drawn,
                within=_RANGE[measure],
            )
            means = pd.DataFrame(result).rename(columns={"group": "group_name", "n": "n_concepts", "mean": "value"})
            means["group_name"] = means["group_name"].astype(str)
            yield means.assign(grouping=grouping, measure=measure)
        k, drawn = inside["complexity"].to_numpy(dtype=float)[members], redrawn["complexity"]
        share = pd.DataFrame([explained(k, names[members].tolist(), over_images=drawn.of(members), **settings)])
        share = share.rename(columns={"n": "n_concepts"})
        yield share.assign(grouping=grouping, group_name="all", measure="complexity_explained")
