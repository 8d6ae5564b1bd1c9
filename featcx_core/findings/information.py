"""Mean V-information by layer and epoch."""

from typing import NamedTuple

import pandas as pd


class LayerMeans(NamedTuple):
    """Mean I_V of concepts, one row per layer in forward order."""

    own_concepts: pd.DataFrame
    """One column per epoch: the epoch's own concepts, which differ from column to column."""
    reference_concepts: pd.DataFrame
    """One column per epoch: the reference epoch's concepts, read from that epoch's layers."""
    kinds: dict[str, pd.DataFrame]
    """Kind -> its rows of the table `layer_information` at the reference epoch."""


def layer_means(
    layer_information: pd.DataFrame, v_information: pd.DataFrame, layers: pd.DataFrame, *, reference_epoch: int
) -> LayerMeans:
    """Return mean I_V of each epoch's own concepts, of the reference concepts, and of the controls.

    I_V is a share of the code's variance: 0 = not readable, 1 = fully.
    """
    names = [str(name) for name in layers.sort_values("depth")["layer"]]
    of_concepts = layer_information[layer_information["kind"] == "concept"]
    is_reference = (v_information["dictionary_epoch"] == reference_epoch) & (v_information["kind"] == "concept")
    at_reference = layer_information[layer_information["epoch"] == reference_epoch].set_index("layer")
    return LayerMeans(
        own_concepts=_by_layer(of_concepts, names),
        reference_concepts=_by_layer(v_information[is_reference].dropna(subset=["v_information"]), names),
        kinds={str(kind): rows.reindex(names) for kind, rows in at_reference.groupby("kind")},
    )


def _by_layer(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return mean I_V, one row per layer in the order of the names and one column per epoch."""
    if rows.empty:
        return pd.DataFrame()
    return rows.pivot_table(index="layer", columns="epoch", values="v_information", observed=True).reindex(names)
