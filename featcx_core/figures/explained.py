"""How much of a property follows from the group that a concept is in."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from featcx_core.figures.evidence import Estimate


def explained(
    values: Float[np.ndarray, "concept"], groups: Sequence[str | int], *, n_bootstrap: int = 1000, seed: int = 0
) -> Estimate:
    """ε² between groups with a 95 % bootstrap interval over concepts: 1 is all, 0 what random groups have on average.

    ε² = 1 - (mean square within groups) / (mean square of all). A concept that a sample draws twice agrees with itself,
    so samples lie above ε²: as far as η² does, which ε² corrects. The interval is that of the samples, shifted by
    η² - ε²; without this many random groups would seem to explain something. The groups are held fixed.

    NaN where every concept is a group of its own, or all values are equal.

    >>> explained(np.array([1.0, 1.0, 3.0, 3.0, 5.0, 5.0]), ["a", "a", "b", "b", "c", "c"])[:3]
    (1.0, 1.0, 1.0)
    """
    _, of = np.unique(np.asarray(groups), return_inverse=True)
    value, uncorrected = _shares(values, of)
    n, chance = len(values), np.random.default_rng(seed)
    if math.isnan(value):
        return Estimate(value, math.nan, math.nan, n)
    samples = (chance.integers(n, size=n) for _ in range(n_bootstrap))  # one at a time: many concepts, little memory
    drawn = np.array([_shares(values[each], of[each])[0] for each in samples])
    low, high = np.nanquantile(drawn, [0.025, 0.975]) - (uncorrected - value)
    return Estimate(value, float(low), float(high), n)


def _shares(values: Float[np.ndarray, "concept"], of: Int[np.ndarray, "concept"]) -> tuple[float, float]:
    """ε² and η² = 1 - (sum of squares within groups) / (that of all)."""
    sizes = np.bincount(of)
    means = np.bincount(of, values) / np.maximum(sizes, 1)
    n, n_groups = len(values), int((sizes > 0).sum())
    within, total = float(((values - means[of]) ** 2).sum()), float(((values - values.mean()) ** 2).sum())
    if n == n_groups or total == 0:
        return math.nan, math.nan
    return 1 - within / (n - n_groups) / (total / (n - 1)), 1 - within / total
