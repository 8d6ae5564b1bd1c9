"""Learning curve of a dictionary: what share of the predictions it would keep with more images, or more atoms.

What is lost falls as a power of the number of images, down to a floor that they do not lower (atoms that lack):
`1 − kept = floor + a·n^−β`. At sizes that double its steps shrink by one factor. [Hestness et al., *Deep learning
scaling is predictable, empirically*, 2017; Aitken's Δ² for the floor]
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Forecast(NamedTuple):
    """Predictions that more images, or more atoms, would keep."""

    floor: float
    """Share lost that more of them do not save; NaN with fewer than two points."""
    twice: float
    """Share kept with twice as many."""
    four_times: float
    """Share kept with four times as many."""
    needed: float
    """How many keep the wanted share: the last number measured where that does already, infinity where none would."""


def forecast(sizes: Float[np.ndarray, "point"], kept: Float[np.ndarray, "point"], *, wanted: float = 0.99) -> Forecast:
    """Foretell the share kept from shares at sizes that double; of more than three the last three count.

    With the last steps d₁ and d₂ of what is lost, the next ones are `r·d₂`, `r²·d₂`, …, `r = d₂ / d₁`, cut to between 0
    (nothing more is gained) and `lost₃ / lost₂` (no floor). Where the last step gained nothing, none will; where d₁ did
    not, or there are two points only, there is no floor.

    Raises:
        ValueError: sizes that do not rise, or another number of shares.

    >>> found = forecast(np.array([50.0, 100.0, 200.0]), np.array([0.2, 0.6, 0.7]))   # steps 0.4, 0.1, 0.025, …
    >>> round(found.twice, 4), round(found.floor, 4), found.needed
    (0.725, 0.2667, inf)
    """
    if len(sizes) != len(kept) or not (np.diff(sizes) > 0).all() or not len(sizes):
        raise ValueError(f"wanted shares at rising sizes, got {len(kept)} at {sizes.tolist()}; try sorting them")
    last, lost = float(sizes[-1]), (1 - kept[-3:]).tolist()
    if len(lost) < 2:
        return Forecast(math.nan, math.nan, math.nan, last if kept[-1] >= wanted else math.nan)
    gained, ratio = _last_step(lost)
    floor = lost[-1] - gained * ratio / (1 - ratio)
    twice = lost[-1] - gained * ratio
    four_times = twice - gained * ratio**2
    return Forecast(floor, 1 - twice, 1 - four_times, _needed(last, lost[-1], floor, ratio, 1 - wanted))


def _last_step(lost: list[float]) -> tuple[float, float]:
    """Return what the last doubling gained, and the factor by which the next one gains less."""
    gained = lost[-2] - lost[-1]
    if gained <= 0:
        return 0.0, 0.0
    without_floor = lost[-1] / lost[-2]
    before = lost[-3] - lost[-2] if len(lost) > 2 else 0.0
    return gained, min(gained / before, without_floor) if before > 0 else without_floor


def _needed(last: float, lost: float, floor: float, ratio: float, allowed: float) -> float:
    if lost <= allowed:
        return last
    if floor >= allowed or ratio <= 0:
        return math.inf
    return last * 2 ** (math.log((allowed - floor) / (lost - floor)) / math.log(ratio))
