"""Mean spectra over classes without each group of images, for intervals over images of any difference of them."""

import numpy as np
from jaxtyping import Bool, Float64, Int


def class_mean_weights(
    class_of: Int[np.ndarray, "image"], is_counted: Bool[np.ndarray, "image"]
) -> Float64[np.ndarray, "image"]:
    """Return the weight of each image in the mean over classes of the classes' means; 0 for what does not count.

    >>> class_mean_weights(np.array([0, 0, 1]), np.array([True, True, True])).tolist()
    [0.25, 0.25, 0.5]
    """
    counts = np.bincount(class_of, weights=is_counted)
    n_classes = np.count_nonzero(counts)
    each = np.divide(1, counts, out=np.zeros_like(counts), where=counts > 0)
    weights: np.ndarray = np.where(is_counted, each[class_of], 0.0) / max(n_classes, 1)
    return weights


def left_out_means(
    values: Float64[np.ndarray, "row image"], class_of: Int[np.ndarray, "image"], *, groups: int
) -> Float64[np.ndarray, "row group"]:
    """Return the mean over classes of each row's values without each group of images: image i is in group i modulo G.

    Images without a value (NaN) count for nothing; NaN where no image of a row is left.

    Raises:
        ValueError: fewer than two groups, or fewer images than groups.

    >>> left_out_means(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([0, 0, 1, 1]), groups=2).tolist()
    [[3.0, 2.0]]
    """
    n = len(class_of)
    if groups < 2 or n < groups:
        raise ValueError(
            f"wanted at least 2 groups and as many images, got {groups} groups and {n} images; try groups=5"
        )
    member = np.arange(n) % groups
    result = np.full((len(values), groups), np.nan)
    is_there = ~np.isnan(values)
    filled = np.where(is_there, values, 0.0)
    patterns, which = np.unique(is_there, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        rows = which.ravel() == number
        weights = np.stack([class_mean_weights(class_of, pattern & (member != group)) for group in range(groups)])
        means = filled[rows] @ weights.T
        means[:, ~weights.any(axis=1)] = np.nan
        result[rows] = means
    return result
