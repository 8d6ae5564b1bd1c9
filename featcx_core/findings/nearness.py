"""Nearness of simple and of complex concepts to the residual branch."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from featcx_core.findings.branches import branch_scores, complete_members, ends_at
from featcx_core.findings.evidence import Estimate, difference, precise
from featcx_core.findings.selection import of_kind
from featcx_core.measures.intervals import mean_bands, t_interval


class Nearness(NamedTuple):
    """Score in the residual minus mean score in the other branches, mean over blocks; positive = nearer to it."""

    simplest: Estimate
    """Of the simplest concepts."""
    most_complex: Estimate
    """Of the most complex ones."""
    contrast: Estimate
    """The simplest less the most complex."""

    def __str__(self) -> str:
        return f"{precise(self.simplest)} for the simplest, {precise(self.most_complex)} for the most complex"


def nearness_to_residual(
    branches: pd.DataFrame,
    complexity: pd.DataFrame,
    layers: pd.DataFrame,
    *,
    epoch: int,
    measure: str = "cka",
    kind: str = "concept",
) -> Nearness | None:
    """Return the nearness of the smallest groups of at least 10 concepts (1 % at the most); None without rows."""
    groups = ends_at(complexity, epoch=epoch, end_shares=(0.01,), kind=kind)
    if not groups or not (of_kind(branches, kind)["epoch"] == epoch).any():
        return None
    scores = branch_scores(branches, layers, epoch=epoch, measure=measure, kind=kind)
    nearer = _nearer(scores.values, scores.columns)
    estimates, draws, n_groups = [], [], scores.left_out.shape[2]
    for group in (groups[0].simplest, groups[0].most_complex):
        members = complete_members(nearer, group)
        measured = ~np.isnan(nearer[members]).any(axis=0)
        if not len(members) or not measured.any():
            return None
        mean, low, high = mean_bands(nearer[members][:, measured].mean(axis=1)[:, None])
        starts, drawn = (
            _nearer(part, scores.columns)[:, measured].mean(axis=1)
            for part in scores.over_images(members, measure=measure)
        )
        draws.append((starts, drawn))
        ends = map(float, t_interval(starts, drawn, groups=n_groups))
        estimates.append(Estimate(float(mean[0]), float(low[0]), float(high[0]), len(members), *ends))
    starts, drawn = (first - second for first, second in zip(*draws, strict=True))  # of the same images
    low_images, high_images = map(float, t_interval(starts, drawn, groups=n_groups))
    simplest, most_complex = estimates
    contrast = difference(most_complex, simplest)
    return Nearness(simplest, most_complex, contrast._replace(low_images=low_images, high_images=high_images))


def _nearer(values: Float[np.ndarray, "row branch"], columns: pd.DataFrame) -> Float[np.ndarray, "row block"]:
    """Return the score in the residual minus the mean score in the other branches, by block."""
    is_residual, blocks = (columns["branch"] == "residual").to_numpy(), columns["block"].to_numpy()
    by_block = [
        values[:, is_residual & (blocks == block)].mean(1) - values[:, ~is_residual & (blocks == block)].mean(1)
        for block in dict.fromkeys(blocks)
    ]
    return np.stack(by_block, axis=1)
