"""Rows of similarities with a known answer."""

import numpy as np
import pandas as pd

GROUPS = 5


def to_end(values, *, layers=("low", "middle", "high"), measure="cka", centring="plain", end=4, spread=0.01):
    """Rows of layers with their end: `values` (epoch, layer); left-out values spread around them."""
    rows = []
    for epoch, line in enumerate(values):
        for layer, value in zip(layers, line, strict=True):
            around = np.linspace(-spread, spread, GROUPS)
            rows.append(
                {
                    "study_a": "", "epoch_a": epoch, "layer_a": layer,
                    "study_b": "", "epoch_b": end, "layer_b": layer,
                    "measure": measure, "centring": centring, "value": value,
                    "null_permuted": 0.2, "calibrated": (value - 0.2) / 0.8,
                    "jackknife": (value + around).astype(np.float32),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)
