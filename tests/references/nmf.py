"""Non-negative matrix factorisation by scikit-learn's coordinate descent, the paper's solver (tol 1e-4)."""

import warnings

import numpy as np
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning


def coordinate_descent_error(acts: np.ndarray, *, n_atoms: int) -> float:
    """||A - Z D||_F / ||A||_F that scikit-learn reaches, within 1,000 iterations."""
    model = NMF(n_atoms, solver="cd", init="nndsvda", tol=1e-4, max_iter=1000, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        codes = model.fit_transform(acts)
    return float(np.linalg.norm(acts - codes @ model.components_) / np.linalg.norm(acts))
