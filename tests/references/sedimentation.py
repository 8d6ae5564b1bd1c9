"""Groups of the most important concepts, chosen by sorting."""

import math
from fractions import Fraction


def members(complexity, importance, share, at_least):
    """Complexities of the living concepts in a share."""
    alive = [(g, k) for k, g in zip(complexity, importance, strict=True) if not (math.isnan(k) or math.isnan(g))]
    size = min(len(alive), max(at_least, math.ceil(Fraction(str(share)) * len(alive))))
    return [k for _, k in sorted(alive, key=lambda pair: -pair[0])[:size]]
