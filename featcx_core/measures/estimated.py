"""A number about concepts, with what other concepts and other images would have made of it."""

import math
from typing import NamedTuple


class Estimated(NamedTuple):
    """A statistic over concepts, with 95 % bootstrap intervals."""

    value: float
    """NaN where it is not defined."""
    low: float
    """2.5 % point over bootstrap samples of the concepts."""
    high: float
    """97.5 % point."""
    n: int
    """Concepts behind it."""
    low_images: float = math.nan
    """2.5 % point over resamples of the images; NaN where there are none."""
    high_images: float = math.nan
    """97.5 % point."""
