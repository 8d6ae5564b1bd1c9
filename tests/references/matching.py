"""The best matching by trying every permutation."""

from itertools import permutations

import numpy as np


def best_total(atoms, others):
    """Largest sum of cosines of any one-to-one matching; atoms are the smaller side."""
    a, b = (np.asarray(side, dtype=np.float64) for side in (atoms, others))
    cosines = (a / np.linalg.norm(a, axis=1)[:, None]) @ (b / np.linalg.norm(b, axis=1)[:, None]).T
    return max(sum(cosines[i, j] for i, j in enumerate(order)) for order in permutations(range(len(b)), len(a)))
