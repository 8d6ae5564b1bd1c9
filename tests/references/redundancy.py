"""Redundancy with n x n Gram matrices and activations that are really masked."""

import numpy as np


def cka(f, z):
    """Biased linear CKA."""
    n = len(f)
    centring = np.eye(n) - np.full((n, n), 1 / n)
    kf, kz = centring @ f @ f.T @ centring, centring @ z @ z.T @ centring
    return np.trace(kf @ kz) / np.sqrt(np.trace(kf @ kf) * np.trace(kz @ kz))


def redundancy(acts, codes, kept):
    """(mean, standard deviation) over the masks of every concept."""
    rows = []
    for z in codes.T[:, :, None]:
        whole = cka(acts, z)
        rows.append([cka(acts * mask, z) / whole for mask in kept])
    return np.mean(rows, axis=1), np.std(rows, axis=1)
