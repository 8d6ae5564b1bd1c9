"""Semi-NMF by the multiplicative updates of Ding, Li & Jordan 2010, equations 10 to 13, in float64."""

import numpy as np
from sklearn.cluster import KMeans


def multiplicative_errors(acts: np.ndarray, *, n_atoms: int, n_iterations: int) -> list[float]:
    """||A - Z D||_F / ||A||_F after each iteration, from the paper's start: the clusters of K-means, plus 0.2."""
    acts = acts.astype(np.float64)
    labels = KMeans(n_atoms, n_init=4, random_state=0).fit_predict(acts)
    codes = np.eye(n_atoms)[labels] + 0.2
    errors = []
    for _ in range(n_iterations):
        atoms = np.linalg.pinv(codes.T @ codes) @ codes.T @ acts
        cross, gram = acts @ atoms.T, atoms @ atoms.T
        up, down = _positive(cross) + codes @ _negative(gram), _negative(cross) + codes @ _positive(gram)
        codes = codes * np.sqrt(up / np.maximum(down, 1e-300))
        atoms = np.linalg.pinv(codes.T @ codes) @ codes.T @ acts
        errors.append(float(np.linalg.norm(acts - codes @ atoms) / np.linalg.norm(acts)))
    return errors


def _positive(matrix: np.ndarray) -> np.ndarray:
    return (np.abs(matrix) + matrix) / 2


def _negative(matrix: np.ndarray) -> np.ndarray:
    return (np.abs(matrix) - matrix) / 2
