"""Importance Γ of a concept: its part in the logit of the predicted class.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, §5.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featcx_core.arrays import Array, as_tensors

Decided: TypeAlias = Iterable[tuple[Array, Array, Array]]
"""Chunks of images: codes (image, concept), predicted class of each image, and its group."""

_IMAGES_AT_ONCE = 1024


class Importance(NamedTuple):
    """Importance of each concept, with its sign and its prevalence."""

    importance: Float[Array, "concept"]
    """Γ = mean over images of |z_i · (D W)_{i,c(x)}|, in logits; higher = more relied on."""
    signed: Float[Array, "concept"]
    """The same without the absolute value; negative = inhibitor."""
    prevalence: Float[Array, "concept"]
    """Share of images with z_i > 0; it confounds K against Γ."""
    jackknife: Float[Array, "concept group"]
    """Γ without each group of images."""
    when_active: Float[Array, "concept"]
    """Γ over the images on which the concept is active, Γ / prevalence; NaN for a concept that never is."""
    when_active_jackknife: Float[Array, "concept group"]
    """The same without each group; NaN where the concept is active in that group alone."""


def importance(
    codes: Float[Array, "image concept"],
    atoms: Float[Array, "concept unit"],
    head: Float[Array, "unit class"],
    *,
    predicted: Int[Array, "image"],
    groups: int = 20,
) -> Importance:
    """Return importance Γ, its signed version and the prevalence of each concept, in float64 (on MPS float32).

    `y = f_n(x) W ≈ z D W`, so `Γ(z_i) = mean over images of |z_i · (D W)_{i,c(x)}|`, c(x) the predicted class. In this
    linear head gradient x input, occlusion and integrated gradients are all equal. Group g of the jackknife holds the
    images g, g + groups, g + 2·groups, …

    Args:
        codes: z, (image, concept).
        atoms: D, (concept, unit).
        head: W, (unit, class).
        predicted: Predicted class of each image.
        groups: Number of groups of images.

    Raises:
        ValueError: There is no image, or a predicted class is not one of the head's.

    Source: Fel et al. 2024, §5.

    >>> import numpy as np
    >>> codes, atoms, head = np.array([[2.0], [0.0]]), np.array([[1.0, 0.0]]), np.array([[-3.0, 1.0], [0.0, 5.0]])
    >>> [float(v[0]) for v in importance(codes, atoms, head, predicted=np.array([0, 1]))[:3]]
    [3.0, -3.0, 0.5]
    """
    (z, c), _ = as_tensors(codes, predicted)
    group = torch.arange(len(z), device=z.device) % groups
    rows = (slice(start, start + _IMAGES_AT_ONCE) for start in range(0, len(z), _IMAGES_AT_ONCE))
    chunks = ((z[images], c[images], group[images]) for images in rows)
    _, restore = as_tensors(codes)
    return Importance(*(restore(row) for row in importance_streamed(chunks, atoms, head, groups=groups)))


def importance_streamed(
    chunks: Decided, atoms: Float[Array, "concept unit"], head: Float[Array, "unit class"], *, groups: int = 20
) -> Importance:
    """Return `importance` for more images than memory holds, in one pass over chunks that name each image's group."""
    sums: Tensor | None = None
    counts = torch.zeros(groups)
    for codes, predicted, group in chunks:
        (z, d, w, c, g), _ = as_tensors(codes, atoms, head, predicted, group)
        exact = torch.float32 if z.device.type == "mps" else torch.float64
        if sums is None:
            dtype = torch.promote_types(z.dtype, torch.float32)
            effects = (d.to(dtype) @ w.to(dtype)).T.contiguous()  # (class, concept): a row an image is gathered
            sums = torch.zeros(3, groups, z.shape[1], dtype=exact, device=z.device)
            counts = counts.to(sums)
        if len(c) and (c.min() < 0 or c.max() >= len(effects)):
            raise ValueError(
                f"wanted predicted classes from 0 to {len(effects) - 1}, got {int(c.min())} to {int(c.max())}; "
                "try the head's own predictions"
            )
        contribution = (z * effects[c.long()]).to(exact)
        # a product with zeros and ones sums in a fixed order on every device; scattered additions do not
        member = (g[None] == torch.arange(groups, device=g.device)[:, None]).to(exact)
        sums += torch.stack([member @ part for part in (contribution.abs(), contribution, (z > 0).to(exact))])
        counts += member.sum(1)
    if sums is None or not counts.any():
        raise ValueError("wanted at least one image, got none; try a larger probe split")
    total, n = sums.sum(1), counts.sum()
    without_group = (total[0] - sums[0]) / (n - counts)[:, None]
    gamma, signed, prevalence = total / n
    when_active, left_active = total[0] / total[2], (total[0] - sums[0]) / (total[2] - sums[2])  # 0/0 is NaN
    return Importance(gamma, signed, prevalence, without_group.T.contiguous(), when_active, left_active.T.contiguous())
