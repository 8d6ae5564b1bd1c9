"""Similarity of two representations of the same images, blind to rotations (CKA) or to all linear maps (CCA).

Kornblith et al., *Similarity of neural network representations revisited*, ICML 2019 (CKA); Song et al., *Feature
selection via dependence maximization*, JMLR 2012, eq. 5 (unbiased HSIC); Raghu et al., *SVCCA*, NIPS 2017; Morcos,
Raghu, Bengio, *Insights on representational similarity with canonical correlation*, NIPS 2018 (PWCCA).
"""

import math
import warnings
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.moments import refuse_non_finite


def linear_cka(
    x: Float[Array, "image unit_x"], y: Float[Array, "image unit_y"], *, unbiased: bool = True, as_printed: bool = False
) -> float:
    """Linear CKA of two representations: 1 = the same up to rotation and scale, 0 = unrelated.

    `HSIC(K, L) / sqrt(HSIC(K, K)·HSIC(L, L))`, K = xx', L = yy', centred. The unbiased HSIC averages 0 on independent
    data, so values a little below 0 occur; the biased one, `||x'y||²`, does not (0.33 for 256 independent units and
    512 images). `as_printed`: `||KL||² / (||KK||·||LL||)`, App. E of Fel et al. 2024, which is not linear CKA; it
    comes without the correction. NaN where a side is constant. Arithmetic in float64 (float32 on MPS).

    Raises:
        ValueError: fewer than 4 images, different images, NaN or infinity.

    >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0], [5.0]])
    >>> round(linear_cka(x, -2 * x + 1), 6)
    1.0
    """
    a, b = _centred(x, y)
    if len(a) < 4:
        raise ValueError(f"wanted at least 4 images for CKA, got {len(a)}; try a larger probe split")
    if as_printed:
        products = [_product_of_gram_products(*pair) for pair in ((a, b), (a, a), (b, b))]
        return _ratio(products[0], math.sqrt(products[1] * products[2]))
    xy, xx, yy = (_hsic(*pair, unbiased=unbiased) for pair in ((a, b), (a, a), (b, b)))
    return _ratio(xy, math.sqrt(max(xx, 0.0) * max(yy, 0.0)))


def svcca(
    x: Float[Array, "image unit_x"], y: Float[Array, "image unit_y"], *, threshold: float = 0.99, squared: bool = False
) -> float:
    """Mean canonical correlation of the leading singular directions: 1 = the same subspace, 0 = unrelated.

    On each side the fewest directions with `Σ s_i >= threshold · Σ s` are kept (`squared`: of s², the variance);
    `threshold=1.0` keeps all and gives mean CCA. Independent data score about sqrt(units/images), not 0: compare
    with Gaussian data of the same shape. NaN where a side is constant. Arithmetic in float64 (float32 on MPS).

    Raises:
        ValueError: images <= units (every score would be 1), a threshold outside (0, 1], different images, NaN.

    Warns:
        UserWarning: fewer than 5 images a unit.

    >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0], [5.0]])
    >>> round(svcca(x, -2 * x + 1), 6)
    1.0
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"wanted a threshold above 0, at most 1, got {threshold}; try 0.99")
    a, b = _centred(x, y)
    _refuse_few_images(len(a), max(a.shape[1], b.shape[1]))
    kept = [_directions(side, threshold=threshold, squared=squared) for side in (a, b)]
    return float(torch.linalg.svdvals(kept[0].scores.T @ kept[1].scores).clamp(max=1).mean())


def pwcca(x: Float[Array, "image unit_x"], y: Float[Array, "image unit_y"]) -> float:
    """Mean canonical correlation, weighted by how much of x each direction carries: 1 = x follows from y.

    `Σ α_i ρ_i / Σ α_i`, `α_i = Σ_j |<h_i, x_j>|`, h_i the orthonormal canonical directions of x over the images, x_j
    its centred units. Not symmetric: the weights are those of x, unit by unit, so that rotating x changes them; the
    distance of the paper is 1 - this. Independent data score about sqrt(units/images), not 0. NaN where a side is
    constant. Arithmetic in float64 (float32 on MPS).

    Raises:
        ValueError: images <= units (every score would be 1), different images, NaN.

    Warns:
        UserWarning: fewer than 5 images a unit.

    >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0], [5.0]])
    >>> round(pwcca(x, -2 * x + 1), 6)
    1.0
    """
    a, b = _centred(x, y)
    _refuse_few_images(len(a), max(a.shape[1], b.shape[1]))
    own, other = _directions(a), _directions(b)
    mixing, correlations, _ = torch.linalg.svd(own.scores.T @ other.scores, full_matrices=False)
    # h = U A and x = U S V', so h'x = A' S V' needs no second look at the images
    weights = (mixing.T @ (own.strengths[:, None] * own.loadings.T)).abs().sum(1)
    return _ratio(float(weights @ correlations.clamp(max=1)), float(weights.sum()))


class _Directions(NamedTuple):
    """Thin singular value decomposition x = U S V'."""

    scores: Float[Tensor, "image direction"]
    strengths: Float[Tensor, "direction"]
    loadings: Float[Tensor, "unit direction"]


def _centred(x: Array, y: Array) -> tuple[Tensor, Tensor]:
    (a, b), _ = as_tensors(x, y)
    if len(a) != len(b):
        raise ValueError(f"wanted the same images on both sides, got {len(a)} and {len(b)}; try one selection for both")
    refuse_non_finite(a, what="activations of the first side", column="unit")
    refuse_non_finite(b, what="activations of the second side", column="unit")
    dtype = torch.float32 if a.device.type == "mps" else torch.float64
    a, b = a.to(dtype), b.to(dtype)
    a, b = a - a[:1], b - b[:1]  # first, so that a constant unit becomes exact zeros
    return a - a.mean(0), b - b.mean(0)


def _ratio(value: float, scale: float) -> float:
    return value / scale if scale > 0 else math.nan


def _hsic(x: Float[Tensor, "image unit_x"], y: Float[Tensor, "image unit_y"], *, unbiased: bool) -> float:
    """HSIC of linear kernels on centred data, up to the factor that cancels in CKA.

    Unbiased: `tr(K̃L̃) + 1'K̃1·1'L̃1 / ((n-1)(n-2)) - 2·1'K̃L̃1 / (n-2)`, K̃ = K without its diagonal k. On centred data
    K̃1 = -k, and everything follows from ||x'y||² and the diagonals: no n x n matrix where units are few.
    """
    n = len(x)
    few_units = x.shape[1] * y.shape[1] <= n * n
    trace = (x.T @ y).square().sum() if few_units else ((x @ x.T) * (y @ y.T)).sum()
    if not unbiased:
        return float(trace)
    k, l = x.square().sum(1), y.square().sum(1)  # noqa: E741 - the papers' letters
    return float(trace + k.sum() * l.sum() / ((n - 1) * (n - 2)) - n / (n - 2) * (k @ l))


def _product_of_gram_products(x: Float[Tensor, "image unit_x"], y: Float[Tensor, "image unit_y"]) -> float:
    """||KL||² for (x, y) = ||(x'x)^½ x'y (y'y)^½||², or by n x n matrices where images are fewer than units."""
    if max(x.shape[1], y.shape[1]) <= len(x):
        xy = x.T @ y
        return float(((x.T @ x @ xy) * (xy @ (y.T @ y))).sum())
    return float((x @ x.T @ (y @ y.T)).square().sum())


def _refuse_few_images(n_images: int, n_units: int) -> None:
    if n_images <= n_units:
        raise ValueError(
            f"wanted more images than units for CCA, got {n_images} images and {n_units} units; "
            "try more probe images, or linear_cka"
        )
    if n_images < 5 * n_units:
        warnings.warn(
            f"CCA of {n_images} images and {n_units} units is too high by chance (wanted 5 images a unit): "
            "compare with Gaussian data of the same shape",
            stacklevel=3,
        )


def _directions(x: Float[Tensor, "image unit"], *, threshold: float = 1.0, squared: bool = False) -> _Directions:
    """By the eigenvectors of x'x: what is lost below 1e-7 of the largest strength is rounding of float32 data."""
    values, vectors = torch.linalg.eigh(x.T @ x)
    values, vectors = values.flip(0), vectors.flip(1)
    kept = values > 8 * math.sqrt(len(values)) * torch.finfo(values.dtype).eps * values[0]
    strengths, loadings = values[kept].sqrt(), vectors[:, kept]
    mass = (strengths.square() if squared else strengths).cumsum(0)
    m = int((mass < threshold * mass[-1:]).sum()) + 1
    strengths, loadings = strengths[:m], loadings[:, :m]
    return _Directions(x @ loadings / strengths, strengths, loadings)
