"""The bootstrap over images itself: images are drawn, and everything is computed anew from them."""

import numpy as np
from scipy import stats


def residuals(acts_fit, codes_fit, acts_score, codes_score, alpha):
    """(image, concept) squared errors of ridge fitted on the fit half, and of the fit half's mean."""
    mean, centre = acts_fit.mean(0), codes_fit.mean(0)
    x, z = acts_fit - mean, codes_fit - centre
    weights = np.linalg.solve(x.T @ x + alpha * np.eye(x.shape[1]), x.T @ z)
    return (codes_score - centre - (acts_score - mean) @ weights) ** 2, (codes_score - centre) ** 2


def information(errors, nulls, images):
    """I_V of each layer from these score images, (layer, concept): R², clipped layer by layer."""
    return np.stack([(1 - e[images].sum(0) / o[images].sum(0)).clip(0) for e, o in zip(errors, nulls, strict=True)])


def resamples(errors, nulls, contributions, n_fit, *, n_bootstrap, seed):
    """I_V and Γ in each resample: fit and score images drawn on their own, every score error recomputed from them."""
    chance = np.random.default_rng(seed)
    n_score = len(errors[0])
    for _ in range(n_bootstrap):
        score = chance.integers(n_score, size=n_score)
        fit = chance.integers(n_fit, size=n_fit)
        gamma = np.concatenate([contributions[:n_fit][fit], contributions[n_fit:][score]])
        yield information(errors, nulls, score), np.abs(gamma).mean(0)


def explained(k, groups):
    """ε²: one minus the mean square within groups over that of all."""
    names = set(groups)
    within = sum(((k[groups == name] - k[groups == name].mean()) ** 2).sum() for name in names)
    return 1 - within / (len(k) - len(names)) / k.var(ddof=1)


def statistics(information, gamma, share, groups):
    """Mean K of all and of the most important ones, Spearman and Pearson of K and Γ; by layer the mean I_V, and what
    the last has more than the first; of the groups mean K, and ε².
    """
    k = 1 - information.mean(0)
    top = np.argsort(-gamma)[: round(share * len(k))]
    correlations = stats.spearmanr(k, gamma).statistic, stats.pearsonr(k, gamma).statistic
    by_layer = information.mean(1)
    means = [k[groups == name].mean() for name in sorted(set(groups))]
    return k.mean(), k[top].mean(), *correlations, *by_layer, by_layer[-1] - by_layer[0], *means, explained(k, groups)
