"""Redundancy of a concept: how well the penultimate layer still follows it when units are masked.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, App. E.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featcx_core.arrays import Array, as_tensors

_MASKS_AT_ONCE = 128


class Redundancy(NamedTuple):
    """CKA of the unmasked units with each concept, relative to that of all units."""

    redundancy: Float[Array, "concept"]
    """Mean over masks of CKA(masked, z) / CKA(whole, z); higher = spread over more units. May exceed 1: masking a unit
    that has nothing to do with the concept raises CKA. NaN where CKA(whole, z) is 0 or not defined."""
    standard_deviation: Float[Array, "concept"]
    """Population standard deviation of that ratio over masks; higher = in fewer units."""
    as_printed: Float[Array, "concept"]
    """Mean over masks of the same ratio of App. E's `||K_F K_z||² / (||K_F²||·||K_z²||)`, which is not CKA."""


def redundancy(
    acts_gram: Float[Array, "unit unit"],
    cross: Float[Array, "unit concept"],
    *,
    masked_fraction: float,
    n_masks: int = 20,
    seed: int,
) -> Redundancy:
    """Return the redundancy of every concept, `mean over masks m of CKA(F∘m, z) / CKA(F, z)`, from sums alone.

    With F and z centred over the images, G = F'F and C = F'z, the biased linear CKA that the paper's ratio implies is
    `Σ_u C_u² / (√(Σ_uv G_uv²) · z'z)`. A mask selects the same units in both sums, and z'z cancels in the ratio:

        redundancy = mean over m of  (m · C²) / √(m' (G∘G) m)  ÷  (Σ_u C_u² / √(Σ_uv G_uv²))

    All masks and concepts are two matrix products, without any image. A mask whose units never vary counts 0.
    Arithmetic in float64 (float32 on MPS).

    The mean tells little: m · C² is linear in the mask, so its expectation is the same share of Σ C² for a concept of
    one unit and for one that is spread over all. Concepts differ in the mean only as far as C² correlates with a mask's
    √(m' (G∘G) m). The deviation over masks tells them apart: it is large for a concept of one unit and 0 for one that
    is spread evenly. The paper's formula for CKA, `z'F F'F F'z = C'G C` over `||G²|| (z'z)²`, is quadratic in the mask
    and separates concepts more; it is returned as `as_printed`.

    Args:
        acts_gram: G, (unit, unit), of the centred activations of the dictionary's layer.
        cross: C, (unit, concept), of these activations and the centred codes.
        masked_fraction: Share of units that are removed, in [0, 1); round(share · units), at least one unit stays.
        n_masks: Number of random masks.
        seed: Decides the masks. They are nested: a larger share removes further units, so levels can be compared.

    Raises:
        ValueError: The share lies outside [0, 1), or there is no mask.

    Source: Fel et al. 2024, App. E.

    >>> import numpy as np
    >>> gram, cross = np.diag([1.0, 1.0]), np.array([[2.0], [2.0]])   # two independent units, equally related to it
    >>> redundancy(gram, cross, masked_fraction=0.5, seed=0).redundancy.round(3)   # half of C², 1/√2 of G
    array([0.707])
    """
    (g, c), restore = as_tensors(acts_gram, cross)
    kept = torch.from_numpy(masks(len(g), masked_fraction=masked_fraction, n_masks=n_masks, seed=seed))
    g, c = _in_precision(g), _in_precision(c)
    ratios = _ratios(g, c, kept)
    scores = (ratios.mean(0), ratios.std(0, correction=0), _mean_as_printed(g, c, kept))
    return Redundancy(*(restore(score.masked_fill(ratios.isnan().any(0), torch.nan)) for score in scores))


def masks(n_units: int, *, masked_fraction: float, n_masks: int, seed: int) -> Bool[np.ndarray, "mask unit"]:
    """Draw masks, true for the units that stay: the last ones of a random order of all units.

    Raises:
        ValueError: The share lies outside [0, 1), or there is no mask.

    >>> masks(4, masked_fraction=0.5, n_masks=2, seed=0).sum(axis=1).tolist()
    [2, 2]
    """
    if not 0 <= masked_fraction < 1:
        raise ValueError(f"wanted a masked share of at least 0 and below 1, got {masked_fraction}; try 0.5")
    if n_masks < 1:
        raise ValueError(f"wanted at least one mask, got {n_masks}; try 20")
    removed = min(round(masked_fraction * n_units), n_units - 1)
    ranks = np.random.default_rng(seed).random((n_masks, n_units)).argsort(1).argsort(1)
    return np.asarray(ranks >= removed)


def _in_precision(sums: Tensor) -> Tensor:
    return sums.to(torch.float32 if sums.device.type == "mps" else torch.float64)


def _ratios(
    gram: Float[Tensor, "unit unit"], cross: Float[Tensor, "unit concept"], kept: Bool[Tensor, "mask unit"]
) -> Float[Tensor, "mask concept"]:
    """Return CKA of the kept units over CKA of all, by mask; NaN where the latter is 0 or not defined."""
    g2, c2 = gram.square(), cross.square()
    whole = c2.sum(0) / g2.sum().sqrt()
    masked = torch.cat([_cka(part.to(g2), g2, c2) for part in torch.split(kept, _MASKS_AT_ONCE)])
    return (masked / whole).masked_fill(~(whole > 0), torch.nan)


def _cka(kept: Float[Tensor, "mask unit"], g2: Tensor, c2: Tensor) -> Float[Tensor, "mask concept"]:
    """Return the biased linear CKA of the kept units, times z'z; 0 where they never vary."""
    norm = ((kept @ g2) * kept).sum(1, keepdim=True).sqrt()
    return torch.where(norm > 0, kept @ c2 / norm, 0.0)


def _mean_as_printed(
    gram: Float[Tensor, "unit unit"], cross: Float[Tensor, "unit concept"], kept: Bool[Tensor, "mask unit"]
) -> Float[Tensor, "concept"]:
    """Return the mean over masks of App. E's `C'G C / ||G²||` of the kept units, over that of all units.

    Where a mask removes fewer units, and less variance, than it keeps, the removed units' share is subtracted from the
    sums over all units, which is less work. A mask whose kept units never vary counts 0.
    """
    product, square, variance = gram @ cross, gram @ gram, gram.diagonal()
    whole = (cross * product).sum(0)
    total = torch.zeros_like(whole)
    for mask in kept.to(gram.device):
        is_more = bool((2 * mask.sum() > len(mask)) & (2 * variance[mask].sum() > variance.sum()))
        few = ~mask if is_more else mask
        c, g = cross[few], gram[few]
        part = (c * (g[:, few] @ c)).sum(0)
        if is_more:
            part = (whole - 2 * (c * product[few]).sum(0) + part).clamp(min=0)
            norm = torch.linalg.matrix_norm(square[mask][:, mask] - g[:, mask].T @ g[:, mask])
        else:
            norm = torch.linalg.matrix_norm(g[:, few] @ g[:, few])
        total += torch.where(norm > 0, part / norm, 0.0)
    of_all: Tensor = whole / torch.linalg.matrix_norm(square)
    return total / len(kept) / of_all
