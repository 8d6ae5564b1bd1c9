"""Share of the variance along a scikit-learn ridge reader, image by image, in float64."""

import numpy as np
from sklearn.linear_model import Ridge

from tests.references import v_information


def along(acts, direction):
    """Variance of the activations along a direction over the sum of all units' variances."""
    unit = direction / np.linalg.norm(direction)
    return np.var(np.array([image @ unit for image in acts])) / sum(np.var(acts[:, i]) for i in range(acts.shape[1]))


def share(acts_fit, code_fit, acts_score, code_score):
    """Mean over the readers that are fitted on either half, over the images of both."""
    both = np.concatenate([acts_fit, acts_score])
    shares = []
    for acts, code in ((acts_fit, code_fit), (acts_score, code_score)):
        alpha = v_information.best_alpha(acts, code)
        shares.append(along(both, Ridge(alpha=alpha, solver="svd").fit(acts, code).coef_))
    return np.mean(shares)
