"""Measures that weigh directions by their strength, from decomposed layers: linear CKA and orthogonal Procrustes.

Kornblith et al., *Similarity of neural network representations revisited*, ICML 2019 (CKA); Song et al., *Feature
selection via dependence maximization*, JMLR 2012, eq. 5 (unbiased HSIC); Williams et al., *Generalized shape metrics on
neural representations*, NeurIPS 2021 (Procrustes).
"""

import math
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from featcx_core.measures.decomposed import Decomposed
from featcx_core.measures.layer_pair import Pair


def cka(pair: Pair, *, unbiased: bool = True) -> float:
    """Return linear CKA, `HSIC(K, L) / sqrt(HSIC(K, K)·HSIC(L, L))`; see `similarity.linear_cka`.

    Raises:
        ValueError: fewer than 4 images, or within classes fewer than 4 images of a class.
    """
    _refuse_few_images(pair.x)
    scale = _norm(pair.x, unbiased=unbiased) * _norm(pair.y, unbiased=unbiased)
    return ratio(hsic(pair, unbiased=unbiased), scale)


def cka_as_printed(pair: Pair) -> float:
    """Return `||KL||² / (||KK||·||LL||)`, which is not linear CKA; see `similarity.linear_cka`."""
    _refuse_few_images(pair.x)
    x, y = pair.x.strengths, pair.y.strengths
    scale = float(x.pow(8).sum().sqrt() * y.pow(8).sum().sqrt())
    return ratio(float((x[:, None] * pair.cross * y).square().sum()), scale)


def procrustes(pair: Pair) -> float:
    """Return `||X'Y||_* / (||X||_F ||Y||_F)`; see `similarity.procrustes`."""
    scale = float(torch.linalg.vector_norm(pair.x.strengths) * torch.linalg.vector_norm(pair.y.strengths))
    return ratio(float(torch.linalg.svdvals(pair.cross).sum()), scale)


def hsic(pair: Pair, *, unbiased: bool) -> float:
    """Return the HSIC of linear kernels on centred data, up to the factor that cancels in CKA.

    Biased: `||X'Y||²`. The unbiased one replaces the part of every class c of m images (of all images, where there are
    no classes), `||X_c'Y_c||²`, by `(m-1)²/(m(m-3))` times the bracket of Song et al.,
    `tr(K̃L̃) + 1'K̃1·1'L̃1 / ((m-1)(m-2)) - 2·1'K̃L̃1 / (m-2)`, K̃ = K without its diagonal k. On centred data K̃1 = -k, so
    everything follows from `||X_c'Y_c||²` and the diagonals. Products of two different classes have no bias.
    """
    total = float(pair.cross.square().sum())
    return total + _correction(pair, total) if unbiased else total


def ratio(value: float, scale: float) -> float:
    """Return the quotient; NaN where a side is constant."""
    return value / scale if scale > 0 else math.nan


def _norm(side: Decomposed, *, unbiased: bool) -> float:
    """Return the square root of HSIC(K, K), and keep it for the layer's next comparison."""
    return side.once(("hsic", unbiased), partial(_norm_anew, side, unbiased=unbiased))


def _norm_anew(side: Decomposed, *, unbiased: bool) -> float:
    total = float(side.strengths.pow(4).sum())
    value = total + _correction(Pair(side, side), total) if unbiased else total
    return math.sqrt(max(value, 0.0))


def _correction(pair: Pair, total: float) -> float:
    k, l = pair.x.energies, pair.y.energies  # noqa: E741 - the papers' letters
    if pair.order is not None:
        l = l[pair.order]  # noqa: E741
    # images are permuted within their classes, so that the sums of either side stay
    (m, k_sums), (_, l_sums) = (side.once("sums", partial(_class_sums, side)) for side in (pair.x, pair.y))
    if pair.x.classes is None:
        block, kl_sums = torch.full_like(m, total), (k @ l)[None]
    else:
        block, kl_sums = pair.squared_by_class, torch.zeros_like(m).index_add(0, pair.x.classes, k * l)
    sums = k_sums * l_sums / ((m - 1) * (m - 2)) - m / (m - 2) * kl_sums
    return float(((m - 1) ** 2 / (m * (m - 3)) * (block + sums) - block).sum())


def _class_sums(side: Decomposed) -> tuple[Float[Tensor, "class"], Float[Tensor, "class"]]:
    """Return the number of images of each class, and the sum of their energies."""
    k = side.energies
    classes = torch.zeros_like(k, dtype=torch.int64) if side.classes is None else side.classes
    none = torch.zeros(len(side.members), dtype=k.dtype, device=k.device)
    return none.index_add(0, classes, torch.ones_like(k)), none.index_add(0, classes, k)


def _refuse_few_images(side: Decomposed) -> None:
    if side.classes is None and side.n_images < 4:
        raise ValueError(f"wanted at least 4 images for CKA, got {side.n_images}; try a larger probe split")
    if side.classes is not None:
        sizes = torch.bincount(side.classes)
        if int(sizes.min()) < 4:
            raise ValueError(
                f"wanted at least 4 images of every class for CKA within classes, got {int(sizes.min())} of class "
                f"number {int(sizes.argmin())}; try more probe images, or without labels"
            )
