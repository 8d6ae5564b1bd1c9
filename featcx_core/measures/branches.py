"""CKA of a residual block's branches with concepts: where concepts travel [Fel et al., 2024, §3, App. J].

Linear CKA of a branch's activations X with one code z compares the kernels K = XX' and L = zz'. Kornblith et al.,
*Similarity of neural network representations revisited*, ICML 2019; Song et al., *Feature selection via dependence
maximization*, JMLR 2012, eq. 5 (unbiased HSIC).
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from featcx_core.arrays import Array
from featcx_core.features.by_group import GroupedSums, outside_each
from featcx_core.features.kernels import KernelSums
from featcx_core.features.moments import refuse_unequal

_IMAGES_AT_ONCE = 2048
_ROUNDING = 1e-9
"""An alignment of a kernel with itself below this share of its squared trace is rounding error."""
_CANCELLED = 1e-12
"""Differences of sums below this share of the sum over all images are rounding error: nothing varies."""


class ConceptCKA(NamedTuple):
    """Linear CKA of one branch with every concept, in float64; NaN where branch or code does not vary."""

    unbiased: Float[Array, "concept"]
    """1 = the branch is the code, 0 on average where they are unrelated; so values a little below 0 occur."""
    biased: Float[Array, "concept"]
    """In [0, 1]; above 0 for independent data, the more so the more units there are to an image."""
    as_printed: Float[Array, "concept"]
    """In [0, 1]; App. E of the paper, which is not linear CKA."""


def concept_cka(acts: Float[Array, "image unit"], codes: Float[Array, "image concept"]) -> ConceptCKA:
    """Return the linear CKA of one branch's activations with each concept's code; higher = they vary together.

    `HSIC(K, L) / sqrt(HSIC(K, K)·HSIC(L, L))`; see `concept_cka_of_sums`.

    Raises:
        ValueError: There are fewer than 4 images, both sides count different images, or values are NaN or infinite.

    Source: Kornblith et al. 2019; Song et al. 2012, eq. 5; Fel et al. 2024, App. E and J.

    >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0], [5.0]])
    >>> round(concept_cka(x, -2 * x + 1).unbiased.item(), 6)
    1.0
    """
    refuse_unequal(acts, codes)
    starts = range(0, len(acts), _IMAGES_AT_ONCE)
    chunks = ((acts[at : at + _IMAGES_AT_ONCE], codes[at : at + _IMAGES_AT_ONCE]) for at in starts)
    return concept_cka_of_sums(KernelSums.over(chunks))


def concept_cka_of_sums(sums: KernelSums) -> ConceptCKA:
    """Return `concept_cka` from sums, for more images than memory holds.

    With centred X and z, v = X'z, C = X'X, and the kernels' diagonals k and l:
    unbiased `HSIC(K, L) = |v|² + Σk·Σl / ((n-1)(n-2)) - n/(n-2) · k'l`, up to a factor that cancels;
    biased `HSIC(K, L) = |v|²`; as printed `||KL||² / (||KK||·||LL||) = v'Cv / (||CC||·z'z)`.

    Raises:
        ValueError: There are fewer than 4 images.
    """
    second = sums.centred()
    k, l, c, v = second.xx.trace(), second.zz, second.xx, second.xz  # noqa: E741 - the papers' letters
    unbiased, aligned, varies = _unbiased(sums), v.square().sum(0), (l > 0) & (k > 0)
    results = (
        unbiased,
        aligned / (c.square().sum().sqrt() * l),
        (v * (c @ v)).sum(0) / ((c @ c).square().sum().sqrt() * l),
    )
    return ConceptCKA(*(sums.restore(torch.where(varies, result, math.nan)) for result in results))


def concept_cka_without_each(
    fit: GroupedSums[KernelSums], score: GroupedSums[KernelSums]
) -> Float[Tensor, "concept group"]:
    """Return the unbiased CKA of one branch with every concept without each group of images, for the jackknife.

    NaN where branch or code does not vary on the remaining images.

    Raises:
        ValueError: Fewer than 4 images remain.
    """
    whole = fit.whole.merge(score.whole)
    floor = (_CANCELLED * whole.xx.trace(), _CANCELLED * whole.zz)
    return torch.stack([_unbiased(rest, floor=floor) for rest in outside_each(fit, score)], dim=1)


def _unbiased(
    sums: KernelSums, *, floor: tuple[Tensor | float, Tensor | float] = (0.0, 0.0)
) -> Float[Tensor, "concept"]:
    """Return the unbiased CKA; NaN where the squares of centred activations or codes sum to no more than the floor."""
    n = sums.n
    if n < 4:
        raise ValueError(f"wanted at least 4 images for CKA, got {n}; try a larger probe split")
    second, higher = sums.centred(), sums.diagonals()
    k, l, c, v = second.xx.trace(), second.zz, second.xx, second.xz  # noqa: E741 - the papers' letters

    def unbiased(square: Tensor, traces: Tensor, diagonals: Tensor) -> Tensor:
        return square + traces / ((n - 1) * (n - 2)) - n / (n - 2) * diagonals

    def scale(hsic: Tensor, trace: Tensor) -> Tensor:
        return torch.where(hsic > _ROUNDING * trace.square(), hsic, math.nan).sqrt()

    cross = unbiased(v.square().sum(0), k * l, higher.qzz)
    scale_acts = scale(unbiased(c.square().sum(), k.square(), higher.qq), k)
    scale_codes = scale(unbiased(l.square(), l.square(), higher.zzzz), l)
    return torch.where((k > floor[0]) & (l > floor[1]), cross / (scale_acts * scale_codes), math.nan)
