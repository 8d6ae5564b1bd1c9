"""Forecast of the share kept by a power law with a floor through three points, its floor found by bisection."""

import numpy as np
from scipy.optimize import brentq


def twice(kept):
    """Share kept with twice as many as the last of three sizes that double."""
    lost = 1 - np.asarray(kept, float)

    def bend(floor):
        above = np.log(lost - floor)
        return (above[0] - above[1]) - (above[1] - above[2])

    floor = 0.0 if bend(0.0) <= 0 else brentq(bend, 0.0, lost[-1] - 1e-12)
    above = lost - floor
    return 1 - (floor + above[-1] ** 2 / above[-2])
