"""K over other choices of layers and readers, and what becomes of its correlation with Γ."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.layer_choices import LAYER_CHOICES_TABLE
from featcx_core.analyses.readers import READERS
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.given import Given
from featcx_core.measures.estimated import Estimated
from featcx_core.measures.layer_choices import chosen_layers, compare_choices
from featcx_core.store.parquet import without_rows


def choice_rows(given: Given) -> pd.DataFrame:
    """Return a row for each choice at each detailed epoch that has complexity."""
    rows = [row for epoch in sorted(given.study.detailed_epochs(given.epochs)) for row in _choices(given, epoch)]
    return pd.DataFrame(rows) if rows else without_rows(LAYER_CHOICES_TABLE)


def _choices(given: Given, epoch: int) -> Iterator[dict[str, object]]:
    layers = [row for row in given.anatomy.layers if row.in_complexity]
    names, sizes = [row.layer for row in layers], [(row.height, row.width) for row in layers]
    by_layer = {layer: _information(given, epoch, layer) for layer in names}
    information = {
        choice: np.stack([by_layer[layer] for layer in chosen])
        for choice, chosen in chosen_layers(names, sizes).items()
    }
    importance = None
    if given.has(IMPORTANCE, epoch=epoch):
        importance = given.rows(IMPORTANCE, epoch=epoch).sort_values("concept")["importance"].to_numpy(dtype=float)
    settings = {"n_bootstrap": given.study.analyses.bootstrap, "seed": given.study.seed}
    for choice, result in compare_choices(information | _other_readers(given, epoch), importance, **settings).items():
        yield {
            "epoch": epoch,
            "choice": choice,
            "n_layers": result.n_layers,
            "effective_layers": result.effective_layers,
            "n_concepts": result.with_complexity.n,
            "mean_complexity": result.mean_complexity,
            **_columns("rank_correlation", result.with_complexity),
            **_columns("importance_correlation", result.with_importance),
        }


def _information(given: Given, epoch: int, layer: str) -> np.ndarray:
    columns = ["kind", "concept", "v_information"]
    rows = given.rows(V_INFORMATION, epoch=epoch, layer=layer, columns=columns)
    rows = rows[rows["kind"] == "concept"].sort_values("concept")
    return np.asarray(rows["v_information"], dtype=float)


def _other_readers(given: Given, epoch: int) -> dict[str, np.ndarray]:
    """Return I_V (layer, concept) by reader; empty where no other reader was asked for."""
    if not given.has(READERS, epoch=epoch):
        return {}
    rows = given.rows(READERS, epoch=epoch, columns=["layer", "reader", "concept", "v_information"])
    return {
        str(name): part.pivot(index="layer", columns="concept", values="v_information").to_numpy()
        for name, part in rows.groupby("reader")
    }


def _columns(name: str, estimate: Estimated) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
