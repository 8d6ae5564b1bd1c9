"""Other images: what the measures of all concepts would have been, from stored values without each group of images.

A grouped bootstrap from the delete-a-group jackknife. With G groups, θ the value and θ_g that without group g, group g
pulls θ by about d_g = (G − 1)(mean θ − θ_g): its pseudo-value is θ + d_g [Tukey 1958; Efron & Tibshirani, *An
Introduction to the Bootstrap*, 1993, ch. 11]. A resample draws G groups with replacement and takes the mean of their
pseudo-values; around θ it is widened by √(G/(G−1)), so that its variance is the jackknife's. All concepts, layers and
epochs share the draws (`intervals.draw_groups`), as they share the images.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float

Redrawn: TypeAlias = Float[np.ndarray, "draw concept"]
"""A property of every concept in each resample of the images."""


def redraw(
    value: Float[np.ndarray, "concept"],
    left_out: Float[np.ndarray, "concept group"],
    weights: Float[np.ndarray, "draw group"],
) -> Redrawn:
    """A measure of each concept in each resample of the images: `θ + Σ_g weight_g (G−1)(mean θ − θ_g)`.

    Exact where the measure is a mean over images and the groups are of one size; to first order elsewhere.

    >>> redraw(np.array([2.0]), np.array([[1.0, 3.0]]), np.array([[0.0, 0.0], [-0.5, 0.5]]))
    array([[2.],
           [1.]])
    """
    pulls = (left_out.shape[1] - 1) * (left_out.mean(1, keepdims=True) - left_out)
    redrawn: np.ndarray = value + weights @ pulls.T
    return redrawn


def redraw_information(
    v_information: Float[np.ndarray, "concept"],
    jackknife: Float[np.ndarray, "concept group"],
    weights: Float[np.ndarray, "draw group"],
) -> Redrawn:
    """I_V in each resample, clipped to between 0 and 1 like I_V itself; NaN for a dead concept.

    jackknife: R² without each group of score images, not clipped. Where I_V was clipped, R² is taken to be its mean.
    """
    r2 = np.where(v_information > 0, v_information, np.minimum(jackknife.mean(1), 0))
    r2 = np.where(np.isnan(v_information), np.nan, r2)
    redrawn: np.ndarray = redraw(r2, jackknife.astype(np.float64), weights).clip(0, 1)
    return redrawn


def redraw_lack(
    v_information: Float[np.ndarray, "row concept"],
    jackknife: Float[np.ndarray, "row concept group"],
    weights: Float[np.ndarray, "draw group"],
) -> Redrawn:
    """1 − mean over rows of I_V in each resample: K where rows are layers, Λ where they are epochs."""
    lack = np.ones((len(weights), v_information.shape[1]))
    for information, left_out in zip(v_information, jackknife, strict=True):
        lack -= redraw_information(information, left_out, weights) / len(v_information)
    return lack
