"""Mean V-information of a group of concepts by layer, and its gain since the first layer.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, §4.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from featcx_core.measures.intervals import draw_counts, percentiles
from featcx_core.measures.over_images import redraw_information


class LayerInformation(NamedTuple):
    """Mean I_V in each layer; every sample draws the same concepts, or images, for all layers."""

    n_concepts: int
    """Concepts with a value in every layer."""
    v_information: Float[np.ndarray, "layer"]
    """Mean over these; 0 = not readable, 1 = fully readable; NaN where there are none."""
    low: Float[np.ndarray, "layer"]
    """2.5 % point over bootstrap samples of the concepts; NaN below two of them."""
    high: Float[np.ndarray, "layer"]
    """97.5 % point."""
    low_images: Float[np.ndarray, "layer"]
    """2.5 % point over resamples of the images."""
    high_images: Float[np.ndarray, "layer"]
    """97.5 % point."""
    gain: Float[np.ndarray, "layer"]
    """The mean minus that in the first layer."""
    gain_low: Float[np.ndarray, "layer"]
    """2.5 % point over bootstrap samples of the concepts."""
    gain_high: Float[np.ndarray, "layer"]
    """97.5 % point."""
    gain_low_images: Float[np.ndarray, "layer"]
    """2.5 % point over resamples of the images."""
    gain_high_images: Float[np.ndarray, "layer"]
    """97.5 % point."""


def layer_information(
    v_information: Float[np.ndarray, "layer concept"],
    jackknife: Float[np.ndarray, "layer concept group"],
    weights: Float[np.ndarray, "draw group"],
    *,
    first: int = 0,
    seed: int,
) -> LayerInformation:
    """Return the mean I_V of the concepts in each layer, with 95 % bootstrap intervals over concepts and over images.

    Args:
        v_information: Of each layer and concept, in [0, 1]; a concept with NaN in any layer is left out.
        jackknife: R² without each group of images, not clipped; with NaN a concept has no part in what is over images.
        weights: resamples of the images (`intervals.draw_groups`); as many of the concepts are drawn.
        first: the layer since which the gain is counted.
        seed: decides the samples of concepts.

    >>> information = np.array([[0.1, 0.3], [0.6, 0.8]])
    >>> found = layer_information(information, np.repeat(information[..., None], 2, axis=2), np.zeros((5, 2)), seed=0)
    >>> found.v_information.round(2).tolist(), found.gain.round(2).tolist()
    ([0.2, 0.7], [0.0, 0.5])
    """
    is_measured = ~np.isnan(v_information).any(axis=0)
    seen = is_measured & ~np.isnan(jackknife).any(axis=(0, 2))
    values, n = v_information[:, is_measured].T, int(is_measured.sum())
    n_draws, n_layers = len(weights), len(v_information)
    unknown = np.full((n_draws, n_layers), math.nan)
    means = values.mean(axis=0) if n else unknown[0]
    over_concepts = over_images = unknown
    if n > 1:
        over_concepts = draw_counts(n, n_bootstrap=n_draws, seed=seed) @ values / n
    if seen.any():
        layers = zip(v_information[:, seen], jackknife[:, seen], strict=True)
        over_images = np.stack([redraw_information(*layer, weights).mean(axis=1) for layer in layers], axis=1)
    ends = (percentiles(over_concepts), percentiles(over_images))
    gains = (percentiles(drawn - drawn[:, [first]]) for drawn in (over_concepts, over_images))
    (low, high), (low_images, high_images) = ends
    (gain_low, gain_high), (gain_low_images, gain_high_images) = gains
    return LayerInformation(
        n, means, low, high, low_images, high_images, means - means[first],
        gain_low, gain_high, gain_low_images, gain_high_images,
    )  # fmt: skip
