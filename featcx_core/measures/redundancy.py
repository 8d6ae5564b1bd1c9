"""Redundancy of a concept: how much of it is left when units of the penultimate layer are masked.

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
    """How much of each concept the units that are left still tell."""

    redundancy: Float[Array, "concept"]
    """Mean over masks of CKA(masked, z) / CKA(whole, z); higher = spread over more units. May exceed 1: masking a unit
    that has nothing to do with the concept raises CKA. NaN where CKA(whole, z) is 0 or not defined."""
    standard_deviation: Float[Array, "concept"]
    """Of the same over the masks (population); higher = in fewer units."""
    as_printed: Float[Array, "concept"]
    """Mean over masks of the ratio of what App. E prints, `||K_F K_z||² / (||K_F²||·||K_z²||)`, which is not CKA."""


def redundancy(
    acts_gram: Float[Array, "unit unit"],
    cross: Float[Array, "unit concept"],
    *,
    masked_fraction: float,
    n_masks: int = 20,
    seed: int,
) -> Redundancy:
    """Redundancy of every concept, `mean over masks m of CKA(F∘m, z) / CKA(F, z)`, from sums alone.

    With F and z centred over the images, G = F'F and C = F'z, the biased linear CKA that the paper's ratio implies is
    `Σ_u C_u² / (√(Σ_uv G_uv²) · z'z)`. A mask picks the same units from both sums, and z'z cancels in the ratio:

        redundancy = mean over m of  (m · C²) / √(m' (G∘G) m)  ÷  (Σ_u C_u² / √(Σ_uv G_uv²))

    All masks and concepts are two matrix products, images do not occur. Where the units that are left never vary
    nothing is left, and the mask counts 0. Arithmetic in float64 (float32 on MPS).

    What the mean can say is little: m · C² is linear in the mask, so its expectation is the same share of Σ C² for a
    concept of one unit and for one that is spread over all, and concepts differ in the mean only as far as C² goes
    with a mask's √(m' (G∘G) m). What tells them apart is the deviation over masks: all or nothing for a concept of
    one unit, nothing for one that is spread evenly. What the paper prints for CKA, `z'F F'F F'z = C'G C` over
    `||G²|| (z'z)²`, is quadratic in the mask and tells more of them apart; it comes along as `as_printed`.

    Args:
        acts_gram: G, (unit, unit), of centred activations of the layer that the dictionary is made of.
        cross: C, (unit, concept), of the same and the centred codes.
        masked_fraction: share of units that are removed, in [0, 1); round(share · units), at least one unit stays.
        n_masks: random masks.
        seed: decides them. Masks are nested: a larger share removes further units, so levels can be compared.

    Raises:
        ValueError: a share outside [0, 1), or no mask.

    >>> import numpy as np
    >>> gram, cross = np.diag([1.0, 1.0]), np.array([[2.0], [2.0]])   # two independent units tell the same of it
    >>> redundancy(gram, cross, masked_fraction=0.5, seed=0).redundancy.round(3)   # half of C², 1/√2 of G
    array([0.707])
    """
    (g, c), restore = as_tensors(acts_gram, cross)
    kept = torch.from_numpy(masks(len(g), masked_fraction=masked_fraction, n_masks=n_masks, seed=seed))
    g, c = _in_precision(g), _in_precision(c)
    ratios = _ratios(g, c, kept)
    found = (ratios.mean(0), ratios.std(0, correction=0), _mean_as_printed(g, c, kept))
    return Redundancy(*(restore(part.masked_fill(ratios.isnan().any(0), torch.nan)) for part in found))


def masks(n_units: int, *, masked_fraction: float, n_masks: int, seed: int) -> Bool[np.ndarray, "mask unit"]:
    """Which units stay, in each of some seeded masks: the last ones of a random order of all units.

    Raises:
        ValueError: a share outside [0, 1), or no mask.
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
    """CKA of the units that each mask leaves over CKA of all; NaN where that is 0 or not defined."""
    g2, c2 = gram.square(), cross.square()
    whole = c2.sum(0) / g2.sum().sqrt()
    left = torch.cat([_cka(part.to(g2), g2, c2) for part in torch.split(kept, _MASKS_AT_ONCE)])
    return (left / whole).masked_fill(~(whole > 0), torch.nan)


def _cka(kept: Float[Tensor, "mask unit"], g2: Tensor, c2: Tensor) -> Float[Tensor, "mask concept"]:
    """Biased linear CKA of the units that a mask leaves, times z'z; 0 where they never vary."""
    norm = ((kept @ g2) * kept).sum(1, keepdim=True).sqrt()
    return torch.where(norm > 0, kept @ c2 / norm, 0.0)


def _mean_as_printed(
    gram: Float[Tensor, "unit unit"], cross: Float[Tensor, "unit concept"], kept: Bool[Tensor, "mask unit"]
) -> Float[Tensor, "concept"]:
    """The mean over masks of what App. E prints, `C'G C / ||G²||`, of the units that each leaves, over that of all.

    Where a mask removes fewer units, and less variance, than it leaves, what they had a part in is taken off the sums
    over all units, which is less work. Where the units that are left never vary a mask counts 0.
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
