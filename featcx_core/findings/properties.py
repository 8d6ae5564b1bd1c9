"""Properties of concepts beside their complexity: points, controls and the lines that sum up a panel."""

import math

import numpy as np
import pandas as pd

from featcx_core.features.quality import random_hoyer
from featcx_core.findings.correlations import correlation, raw_and_partial
from featcx_core.findings.selection import epoch_name, of_kind


def redundancy_points(complexity: pd.DataFrame, redundancy: pd.DataFrame) -> pd.DataFrame:
    """Return K and redundancy by masked share, with one standard error over the masks to either side."""
    error = redundancy["standard_deviation"] / np.sqrt((redundancy["n_masks"] - 1).clip(lower=1))
    value = redundancy["redundancy"]
    measured = redundancy.assign(value=value, low=value - error, high=value + error)
    return _points(complexity, measured.assign(level=redundancy["masked_fraction"]))


def sensitivity_points(complexity: pd.DataFrame, sensitivity: pd.DataFrame) -> pd.DataFrame:
    """Return K and sensitivity by noise level σ, with its 95 % interval over images."""
    return _points(complexity, sensitivity.assign(value=sensitivity["sensitivity"], level=sensitivity["sigma"]))


def sparsity_points(complexity: pd.DataFrame, concepts: pd.DataFrame) -> pd.DataFrame:
    """Return K and the atom's Hoyer sparsity, which has no levels: `level` is NaN."""
    return _points(complexity, concepts.assign(value=concepts["hoyer"], level=math.nan))


def _points(complexity: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Return K and `value` of the concepts and of the random directions that have both."""
    kinds = ("concept", "random_direction")
    columns = ["epoch", "concept", "complexity"]
    return pd.concat(
        [
            of_kind(complexity, kind)[columns]
            .merge(of_kind(measured, kind), on=["epoch", "concept"])
            .dropna(subset=["complexity", "value"])
            .assign(kind=kind)
            for kind in kinds
        ]
    )


def hoyer_by_chance(layers: pd.DataFrame) -> float:
    """Return the Hoyer sparsity of random directions on average; NaN where the number of units is unknown.

    It follows from the number of units of the penultimate layer (`random_hoyer`), so no table holds it.
    """
    units = layers.loc[layers["role"] == "penultimate", "units"].dropna()
    return random_hoyer(int(units.iloc[0])) if len(units) else math.nan


def panel_lines(
    correlations: pd.DataFrame, points: pd.DataFrame, *, epoch: int, y: str, level: float | None, level_name: str
) -> list[str]:
    """Return the lines above a panel: epoch, level, correlations of K with `y`, and the random directions' values.

    points: the panel's points. level_name: the level in words; empty where there is none.
    """
    raw, partial = raw_and_partial(correlations, epoch=epoch, y=y, level=level)
    lines = [epoch_name(epoch), *filter(None, [level_name]), f"Spearman {raw}", f"partial {partial}"]
    directions = of_kind(points, "random_direction")
    if not directions.empty:
        control = correlation(correlations, epoch=epoch, y=y, level=level, kind="random_direction")
        lines.append(f"random directions {control}")
        lines.append(f"their median {y} {directions['value'].astype(float).median():.3g}")
    return lines
