"""Measures that weigh directions by their strength, from decomposed layers: linear CKA and orthogonal Procrustes.

Kornblith et al., *Similarity of neural network representations revisited*, ICML 2019 (CKA); Song et al., *Feature
selection via dependence maximization*, JMLR 2012, eq. 5 (unbiased HSIC); Williams et al., *Generalized shape metrics on
neural representations*, NeurIPS 2021 (Procrustes).
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featcx_core.measures.decomposed import Decomposed
from featcx_core.measures.layer_pair import Pair


def cka(pair: Pair, *, unbiased: bool = True) -> float:
    """Linear CKA `HSIC(K, L) / sqrt(HSIC(K, K)·HSIC(L, L))`; see `similarity.linear_cka`.

    Raises:
        ValueError: fewer than 4 images, or within classes fewer than 4 images of a class.
    """
    _refuse_few_images(pair.x)
    scale = _norm(pair.x, unbiased=unbiased) * _norm(pair.y, unbiased=unbiased)
    return ratio(hsic(pair, unbiased=unbiased), scale)


def cka_as_printed(pair: Pair) -> float:
    """`||KL||² / (||KK||·||LL||)`, which is not linear CKA; see `similarity.linear_cka`."""
    _refuse_few_images(pair.x)
    x, y = pair.x.strengths, pair.y.strengths
    scale = float(x.pow(8).sum().sqrt() * y.pow(8).sum().sqrt())
    return ratio(float((x[:, None] * pair.cross * y).square().sum()), scale)


def procrustes(pair: Pair) -> float:
    """`||X'Y||_* / (||X||_F ||Y||_F)`; see `similarity.procrustes`."""
    scale = float(torch.linalg.vector_norm(pair.x.strengths) * torch.linalg.vector_norm(pair.y.strengths))
    return ratio(float(torch.linalg.svdvals(pair.cross).sum()), scale)


def hsic(pair: Pair, *, unbiased: bool) -> float:
    """HSIC of linear kernels on centred data, up to the factor that cancels in CKA.

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
    """Square root of HSIC(K, K), which is kept for the layer's next comparison."""

    def work() -> float:
        total = float(side.strengths.pow(4).sum())
        value = total + _correction(Pair(side, side), total) if unbiased else total
        return math.sqrt(max(value, 0.0))

    return side.once(("hsic", unbiased), work)


def _correction(pair: Pair, total: float) -> float:
    k, l = pair.x.energies, pair.y.energies  # noqa: E741 - the papers' letters
    if pair.order is not None:
        l = l[pair.order]  # noqa: E741
    correction = 0.0
    for members in pair.x.members:
        block = total if pair.x.classes is None else _squared_cross(pair, members)
        k_class, l_class = k[members], l[members]
        m = len(k_class)
        sums = float(k_class.sum() * l_class.sum()) / ((m - 1) * (m - 2)) - m / (m - 2) * float(k_class @ l_class)
        correction += (m - 1) ** 2 / (m * (m - 3)) * (block + sums) - block
    return correction


def _squared_cross(pair: Pair, members: Int[Tensor, "member"]) -> float:
    """||X_c'Y_c||² of the images of a class, by the smaller of X_c'Y_c and the kernels."""
    x = _rows(pair.x, members)
    y = _rows(pair.y, members if pair.order is None else pair.order[members])
    if x.shape[1] * y.shape[1] <= len(x) ** 2:
        return float((x.T @ y).square().sum())
    return float(((x @ x.T) * (y @ y.T)).sum())


def _rows(side: Decomposed, members: Int[Tensor, "member"]) -> Float[Tensor, "member direction"]:
    return side.scores[members] * side.strengths


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
