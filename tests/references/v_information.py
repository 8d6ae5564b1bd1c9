"""V-information concept by concept, from scikit-learn and from the definitions."""

import numpy as np
from sklearn.linear_model import Ridge


def standardised(codes_fit, codes):
    return (codes - codes_fit.mean(0)) / codes_fit.std(0)


def r2(acts_fit, code_fit, acts_score, code_score, alpha):
    """R² on the score half against the fit half's mean, of scikit-learn's ridge on the standardised code."""
    z_fit, z_score = standardised(code_fit, code_fit), standardised(code_fit, code_score)
    predicted = Ridge(alpha=alpha, solver="svd").fit(acts_fit, z_fit).predict(acts_score)
    return 1 - np.sum((z_score - predicted) ** 2) / np.sum(z_score**2)


def jackknife(acts_fit, code_fit, acts_score, code_score, alpha, groups):
    """R² without each group, and the delete-a-group standard error, by leaving images out."""
    group = np.arange(len(acts_score)) % groups
    left_out = np.array(
        [r2(acts_fit, code_fit, acts_score[group != g], code_score[group != g], alpha) for g in range(groups)]
    )
    return left_out, np.sqrt((groups - 1) / groups * sum((value - left_out.mean()) ** 2 for value in left_out))


def gcv(acts, code, alpha):
    """n·||(I - H)z||² / trace(I - H)² with the hat matrix H of ridge with intercept written out."""
    n, units = acts.shape
    centred = acts - acts.mean(0)
    hat = np.full((n, n), 1 / n) + centred @ np.linalg.solve(centred.T @ centred + alpha * np.eye(units), centred.T)
    left = np.eye(n) - hat
    return n * np.sum((left @ standardised(code, code)) ** 2) / np.trace(left) ** 2


def best_alpha(acts, code, low=1e-6, high=1e3, count=20):
    centred = acts - acts.mean(0)
    unit = np.trace(centred.T @ centred) / acts.shape[1]
    alphas = [10**e * unit for e in np.linspace(np.log10(low), np.log10(high), count)]
    return min(alphas, key=lambda alpha: gcv(acts, code, alpha))


def in_sample(acts, code):
    """Var(z)·R² of numpy.linalg.lstsq with a column of ones."""
    design = np.column_stack([np.ones(len(acts)), acts])
    solution = np.linalg.lstsq(design, code, rcond=None)[0]
    residual = np.sum((code - design @ solution) ** 2)
    return np.var(code) * (1 - residual / np.sum((code - code.mean()) ** 2))
