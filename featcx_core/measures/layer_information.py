"""Mean V-information of a group of concepts by layer, and its gain since the first layer.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, §4.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from featcx_core.measures.intervals import mean_bands, t_interval
from featcx_core.measures.over_images import redraw_information


class LayerInformation(NamedTuple):
    """Mean I_V in each layer; every sample draws the same concepts, or images, for all layers."""

    n_concepts: int
    """Concepts with a value in every layer."""
    v_information: Float[np.ndarray, "layer"]
    """Mean over these; 0 = not readable, 1 = fully readable; NaN where there are none."""
    low: Float[np.ndarray, "layer"]
    """Lower end of the interval over concepts; NaN below two of them."""
    high: Float[np.ndarray, "layer"]
    """Upper end."""
    low_images: Float[np.ndarray, "layer"]
    """Lower end of the interval over images."""
    high_images: Float[np.ndarray, "layer"]
    """Upper end."""
    gain: Float[np.ndarray, "layer"]
    """The mean minus that in the first layer."""
    gain_low: Float[np.ndarray, "layer"]
    """Lower end of the interval over concepts."""
    gain_high: Float[np.ndarray, "layer"]
    """Upper end."""
    gain_low_images: Float[np.ndarray, "layer"]
    """Lower end of the interval over images."""
    gain_high_images: Float[np.ndarray, "layer"]
    """Upper end."""


def layer_information(
    v_information: Float[np.ndarray, "layer concept"],
    jackknife: Float[np.ndarray, "layer concept group"],
    weights: Float[np.ndarray, "draw group"],
    *,
    first: int = 0,
) -> LayerInformation:
    """Return the mean I_V of the concepts in each layer, with 95 % intervals over concepts and over images.

    Args:
        v_information: Of each layer and concept, in [0, 1]; a concept with NaN in any layer is left out.
        jackknife: R² without each group of images, not clipped; with NaN a concept has no part in what is over images.
        weights: resamples of the images (`intervals.draw_groups`).
        first: the layer since which the gain is counted.

    >>> information = np.array([[0.1, 0.3], [0.6, 0.8]])
    >>> found = layer_information(information, np.repeat(information[..., None], 2, axis=2), np.zeros((5, 2)))
    >>> found.v_information.round(2).tolist(), found.gain.round(2).tolist()
    ([0.2, 0.7], [0.0, 0.5])
    """
    is_measured = ~np.isnan(v_information).any(axis=0)
    seen = is_measured & ~np.isnan(jackknife).any(axis=(0, 2))
    values, n = v_information[:, is_measured].T, int(is_measured.sum())
    unknown = np.full(len(v_information), math.nan)
    if not n:
        return LayerInformation(n, *([unknown] * 10))
    means, low, high = mean_bands(values, within=(0.0, 1.0))
    gain, gain_low, gain_high = mean_bands(values - values[:, [first]], within=(-1.0, 1.0))
    images = gain_images = (unknown, unknown)
    if seen.any():
        layers = [
            redraw_information(*each, weights) for each in zip(v_information[:, seen], jackknife[:, seen], strict=True)
        ]
        drawn = np.stack([layer.draws.mean(axis=1) for layer in layers], axis=1)
        starts = np.stack([v_information[:, seen].mean(axis=1), [layer.unclipped.mean() for layer in layers]])
        groups = jackknife.shape[2]
        images = t_interval(starts, drawn, groups=groups, within=(0.0, 1.0))
        of_first = (each[:, [first]] for each in (starts, drawn))
        gain_images = t_interval(starts - next(of_first), drawn - next(of_first), groups=groups, within=(-1.0, 1.0))
    return LayerInformation(n, means, low, high, *images, gain, gain_low, gain_high, *gain_images)
