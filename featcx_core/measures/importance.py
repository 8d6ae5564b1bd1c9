"""Importance Γ of a concept: how much the predicted class's logit rests on it.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, §5.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int

from featcx_core.arrays import Array, as_tensors

_IMAGES_AT_ONCE = 1024


class Importance(NamedTuple):
    """How much the decisions rely on each concept."""

    importance: Float[Array, "concept"]
    """Γ = mean over images of |z_i · (D W)_{i,c(x)}|, in logits; higher = more relied on."""
    signed: Float[Array, "concept"]
    """The same without the absolute value; negative = inhibitor."""
    prevalence: Float[Array, "concept"]
    """Share of images with z_i > 0; it confounds K against Γ."""


def importance(
    codes: Float[Array, "image concept"],
    atoms: Float[Array, "concept unit"],
    head: Float[Array, "unit class"],
    *,
    predicted: Int[Array, "image"],
) -> Importance:
    """Importance Γ, its signed version and prevalence of each concept, in float64 (on MPS float32).

    `y = f_n(x) W ≈ z D W`, so `Γ(z_i) = mean over images of |z_i · (D W)_{i,c(x)}|`, c(x) the predicted class. In this
    linear head gradient x input, occlusion and integrated gradients all say the same.

    Raises:
        ValueError: no image, or predicted classes that the head does not have.

    >>> import numpy as np
    >>> codes, atoms, head = np.array([[2.0], [0.0]]), np.array([[1.0, 0.0]]), np.array([[-3.0, 1.0], [0.0, 5.0]])
    >>> [float(v[0]) for v in importance(codes, atoms, head, predicted=np.array([0, 1]))]
    [3.0, -3.0, 0.5]
    """
    (z, d, w, c), restore = as_tensors(codes, atoms, head, predicted)
    n_images, n_classes = len(z), w.shape[1]
    if n_images == 0:
        raise ValueError("wanted at least one image, got none; try a larger probe split")
    if c.min() < 0 or c.max() >= n_classes:
        raise ValueError(
            f"wanted predicted classes from 0 to {n_classes - 1}, got {int(c.min())} to {int(c.max())}; "
            "try the head's own predictions"
        )
    dtype = torch.promote_types(z.dtype, torch.float32)
    effects = (d.to(dtype) @ w.to(dtype)).T.contiguous()  # (class, concept): a row an image is gathered
    exact = torch.float32 if z.device.type == "mps" else torch.float64
    sums = torch.zeros(3, z.shape[1], dtype=exact, device=z.device)
    for start in range(0, n_images, _IMAGES_AT_ONCE):
        images = slice(start, start + _IMAGES_AT_ONCE)
        contribution = z[images] * effects[c[images].long()]
        sums[0] += contribution.abs().sum(0, dtype=exact)
        sums[1] += contribution.sum(0, dtype=exact)
        sums[2] += (z[images] > 0).sum(0)
    return Importance(*(restore(row) for row in sums / n_images))
