"""Groups of the most important concepts, chosen by sorting, and scipy's bootstrap of their mean complexity."""

import math
from fractions import Fraction

import numpy as np
from scipy import stats


def members(complexity, importance, share, at_least):
    """Complexities of the living concepts in a share."""
    alive = [(g, k) for k, g in zip(complexity, importance, strict=True) if not (math.isnan(k) or math.isnan(g))]
    size = min(len(alive), max(at_least, math.ceil(Fraction(str(share)) * len(alive))))
    return [k for _, k in sorted(alive, key=lambda pair: -pair[0])[:size]]


def band(values, seed):
    result = stats.bootstrap((values,), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(seed))
    return result.confidence_interval
