"""Rows of correlations and of sedimentation curves, by hand."""

from collections.abc import Sequence

import pandas as pd

from tests.core.findings.frames import frame
from tests.core.findings.synthetic import CONTROLS, REFERENCE


def correlations(*, raw: tuple, partial: tuple, y: str, epoch: int = REFERENCE) -> pd.DataFrame:
    """Return Spearman's correlation of K and `y`, raw and partial, each given as value, low, high."""
    rows = [
        {"epoch": epoch, "x": "complexity", "y": y, "method": "spearman", "controls": controls}
        | dict(zip(("value", "low", "high"), values, strict=True))
        for controls, values in (("", raw), (CONTROLS, partial))
    ]
    return frame("correlations", rows)


def curve(values: Sequence[float], *, group: str = "all", half: float = 0.01, n: int = 100) -> pd.DataFrame:
    """Return a sedimentation curve from epoch 0 on, with bands of this half width."""
    rows = [
        {"epoch": epoch, "group_name": group, "n_concepts": n, "mean_complexity": k, "low": k - half, "high": k + half}
        for epoch, k in enumerate(values)
    ]
    return frame("sedimentation", rows)
