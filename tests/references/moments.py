"""Centred sums of products, image by image."""

import math

import numpy as np


def centred_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ over images of (a_i - mean a)(b_j - mean b), added exactly."""
    a = a.astype(np.float64) - [math.fsum(column) / len(a) for column in a.T.astype(np.float64)]
    b = b.astype(np.float64) - [math.fsum(column) / len(b) for column in b.T.astype(np.float64)]
    return np.array([[math.fsum(u * v) for v in b.T] for u in a.T])
