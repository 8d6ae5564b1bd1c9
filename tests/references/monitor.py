"""Mahalanobis distances with inverse matrices, input by input."""

import numpy as np


def distances(clean, labels, values):
    """To the nearest class mean, by the population covariance within classes."""
    means = {c: clean[labels == c].mean(axis=0) for c in sorted(set(labels.tolist()))}
    covariance = np.zeros((clean.shape[1], clean.shape[1]))
    for row, label in zip(clean, labels.tolist(), strict=True):
        covariance += np.outer(row - means[label], row - means[label]) / len(clean)
    inverse = np.linalg.inv(covariance)
    return [min(np.sqrt((x - mean) @ inverse @ (x - mean)) for mean in means.values()) for x in values]
