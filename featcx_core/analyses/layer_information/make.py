"""Mean V-information of the own concepts, and of every control, by layer and epoch."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from featcx_core.analyses.jackknife import jackknife_of
from featcx_core.analyses.layer_information import LAYER_INFORMATION
from featcx_core.analyses.over_images import ImageResamples
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.given import Given
from featcx_core.measures.layer_information import LayerInformation, layer_information
from featcx_core.store.parquet import without_rows


def layer_information_rows(given: Given) -> pd.DataFrame:
    """Return a row for each epoch, kind with living codes, and layer."""
    resamples = ImageResamples(given)
    parts = [part for epoch in given.epochs for part in _by_kind(given, resamples, epoch)]
    return pd.concat(parts, ignore_index=True) if parts else without_rows(LAYER_INFORMATION.tables[0])


def _by_kind(given: Given, resamples: ImageResamples, epoch: int) -> Iterator[pd.DataFrame]:
    layers, wanted = given.anatomy.names, ["kind", "v_information", "jackknife"]
    parts = [given.rows(V_INFORMATION, epoch=epoch, layer=layer, columns=wanted) for layer in layers]
    for kind in dict.fromkeys(parts[0]["kind"]):
        of_kind = [part[part["kind"] == kind] for part in parts]
        result = layer_information(
            np.stack([rows["v_information"].to_numpy() for rows in of_kind]),
            np.stack([jackknife_of(rows, resamples.groups) for rows in of_kind]),
            resamples.weights,
            first=layers.index(given.anatomy.in_complexity[0]),
        )
        if result.n_concepts:
            columns = dict(zip(LayerInformation._fields, result, strict=True))
            yield pd.DataFrame({"epoch": epoch, "kind": kind, "layer": layers, **columns})
