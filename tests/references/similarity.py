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


def centred(x, labels):
    """Minus the mean of each class, class by class."""
    x = np.array(x, dtype=np.float64)
    for label in set(labels.tolist()):
        x[labels == label] -= x[labels == label].mean(0)
    return x


def cka_within(x, y, labels):
    """Estimates of ||Σ_c (m_c - 1) Cov_c||², two classes at a time: products of different ones, Song's U for the same."""
    x, y = centred(x, labels), centred(y, labels)

    def hsic(a, b):
        ka, kb, total = a @ a.T, b @ b.T, 0.0
        for c in set(labels.tolist()):
            for d in set(labels.tolist()):
                rows = np.ix_(labels == c, labels == d)
                m = (labels == c).sum()
                total += (m - 1) ** 2 * _hsic_unbiased(ka[rows], kb[rows]) if c == d else (ka[rows] * kb[rows]).sum()
        return total

    return hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))


def procrustes(x, y):
    """By the best orthogonal map of the narrower side, filled up with zeros."""
    x, y = x - x.mean(0), y - y.mean(0)
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(side, ((0, 0), (0, width - side.shape[1]))) for side in (x, y))
    rotation, _ = linalg.orthogonal_procrustes(x, y)
    return np.sum((x @ rotation) * y) / (np.linalg.norm(x) * np.linalg.norm(y))


def mean_cca(x, y):
    return np.cos(linalg.subspace_angles(x - x.mean(0), y - y.mean(0))).mean()


def mutual_knn(x, y, n_neighbours):
    def lists(side):
        nearest = []
        for i in range(len(side)):
            cosines = {
                j: side[i] @ side[j] / (np.linalg.norm(side[i]) * np.linalg.norm(side[j]))
                for j in range(len(side))
                if j != i
            }
            nearest.append(set(sorted(cosines, key=cosines.get, reverse=True)[:n_neighbours]))
        return nearest

    return np.mean([len(a & b) / n_neighbours for a, b in zip(lists(x), lists(y), strict=True)])


def separation(similarities, groups):
    """Average precision and violations by counting, for the mean of both directions; without ties."""
    n, precisions, violations = len(groups), [], []
    s = [[(similarities[i][j] + similarities[j][i]) / 2 for j in range(n)] for i in range(n)]
    for group in sorted(set(groups)):
        within = [s[i][j] for i in range(n) for j in range(i) if groups[i] == groups[j] == group]
        across = [s[i][j] for i in range(n) for j in range(n) if groups[i] == group != groups[j]]
        above = [(sum(w >= v for w in within), sum(a >= v for a in across)) for v in within]
        precisions.append(np.mean([w / (w + a) for w, a in above]))
        violations.append(np.mean([w <= a for w in within for a in across]))
    return np.mean(precisions), np.mean(violations)
