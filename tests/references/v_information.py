"""V-information concept by concept, from scikit-learn and from the definitions."""

import numpy as np
from scipy import stats
from sklearn.linear_model import Ridge


def standardised(codes_fit, codes):
    return (codes - codes_fit.mean(0)) / codes_fit.std(0)


def r2(acts_fit, code_fit, acts_score, code_score, alpha):
    """R² on the score half against the fit half's mean, of scikit-learn's ridge on the standardised code."""
    z_fit, z_score = standardised(code_fit, code_fit), standardised(code_fit, code_score)
    predicted = Ridge(alpha=alpha, solver="svd").fit(acts_fit, z_fit).predict(acts_score)
    return 1 - np.sum((z_score - predicted) ** 2) / np.sum(z_score**2)


def jackknife_error(left_out):
    groups = len(left_out)
    return np.sqrt((groups - 1) / groups * sum((value - left_out.mean()) ** 2 for value in left_out))


def kept(images, groups, group):
    """Which of a half's images do not belong to a group."""
    return np.arange(images) % groups != group


def refitted(acts_fit, code_fit, acts_score, code_score, groups, alpha=None):
    """R² of all images, then without each group of either half: a new reader each, with its penalty unless given."""

    def read(fit, score):
        penalty = best_alpha(acts_fit[fit], code_fit[fit]) if alpha is None else alpha
        return r2(acts_fit[fit], code_fit[fit], acts_score[score], code_score[score], penalty)

    sizes = len(acts_fit), len(acts_score)
    sets = [tuple(kept(size, groups, group) for size in sizes) for group in range(groups)]
    return read(slice(None), slice(None)), np.array([read(*each) for each in sets])


def half_sized(acts_fit, code_fit, acts_score, code_score, groups):
    """Mean R² of a reader of the even groups of the fit half and one of the odd ones, scored on the whole other half."""
    is_even = np.arange(len(acts_fit)) % groups % 2 == 0
    found = []
    for part in (is_even, ~is_even):
        alpha = best_alpha(acts_fit[part], code_fit[part])
        found.append(r2(acts_fit[part], code_fit[part], acts_score, code_score, alpha))
    return np.mean(found)


def cross_fitted(acts_fit, code_fit, acts_score, code_score, groups):
    """What `cross_fitted_v_information` gives of one code, by name."""
    halves = (acts_fit, code_fit, acts_score, code_score)
    swapped = (acts_score, code_score, acts_fit, code_fit)
    (there, there_left), (back, back_left) = refitted(*halves, groups), refitted(*swapped, groups)
    left_out = (there_left + back_left) / 2
    mean, error = (there + back) / 2, jackknife_error(left_out)
    half_width = stats.t.ppf(0.975, groups - 1) * error
    information = max(mean, 0)
    half = max((half_sized(*halves, groups) + half_sized(*swapped, groups)) / 2, 0)
    return {
        "v_information": information,
        "standard_error": error,
        "low_images": min(max(mean - half_width, 0), 1),
        "high_images": min(max(mean + half_width, 0), 1),
        "r2": there,
        "r2_swapped": back,
        "penalty": best_alpha(acts_fit, code_fit),
        "penalty_swapped": best_alpha(acts_score, code_score),
        "jackknife": left_out,
        "v_information_half": half,
        "v_information_extrapolated": min(max(2 * information - half, 0), 1),
    }


def residual_maker(acts, alpha):
    """I - H, with the hat matrix H of ridge with intercept written out by images."""
    n = len(acts)
    centred = acts - acts.mean(0)
    kernel = centred @ centred.T
    return np.eye(n) - 1 / n - kernel @ np.linalg.inv(kernel + alpha * np.eye(n))


def gcv(acts, code, alpha):
    """n·||(I - H)z||² / trace(I - H)²."""
    left = residual_maker(acts, alpha)
    return len(acts) * np.sum((left @ standardised(code, code)) ** 2) / np.trace(left) ** 2


def best_alpha(acts, code, low=1e-6, high=1e3, count=20):
    centred = acts - acts.mean(0)
    unit = np.trace(centred.T @ centred) / acts.shape[1]
    alphas = [10**e * unit for e in np.linspace(np.log10(low), np.log10(high), count)]
    # penalties that nearly interpolate are left out: fewer than a tenth of the images as residual degrees of freedom
    alphas = [each for each in alphas if np.trace(residual_maker(acts, each)) >= len(acts) / 10] or alphas[-1:]
    return min(alphas, key=lambda alpha: gcv(acts, code, alpha))


def in_sample(acts, code):
    """Var(z)·R² of numpy.linalg.lstsq with a column of ones."""
    design = np.column_stack([np.ones(len(acts)), acts])
    solution = np.linalg.lstsq(design, code, rcond=None)[0]
    residual = np.sum((code - design @ solution) ** 2)
    return np.var(code) * (1 - residual / np.sum((code - code.mean()) ** 2))
