"""Intervals over concepts as the tables have them, of concepts drawn anew from a population."""

from collections.abc import Mapping

import numpy as np
from scipy.special import expit
from scipy.stats import pearsonr, spearmanr

from featcx_core.measures.correlations import correlation
from featcx_core.measures.intervals import mean_interval

SIZES = (10, 20, 60)
POPULATIONS = {"even": 0.0, "skewed": 0.7}
_MANY = 1_000_000


def concepts(n: int, skew: float, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw K, between 0 and 1, and Γ, which falls with it."""
    hard = chance.normal(size=n)
    k = expit(hard if skew == 0 else np.exp(skew * hard) - 2.5)
    return k, np.exp((0.3 + 0.7 * skew) * (chance.normal(size=n) - 0.6 * hard))


def measure(skew: float, chance: np.random.Generator) -> Mapping[str, tuple[float, float]]:
    """Draw concepts, and return the ends of the intervals by statistic."""
    seed, found = int(chance.integers(2**31)), {}
    for n in SIZES:
        k, gamma = concepts(n, skew, chance)
        found[f"mean K of {n}"] = mean_interval(k, within=(0.0, 1.0))
        if n >= 20:
            for method in ("spearman", "pearson"):
                value = correlation(k, gamma, method=method, n_bootstrap=500, seed=seed)  # type: ignore[arg-type]
                found[f"K and Γ of {n}, {method.title()}"] = (value.low, value.high)
    return found


def truth(skew: float) -> dict[str, float]:
    """Return what the intervals should hold."""
    k, gamma = concepts(_MANY, skew, np.random.default_rng(0))
    ranks, values = spearmanr(k, gamma).statistic, pearsonr(k, gamma).statistic
    return {f"mean K of {n}": float(k.mean()) for n in SIZES} | {
        f"K and Γ of {n}, {method}": float(value)
        for n in SIZES[1:]
        for method, value in (("Spearman", ranks), ("Pearson", values))
    }
