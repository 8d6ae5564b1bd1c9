"""Means over studies and paired differences, one number at a time."""

import math
import statistics
from collections.abc import Mapping, Sequence

from scipy.stats import t


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % t-interval; NaN ends for a single value."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan, math.nan
    low, high = t.interval(0.95, len(values) - 1, loc=mean, scale=statistics.stdev(values) / math.sqrt(len(values)))
    return mean, float(low), float(high)


def differences(
    value_of: Mapping[str, float], settings: Mapping[str, Mapping[str, str]], *, field: str, value: str, against: str
) -> list[float]:
    """Differences over all pairs of studies with these two values that agree in every other field."""
    others = [other for other in settings if other != field]
    return [
        value_of[one] - value_of[other]
        for one in value_of
        for other in value_of
        if (settings[field][one], settings[field][other]) == (value, against)
        and all(settings[name][one] == settings[name][other] for name in others)
    ]
