"""Normal noise that is cut to the range of pixels, and still has a wanted mean and deviation."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

MOST = 255.0
"""Largest value of a pixel; the least is 0."""
_WIDEST = 1e5  # deviation of a normal that, cut, is next to nothing but 0 and 255


class Normal(NamedTuple):
    """A normal distribution."""

    mean: float
    """In units of pixels, 0 to 255; may lie outside."""
    deviation: float
    """Standard deviation."""


def clipped_moments(normal: Normal) -> Normal:
    """Return the mean and deviation of a normal number that is cut to [0, 255].

    With a = -μ/σ, b = (255 - μ)/σ: `E y = 255 (1 - Φ(b)) + μ (Φ(b) - Φ(a)) + σ (φ(a) - φ(b))`, and likewise E y².

    >>> moments = clipped_moments(Normal(0.0, 1.0))   # half of it is 0
    >>> round(moments.mean, 4), round(moments.deviation, 4)
    (0.3989, 0.5838)
    """
    mean, deviation = normal
    if deviation == 0:
        return Normal(float(np.clip(mean, 0, MOST)), 0.0)
    a, b = -mean / deviation, (MOST - mean) / deviation
    above, within = norm.sf(b), norm.cdf(b) - norm.cdf(a)
    first = MOST * above + mean * within + deviation * (norm.pdf(a) - norm.pdf(b))
    ends = deviation * (mean * norm.pdf(a) - (mean + MOST) * norm.pdf(b))
    second = MOST**2 * above + (mean**2 + deviation**2) * within + ends
    return Normal(float(first), float(np.sqrt(max(second - first**2, 0))))


def normal_before_clipping(wanted: Normal) -> Normal:
    """Return the normal distribution that has the wanted mean and deviation once it is cut to [0, 255].

    Dark images have a deviation larger than their mean: normal noise of that mean and deviation, cut at 0, would be
    half again as bright as they are (packaged digits: 50 in place of 33). Where no normal does, for images of nothing
    but black and white, the nearest.

    Raises:
        ValueError: a mean outside [0, 255], or a deviation that no pixels of that mean have.

    >>> moments = clipped_moments(normal_before_clipping(Normal(33.0, 79.0)))
    >>> round(moments.mean, 6), round(moments.deviation, 6)
    (33.0, 79.0)
    """
    mean, deviation = wanted
    if not 0 <= mean <= MOST or not 0 <= deviation**2 <= mean * (MOST - mean) + 1e-6:
        raise ValueError(f"wanted mean and deviation of pixels from 0 to 255, got {mean:.3g} and {deviation:.3g}")
    if deviation < 1e-3:
        return Normal(mean, 0.0)

    def of_deviation(spread: float) -> Normal:
        far = 60 * spread + 2 * MOST

        def excess(centre: float) -> float:
            return clipped_moments(Normal(centre, spread)).mean - mean

        return Normal(float(brentq(excess, -far, far, xtol=1e-9)), spread)

    widest = of_deviation(_WIDEST)
    if clipped_moments(widest).deviation <= deviation:
        return widest
    return of_deviation(
        float(brentq(lambda spread: clipped_moments(of_deviation(spread)).deviation - deviation, 1e-4, _WIDEST))
    )
