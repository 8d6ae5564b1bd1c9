"""Similarities with the n x n matrices of the papers."""

import numpy as np
from scipy import linalg


def _hsic_biased(kx, ky):
    centring = np.eye(len(kx)) - 1 / len(kx)
    return np.trace(centring @ kx @ centring @ ky)


def _hsic_unbiased(kx, ky):
    """Song et al. 2012, eq. 5."""
    n = len(kx)
    kx, ky = kx - np.diag(np.diag(kx)), ky - np.diag(np.diag(ky))
    one = np.ones(n)
    product = (one @ kx @ one) * (one @ ky @ one) / ((n - 1) * (n - 2))
    return (np.trace(kx @ ky) + product - 2 / (n - 2) * (one @ kx @ ky @ one)) / (n * (n - 3))


def cka(x, y, unbiased=True):
    hsic = _hsic_unbiased if unbiased else _hsic_biased
    kx, ky = x @ x.T, y @ y.T
    return hsic(kx, ky) / np.sqrt(hsic(kx, kx) * hsic(ky, ky))


def cka_as_printed(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    kx, ky = x @ x.T, y @ y.T
    return np.linalg.norm(kx @ ky) ** 2 / (np.linalg.norm(kx @ kx) * np.linalg.norm(ky @ ky))


def _leading(x, threshold, squared):
    x = x - x.mean(0)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    mass = s**2 if squared else s
    m = next(m for m in range(1, len(s) + 1) if m == len(s) or mass[:m].sum() >= threshold * mass.sum())
    return u[:, :m] * s[:m]


def svcca(x, y, threshold=0.99, squared=False):
    """Mean cosine of the principal angles between the kept subspaces."""
    angles = linalg.subspace_angles(_leading(x, threshold, squared), _leading(y, threshold, squared))
    return np.cos(angles).mean()


def pwcca(x, y):
    """By Σ_11^{-1/2} Σ_12 Σ_22^{-1/2} = U ρ V' and h_i = u_i' Σ_11^{-1/2} x', unit by unit."""
    x, y = x - x.mean(0), y - y.mean(0)
    root_x, root_y = linalg.inv(linalg.sqrtm(x.T @ x)), linalg.inv(linalg.sqrtm(y.T @ y))
    u, rho, _ = np.linalg.svd(root_x @ (x.T @ y) @ root_y)
    alpha = []
    for i in range(len(rho)):
        h = u[:, i] @ root_x @ x.T
        alpha.append(sum(abs(h @ x[:, j]) for j in range(x.shape[1])))
    return np.sum(np.array(alpha) * rho) / np.sum(alpha)
