"""V-information: how much of a concept a linear reader finds in a layer.

The family of predictors is η(x) = N(Mx + b, σ²) [Xu et al., ICLR 2020], for which I_V(x -> z) = Var(z)·R² in closed
form [Fel et al., NeurIPS 2024, §2 and App. C]. Codes are standardised, so I_V = R²: 0 = absent, 1 = read off exactly.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.moments import Centred, Chunks, Moments, refuse_unequal
from featcx_core.measures.intervals import jackknife_error
from featcx_core.study.fields import Penalties

PENALTIES = Penalties()
"""The default grid: 20 penalties, 1e-6 to 1e3 times trace(X'X)/units."""
_IMAGES_AT_ONCE = 2048


class VInformation(NamedTuple):
    """One layer's V-information about every concept, in float64 (it comes from sums in float64).

    A code that is constant on either half has no variance to explain: its results are NaN.
    """

    v_information: Float[Array, "concept"]
    """R² on the score half, clipped at 0; higher = more present."""
    standard_error: Float[Array, "concept"]
    """Delete-a-group jackknife, before clipping."""
    penalty: Float[Array, "concept"]
    """Ridge penalty used: the alpha of `sklearn.linear_model.Ridge` for centred acts and the standardised code."""
    jackknife: Float[Array, "concept group"]
    """Unclipped R² with each group of score images left out."""


def v_information(
    acts_fit: Float[Array, "fit unit"],
    codes_fit: Float[Array, "fit concept"],
    acts_score: Float[Array, "score unit"],
    codes_score: Float[Array, "score concept"],
    *,
    penalty: float | Float[Array, "concept"] | None = None,
    penalties: Penalties = PENALTIES,
    groups: int = 20,
) -> VInformation:
    """V-information of one layer about each concept: ridge on the fit half, R² on the score half.

    `R² = 1 - Σ(z - Mx - b)² / Σ(z - mean of z on the fit half)²`. Without a `penalty` (one number, or one a concept)
    generalised cross-validation chooses from `penalties` for each concept. Group g of the jackknife holds the score
    images g, g + groups, g + 2·groups, …

    Raises:
        ValueError: halves or acts and codes do not fit together, NaN or infinity, fewer score images than groups.

    >>> x = torch.arange(40.0).reshape(-1, 1)
    >>> round(v_information(x, 3 * x + 1, x, 3 * x + 1, penalty=0.0).v_information.item(), 6)
    1.0
    """
    fit = Moments.over(_chunks(acts_fit, codes_fit))
    return v_information_streamed(
        fit, _chunks(acts_score, codes_score), penalty=penalty, penalties=penalties, groups=groups
    )


def v_information_streamed(
    fit: Moments,
    score: Chunks,
    *,
    penalty: float | Float[Array, "concept"] | None = None,
    penalties: Penalties = PENALTIES,
    groups: int = 20,
) -> VInformation:
    """`v_information` for more images than memory holds: moments of the fit half, one pass over the score half.

    The chunks of `score` come in the order of the images, which decides the jackknife groups. Codes of several kinds
    may stand side by side: concepts do not influence each other.
    """
    ridge = _ridge(fit, penalty, penalties)
    errors, nulls, varies = _squared_errors(fit, ridge, score, groups)
    error, null = errors.sum(0), nulls.sum(0)
    undefined = ~(varies & ridge.varies)
    r2 = (1 - error / null).masked_fill(undefined, math.nan)
    left_out = (1 - (error - errors) / (null - nulls)).masked_fill(undefined, math.nan).T.contiguous()
    penalty_used = ridge.penalty.masked_fill(undefined, math.nan)
    results = (r2.clamp(min=0), jackknife_error(left_out), penalty_used, left_out)
    return VInformation(*(fit.restore(result) for result in results))


def as_printed(moments: Moments) -> Float[Array, "concept"]:
    """V-information as the paper prints it: Var(z)·R² in sample, by minimum-norm least squares with intercept.

    `moments` are those of all probe images: `fit.merge(score)`. In [0, Var(z)], population variance; R² is 1 for
    anything once units >= images. NaN for a constant code. Directions count as absent where `numpy.linalg.lstsq`
    would say so, or where they drown in the rounding of X'X. [Fel et al., App. C]

    >>> x = torch.tensor([[0.0], [1.0], [2.0]])
    >>> as_printed(Moments.of(x, 3 * x))
    tensor([6.], dtype=torch.float64)
    """
    sums = moments.centred()
    spectrum = _spectrum(sums, torch.finfo(moments.x_offset.dtype).eps, as_lstsq=True)
    explained = (sums.zz - spectrum.unexplained) / sums.n
    return moments.restore(explained.masked_fill(sums.zz == 0, math.nan))


class _Spectrum(NamedTuple):
    """Eigendecomposition of X'X, directions without variance left out."""

    values: Float[Tensor, "direction"]
    vectors: Float[Tensor, "unit direction"]
    projected: Float[Tensor, "direction concept"]
    """V'X'Z."""
    unexplained: Float[Tensor, "concept"]
    """Residual sum of squares of least squares."""


class _Ridge(NamedTuple):
    """A fitted reader, counted from the moments' offset."""

    weights: Float[Tensor, "unit concept"]
    intercept: Float[Tensor, "concept"]
    null: Float[Tensor, "concept"]
    """What the null predictor says: the fit half's mean."""
    penalty: Float[Tensor, "concept"]
    varies: Tensor
    """(concept,) whether the code varies on the fit half."""


def _spectrum(sums: Centred, eps: float, *, as_lstsq: bool = False) -> _Spectrum:
    values, vectors = torch.linalg.eigh(sums.xx)
    units, diagonal = len(values), sums.xx.diagonal()
    # Rounding of the products moves eigenvalues by about this much: below it a direction is noise.
    floor = eps * (diagonal.max() * diagonal.sum()).sqrt() + 8 * torch.finfo(torch.float64).eps * values[-1]
    if as_lstsq:  # its cut on singular values, squared
        floor = torch.maximum(floor, (eps * max(sums.n, units)) ** 2 * values[-1])
    kept = values > floor
    kept[: max(0, units - (sums.n - 1))] = False  # n centred images span at most n - 1 directions
    values, vectors = values[kept], vectors[:, kept]
    projected = vectors.T @ sums.xz
    unexplained = (sums.zz - (projected.square() / values[:, None]).sum(0)).clamp(min=0)
    if len(values) == sums.n - 1:
        unexplained = torch.zeros_like(unexplained)  # as many directions as images: exact, rounding aside
    return _Spectrum(values, vectors, projected, unexplained)


def _ridge(fit: Moments, penalty: float | Array | None, penalties: Penalties) -> _Ridge:
    if fit.n < 2:
        raise ValueError(f"wanted at least 2 images in the fit half, got {fit.n}; try a larger split")
    sums = fit.centred()
    spectrum = _spectrum(sums, torch.finfo(fit.x_offset.dtype).eps)
    if penalty is None:
        low, high = math.log10(penalties.low), math.log10(penalties.high)
        grid = torch.logspace(low, high, penalties.count, dtype=torch.float64, device=sums.xx.device)
        alpha = _chosen(spectrum, sums.n, grid * sums.xx.diagonal().mean())
    else:
        alpha = _given(penalty, len(sums.zz)).to(sums.xx.device)
    weights = spectrum.vectors @ (spectrum.projected / (spectrum.values[:, None] + alpha))
    return _Ridge(weights, sums.z_mean - sums.x_mean @ weights, sums.z_mean, alpha, sums.zz > 0)


def _given(penalty: float | Array, n_concepts: int) -> Float[Tensor, "concept"]:
    (given,), _ = as_tensors(penalty)
    if given.shape not in ((), (n_concepts,)):
        raise ValueError(f"wanted one penalty or {n_concepts}, got shape {tuple(given.shape)}; try a single number")
    if not (given >= 0).all():
        raise ValueError("wanted penalties >= 0, got a negative one or NaN; try penalty=None to choose them")
    return given.double().expand(n_concepts).clone()


def _chosen(spectrum: _Spectrum, n: int, alphas: Float[Tensor, "penalty"]) -> Float[Tensor, "concept"]:
    """The penalty with the least `GCV = n·RSS / (n - degrees of freedom)²` for each concept.

    Golub, Heath, Wahba, Technometrics 1979. RSS(α) = RSS(0) + Σ (v'X'z)²/s · (α/(s+α))²; the degrees of freedom are
    1 + Σ s/(s+α), the one for the intercept.
    """
    shrunk = alphas / (spectrum.values[:, None] + alphas)  # (direction, penalty); 1 - shrunk survives
    fitted = spectrum.projected.square() / spectrum.values[:, None]
    residual = spectrum.unexplained + shrunk.square().T @ fitted
    freedom_left = (n - 1 - len(spectrum.values)) + shrunk.sum(0)
    return alphas[(residual / freedom_left.square()[:, None]).argmin(0)]


def _squared_errors(fit: Moments, ridge: _Ridge, score: Chunks, groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """Squared errors (group, concept) of the reader and of the null predictor; whether each code varies."""
    like = fit.x_offset
    weights, intercept, null = (t.to(like.dtype).to(like.device) for t in ridge[:3])
    errors = torch.zeros(groups, len(ridge.null), dtype=torch.float64, device=ridge.null.device)
    nulls = torch.zeros_like(errors)
    varies, first, n = torch.zeros_like(ridge.varies), None, 0
    for acts, codes in score:
        x, z = fit.shifted(acts, codes, first_image=n)
        first = z[:1].clone() if first is None else first  # z is changed below
        varies |= (z != first).any(0).to(varies.device)
        group = (torch.arange(n, n + len(x), device=like.device) % groups)[None]
        member = (group == torch.arange(groups, device=like.device)[:, None]).to(like)
        # a product with 0 and 1 adds up in a fixed order on every device; scattered additions do not
        errors += (member @ torch.addmm(z, x, weights, alpha=-1).sub_(intercept).square_()).to(errors.device)
        nulls += (member @ z.sub_(null).square_()).to(errors.device)
        n += len(x)
    if n < groups:
        raise ValueError(f"wanted at least one score image for each of {groups} groups, got {n} images; try more")
    return errors, nulls, varies


def _chunks(acts: Array, codes: Array) -> Iterator[tuple[Array, Array]]:
    refuse_unequal(acts, codes)
    for start in range(0, len(acts), _IMAGES_AT_ONCE):
        yield acts[start : start + _IMAGES_AT_ONCE], codes[start : start + _IMAGES_AT_ONCE]
