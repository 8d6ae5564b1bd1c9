"""Redundancy with n x n Gram matrices and activations that are really masked."""

import numpy as np


def cka(f, z):
    """Biased linear CKA."""
    n = len(f)
    centring = np.eye(n) - np.full((n, n), 1 / n)
    kf, kz = centring @ f @ f.T @ centring, centring @ z @ z.T @ centring
    return np.trace(kf @ kz) / np.sqrt(np.trace(kf @ kf) * np.trace(kz @ kz))


def as_printed(f, z):
    """App. E: ||K_F K_z||² / (||K_F K_F||·||K_z K_z||)."""
    f, z = f - f.mean(0), z - z.mean(0)
    kf, kz = f @ f.T, z @ z.T
    return np.linalg.norm(kf @ kz) ** 2 / (np.linalg.norm(kf @ kf) * np.linalg.norm(kz @ kz))


def redundancy(acts, codes, kept, similarity=cka):
    """(mean, standard deviation) over the masks of every concept."""
    rows = []
    for z in codes.T[:, :, None]:
        whole = similarity(acts, z)
        rows.append([similarity(acts * mask, z) / whole for mask in kept])
    return np.mean(rows, axis=1), np.std(rows, axis=1)
