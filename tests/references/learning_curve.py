"""Forecast of the share kept from a straight line through logarithms (NumPy's polyfit), in float64."""

import numpy as np


def twice(sizes, kept, n_scored):
    """Share kept with twice as many as the last size."""
    lost = [max(1 - share, 1 / (2 * n_scored)) for share in kept]
    slope, _ = np.polyfit(np.log(sizes), np.log(lost), 1)
    return 1 - (1 - kept[-1]) * 2 ** min(max(slope, -2), 0)
