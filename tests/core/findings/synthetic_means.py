"""Means by layer and by group that follow from made-up tables."""

import numpy as np
import pandas as pd

from featcx_core.analyses.meta_features.make import group_rows
from featcx_core.findings.meta_features import clustered_concepts
from featcx_core.findings.study_tables import StudyTables
from featcx_core.measures.intervals import draw_groups
from featcx_core.measures.layer_information import layer_information
from featcx_core.measures.over_images import Redrawn
from tests.core.findings.frames import frame


def with_means(tables: StudyTables) -> StudyTables:
    """Return the tables with the means by layer and by group that follow from what they hold."""
    weights = draw_groups(5, n_bootstrap=100, seed=0)
    layers, of_own_epoch = tables.layers, tables.v_information.query("dictionary_epoch == epoch")
    by_layer: list[dict] = []
    for (epoch, kind), rows in of_own_epoch.groupby(["epoch", "kind"]):
        values = rows.pivot(index="layer", columns="concept", values="v_information").reindex(layers["layer"])
        jackknife = values.to_numpy()[..., None] + np.random.default_rng(0).normal(0, 0.01, (*values.shape, 5))
        first = int(layers["in_complexity"].to_numpy().argmax())
        means = layer_information(values.to_numpy(), jackknife, weights, first=first)._asdict()
        n = means.pop("n_concepts")
        by_layer += [
            {"epoch": epoch, "kind": kind, "layer": layer, "n_concepts": n, **{name: at[i] for name, at in means.items()}}
            for i, layer in enumerate(layers["layer"]) if n
        ]  # fmt: skip
    groups = [rows.assign(epoch=epoch) for epoch in {*tables.clusters["epoch"]} for rows in _group_rows(tables, epoch)]
    return tables._replace(
        layer_information=frame("layer_information", by_layer),
        meta_features=frame("meta_features", pd.concat(groups).to_dict("records") if groups else []),
    )


def _group_rows(tables: StudyTables, epoch: int) -> list[pd.DataFrame]:
    concepts = clustered_concepts(tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=epoch)
    scored, chance = concepts.dropna(subset=["complexity"]), np.random.default_rng(0)
    redrawn = {
        name: Redrawn(
            scored[name].to_numpy() + chance.normal(0, 0.01, (100, len(scored))), scored[name].to_numpy(), groups=20
        )
        for name in ("complexity", "importance")
    }
    return [*group_rows(scored, redrawn, n_bootstrap=100, seed=0)] if len(scored) else []
