"""Sums over images of powers of activations and codes about their means, image by image, added exactly."""

import math

import numpy as np


def centred(values: np.ndarray) -> np.ndarray:
    """Columns less their exactly added means."""
    values = values.astype(np.float64)
    return values - [math.fsum(column) / len(values) for column in values.T]


def diagonals(acts: np.ndarray, codes: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Σ |x|⁴, Σ |x|²·z² and Σ z⁴, from the diagonals of the (image, image) kernels xx' and zz'."""
    x, z = centred(acts), centred(codes)
    k = np.diagonal(x @ x.T)
    codes_diagonals = [np.diagonal(np.outer(column, column)) for column in z.T]
    return (
        math.fsum(k * k),
        np.array([math.fsum(k * diagonal) for diagonal in codes_diagonals]),
        np.array([math.fsum(diagonal * diagonal) for diagonal in codes_diagonals]),
    )
