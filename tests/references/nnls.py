"""Penalised non-negative least squares, image by image, with SciPy (Lawson & Hanson 1974)."""

import numpy as np
from scipy.optimize import nnls


def objective(x: np.ndarray, z: np.ndarray, atoms: np.ndarray, *, l1: float, l2: float) -> float:
    """½||x - z D||² + l1·||x||·Σ z_i + ½·l2·||z||² of one image."""
    return float(0.5 * np.sum((x - z @ atoms) ** 2) + l1 * np.linalg.norm(x) * z.sum() + 0.5 * l2 * np.sum(z**2))


def codes(x: np.ndarray, atoms: np.ndarray, *, l1: float, l2: float) -> np.ndarray:
    """The minimum, as plain NNLS on rows that complete the square: √l2·I z ≈ -l1·||x|| / √l2."""
    if l2 == 0:
        assert l1 == 0
        return nnls(atoms.T, x)[0]
    root = np.sqrt(l2)
    design = np.vstack([atoms.T, root * np.eye(len(atoms))])
    return nnls(design, np.concatenate([x, np.full(len(atoms), -l1 * np.linalg.norm(x) / root)]))[0]


def kkt_residual(x: np.ndarray, z: np.ndarray, atoms: np.ndarray, *, l1: float, l2: float) -> float:
    """Largest violation, relative to ||x||, of: gradient zero where z > 0, not negative where z = 0."""
    gradient = [
        -float(np.dot(x - z @ atoms, atoms[i])) + l1 * float(np.linalg.norm(x)) + l2 * float(z[i])
        for i in range(len(atoms))
    ]
    wrong = [abs(g) if value > 0 else max(0.0, -g) for g, value in zip(gradient, z, strict=True)]
    return max(wrong) / float(np.linalg.norm(x))
