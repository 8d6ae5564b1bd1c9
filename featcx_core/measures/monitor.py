"""A monitor of inputs: how far the inner spectrum of an input departs from those of clean inputs; and its peers.

An input's inner spectrum is that of a group of its noisy copies at a layer (featcx_core.measures.spectra). Peers: the
Mahalanobis detector on activations [Lee, Lee, Lee, Shin, *A simple unified framework for detecting out-of-distribution
samples and adversarial attacks*, NeurIPS 2018] and softmax confidence [Hendrycks, Gimpel, *A baseline for detecting
misclassified and out-of-distribution examples*, ICLR 2017]. Every score is larger for what is rather an attack.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64

from featcx_core.arrays import Array, as_tensors
from featcx_core.measures.spectra import Spectra

FALSE_ALARMS = 0.05
"""Share of clean inputs that a threshold lets be taken for attacks."""
_LEAST = 1e-30  # a singular value of 0 has no logarithm


class Reference(NamedTuple):
    """Clean values, by their means and a common covariance."""

    means: Float64[np.ndarray, "class feature"]
    """Statistics of each class that has clean inputs; a single row where classes do not count."""
    precision: Float64[np.ndarray, "feature feature"]
    """Inverse of the covariance within classes, shrunk by Ledoit and Wolf's rule unless that was not wanted."""
    shrinkage: float
    """Share of the covariance that is the scaled identity; 0 = none."""


class Alarm(NamedTuple):
    """A threshold of a score."""

    threshold: float
    """Scores above it raise an alarm."""
    false_alarms: float
    """Share of the clean inputs, on which it was set, that are above it."""
    n_clean: int
    """These inputs."""


def spectrum_features(spectra: Spectra) -> Float64[np.ndarray, "input feature"]:
    """Return the features of each spectrum: the logarithms of s1, of s2 and of the root of the others' part of Σ s².

    The shares follow from these three. Logarithms, because singular values differ by factors.

    >>> one = np.ones(1)
    >>> spectrum_features(Spectra(one, one, np.array([0.25]), np.array([0.25]), np.array([0.5]))).round(3).tolist()
    [[0.0, 0.0, 0.347]]
    """
    whole = np.divide(spectra.s1**2, spectra.first, out=np.zeros_like(spectra.s1), where=spectra.first > 0)
    others = np.sqrt(whole * np.nan_to_num(spectra.rest))
    values: np.ndarray = np.log(np.maximum(np.stack([spectra.s1, spectra.s2, others], axis=1), _LEAST))
    return values


def clean_reference(
    values: Float[Array, "input feature"],
    labels: Int[Array, "input"] | None = None,
    *,
    is_shrunk: bool = True,
) -> Reference:
    """Fit the means and the common covariance of clean values: of spectra, or of a layer's activations with labels.

    With labels, a mean a class and the covariance about these [Lee et al. 2018, eq. 1]. Features that never vary are
    without weight. Arithmetic in float64, on the CPU.

    Args:
        values: of clean inputs: `spectrum_features` of one layer, or of several side by side; or activations.
        labels: class of each input; None: one mean for all.
        is_shrunk: whether the covariance of the standardised features is shrunk [Ledoit, Wolf 2004]. Without, features
            must be fewer than inputs.

    Raises:
        ValueError: no more inputs than classes, NaN or infinity, labels of other inputs, or not shrunk with
            as many features as inputs.

    >>> reference = clean_reference(np.array([[0.0], [2.0]]), is_shrunk=False)
    >>> reference.means.tolist(), reference.precision.tolist()   # variance 1
    ([[1.0]], [[1.0]])
    """
    from sklearn.covariance import EmpiricalCovariance, LedoitWolf  # 1 s to import

    x, label = _checked(values, labels)
    classes, which = np.unique(label, return_inverse=True)
    n, n_features = x.shape
    if n <= len(classes) or n < 2:
        raise ValueError(f"wanted more clean inputs than their {max(1, len(classes))} classes, got {n}; try more")
    if not is_shrunk and n_features >= n:
        raise ValueError(f"wanted fewer features than the {n} clean inputs, got {n_features}; try is_shrunk=True")
    means = np.stack([x[which == number].mean(axis=0) for number in range(len(classes))])
    residuals = x - means[which]
    scale = residuals.std(axis=0)
    varies = scale > 1e-12 * np.maximum(1, np.abs(means).max(axis=0))
    inverse_scale = np.divide(1, scale, out=np.zeros_like(scale), where=varies)
    estimator = (LedoitWolf if is_shrunk else EmpiricalCovariance)(assume_centered=True)
    precision = np.zeros((n_features, n_features))
    if varies.any():
        estimator.fit((residuals * inverse_scale)[:, varies])
        precision[np.ix_(varies, varies)] = estimator.precision_
    weighted = inverse_scale[:, None] * precision * inverse_scale
    return Reference(means, weighted, float(getattr(estimator, "shrinkage_", 0.0)))


def mahalanobis(values: Float[Array, "input feature"], reference: Reference) -> Float64[np.ndarray, "input"]:
    """Return each input's distance to the nearest clean mean, `min over classes of √((x - μ_c)' Σ⁻¹ (x - μ_c))`.

    In standard deviations, at least 0; larger = rather an attack. Of clean inputs with one mean it is about
    √features.

    Raises:
        ValueError: other features than the reference's, or NaN or infinity.

    >>> mahalanobis(np.array([[4.0]]), Reference(np.array([[1.0], [2.0]]), np.array([[1.0]]), 0.0))
    array([2.])
    """
    x, _ = _checked(values, None)
    if x.shape[1] != len(reference.precision):
        raise ValueError(
            f"wanted {len(reference.precision)} features, as the clean inputs', got {x.shape[1]}; try the same layers"
        )
    nearest = np.full(len(x), math.inf)
    for mean in reference.means:
        away = x - mean
        nearest = np.minimum(nearest, np.einsum("if,if->i", away @ reference.precision, away))
    distance: np.ndarray = np.sqrt(nearest.clip(min=0))
    return distance


def doubt(logits: Float[Array, "input class"]) -> Float64[np.ndarray, "input"]:
    """Return one minus the softmax confidence, `1 - max_c p_c`: in [0, 1 - 1/classes], larger = rather an attack.

    Arithmetic in float64, so that confident networks keep an order.

    >>> doubt(torch.tensor([[0.0, 0.0], [0.0, 50.0]]))
    array([5.00000000e-01, 1.92874985e-22])
    """
    (tensor,), _ = as_tensors(logits)
    values = tensor.cpu().double()
    ranked = values.sort(dim=1, descending=True).values
    others = torch.exp(ranked[:, 1:] - ranked[:, :1]).sum(1)  # relative to the largest: 1 - p without cancellation
    share: np.ndarray = (others / (1 + others)).numpy()
    return share


def alarm(clean: Float[Array, "input"], *, false_alarms: float = FALSE_ALARMS) -> Alarm:
    """Return the threshold that a further clean input exceeds with at most the wanted probability.

    The k-th smallest of n clean scores, `k = ⌈(1 - false_alarms) · (n + 1)⌉`: of inputs like these, the next one is as
    likely at any place among them.

    Raises:
        ValueError: too few clean inputs for the share, a share outside (0, 1), or a score that is NaN.

    >>> alarm(np.arange(1.0, 20.0)).threshold   # 19 inputs are the fewest for 5 %
    19.0
    """
    if not 0 < false_alarms < 1:
        raise ValueError(f"wanted a share of false alarms between 0 and 1, got {false_alarms}; try 0.05")
    (tensor,), _ = as_tensors(clean)
    scores = tensor.cpu().double().numpy()
    if np.isnan(scores).any():
        raise ValueError(f"wanted scores that are numbers, got {int(np.isnan(scores).sum())} that are NaN")
    place = math.ceil((1 - false_alarms) * (len(scores) + 1) - 1e-9)
    if place > len(scores):
        least = math.ceil(1 / false_alarms - 1e-9) - 1
        raise ValueError(f"wanted at least {least} clean inputs for {false_alarms:.0%} false alarms, got {len(scores)}")
    threshold = float(np.sort(scores)[place - 1])
    return Alarm(threshold, float((scores > threshold).mean()), len(scores))


def _checked(
    values: Array, labels: Array | None
) -> tuple[Float64[np.ndarray, "input feature"], Int64[np.ndarray, "input"]]:
    tensors, _ = as_tensors(values, *([] if labels is None else [labels]))
    x = tensors[0].cpu().double().numpy()
    if n_wrong := int((~np.isfinite(x)).sum()):
        raise ValueError(f"wanted finite values, got {n_wrong} that are NaN or infinite; try leaving these inputs out")
    label = tensors[1].cpu().numpy().astype(np.int64) if labels is not None else np.zeros(len(x), dtype=np.int64)
    if len(label) != len(x):
        raise ValueError(f"wanted a label for each of {len(x)} inputs, got {len(label)}; try the same selection")
    return x, label
