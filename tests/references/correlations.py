"""Correlations and partial correlations by regression, one bootstrap sample after the other."""

import numpy as np
from scipy import stats


def correlation(x, y, controls=None, method="spearman"):
    """scipy's correlation of x and y, or of the residuals after least squares on the controls."""
    if method == "spearman":
        x, y = stats.rankdata(x), stats.rankdata(y)
        controls = None if controls is None else stats.rankdata(controls, axis=0)
    if controls is not None:
        design = np.column_stack([np.ones(len(x)), controls])
        x, y = (v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x, y))
    return stats.pearsonr(x, y).statistic


def interval(x, y, controls, method, n_bootstrap, seed):
    """Value ± t · deviation over bootstrap samples of Fisher's z, concepts drawn by `Generator.integers`."""
    chance = np.random.default_rng(seed)
    values = []
    for drawn in chance.integers(len(x), size=(n_bootstrap, len(x))):
        values.append(correlation(x[drawn], y[drawn], None if controls is None else controls[drawn], method))
    z = np.arctanh(correlation(x, y, controls, method))
    half = stats.t.ppf(0.975, len(x) - 1) * np.arctanh(values).std()
    return np.tanh([z - half, z + half])
