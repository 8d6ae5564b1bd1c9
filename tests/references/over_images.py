"""The bootstrap over images itself: images are drawn, and everything is computed anew from them."""

import numpy as np
from scipy import stats


def residuals(acts_fit, codes_fit, acts_score, codes_score, alpha):
    """(image, concept) squared errors of ridge fitted on the fit half, and of the fit half's mean."""
    mean, centre = acts_fit.mean(0), codes_fit.mean(0)
    x, z = acts_fit - mean, codes_fit - centre
    weights = np.linalg.solve(x.T @ x + alpha * np.eye(x.shape[1]), x.T @ z)
    return (codes_score - centre - (acts_score - mean) @ weights) ** 2, (codes_score - centre) ** 2


def complexity(errors, nulls, images):
    """K from these score images, R² clipped layer by layer."""
    return 1 - np.mean(
        [np.clip(1 - e[images].sum(0) / o[images].sum(0), 0, None) for e, o in zip(errors, nulls, strict=True)], 0
    )


def resamples(errors, nulls, contributions, n_fit, *, n_bootstrap, seed):
    """K and Γ in each resample: fit and score images drawn on their own, every score error recomputed from them."""
    chance = np.random.default_rng(seed)
    n_score = len(errors[0])
    for _ in range(n_bootstrap):
        score = chance.integers(n_score, size=n_score)
        fit = chance.integers(n_fit, size=n_fit)
        gamma = np.concatenate([contributions[:n_fit][fit], contributions[n_fit:][score]])
        yield complexity(errors, nulls, score), np.abs(gamma).mean(0)


def statistics(k, gamma, share):
    """Mean K of all and of the most important ones, Spearman and Pearson of K and Γ."""
    top = np.argsort(-gamma)[: round(share * len(k))]
    return k.mean(), k[top].mean(), stats.spearmanr(k, gamma).statistic, stats.pearsonr(k, gamma).statistic
