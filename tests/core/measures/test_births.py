"""Births of concepts."""

import numpy as np

from featcx_core.measures.births import birth_epoch


def test_birth_by_hand():
    above = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0]], dtype=bool)
    assert birth_epoch(above, np.array([0, 4, 9])).tolist() == [9, 4, 0, -1]
