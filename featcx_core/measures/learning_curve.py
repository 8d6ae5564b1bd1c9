"""Learning curve of a dictionary: what share of the predictions it would keep with more images, or more atoms.

What is lost falls about as a power of the number of images (Hestness et al., *Deep learning scaling is predictable,
empirically*, 2017): `1 − kept ∝ n^−β`. The curve goes through the last point that was measured.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_STEEPEST = 2.0
"""Largest β: a steeper fall between few points is chance, and would promise everything."""


class Forecast(NamedTuple):
    """What more images, or more atoms, would do."""

    power: float
    """β ≥ 0; 0 = more do not help. NaN with fewer than two points."""
    twice: float
    """Share kept with twice as many."""
    four_times: float
    """Share kept with four times as many."""
    needed: float
    """How many keep the wanted share: the last number measured where that does already, infinity where none would."""


def forecast(
    sizes: Float[np.ndarray, "point"],
    kept: Float[np.ndarray, "point"],
    *,
    n_scored: int,
    wanted: float = 0.99,
) -> Forecast:
    """Foretell the share kept from shares at rising sizes: `1 − kept = lost_last · (n / n_last)^−β`.

    β is the slope of least squares of log lost on log n, cut to between 0 and 2. A loss of nothing is taken for half an
    image of the `n_scored` that were scored.

    Raises:
        ValueError: sizes that do not rise, or another number of shares.

    >>> found = forecast(np.array([100.0, 200.0]), np.array([0.6, 0.8]), n_scored=1000)
    >>> round(found.power, 3), round(found.twice, 3), round(found.needed)   # the loss halves with twice as many
    (1.0, 0.9, 4000)
    """
    if len(sizes) != len(kept) or not (np.diff(sizes) > 0).all() or not len(sizes):
        raise ValueError(f"wanted shares at rising sizes, got {len(kept)} at {sizes.tolist()}; try sorting them")
    last, lost = float(sizes[-1]), np.maximum(1 - kept, 0.5 / n_scored)
    if len(sizes) < 2:
        return Forecast(math.nan, math.nan, math.nan, last if kept[-1] >= wanted else math.nan)
    x, y = np.log(sizes), np.log(lost)
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / np.square(x - x.mean()).sum())
    power = min(max(-slope, 0.0), _STEEPEST)
    if kept[-1] >= wanted:
        needed = last
    else:
        needed = last * math.exp(math.log(lost[-1] / (1 - wanted)) / power) if power > 0.01 else math.inf
    after = [1 - (1 - float(kept[-1])) * times**-power for times in (2, 4)]
    return Forecast(power, after[0], after[1], needed)
