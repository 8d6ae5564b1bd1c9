"""V-information: how much of a concept a linear reader finds in a layer.

The family of predictors is η(x) = N(Mx + b, σ²) [Xu et al., ICLR 2020], for which I_V(x -> z) = Var(z)·R² in closed
form [Fel et al., NeurIPS 2024, §2 and App. C]. Codes are standardised, so I_V = R²: 0 = absent, 1 = read off exactly.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from featcx_core.arrays import Array
from featcx_core.features.moments import Chunks, Moments
from featcx_core.features.moments_by_group import MomentsByGroup
from featcx_core.measures.cross_fitted import PENALTIES, OneWay
from featcx_core.measures.intervals import jackknife_error
from featcx_core.measures.readers import (
    choose_penalty,
    decompose,
    given_penalty,
    grid_of,
    shrink,
    unexplained,
)
from featcx_core.study.fields import Penalties


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
    """Unclipped R² with each group of images left out of both halves."""


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
    generalised cross-validation chooses from `penalties` for each concept. Group g of the jackknife holds the images
    g, g + groups, g + 2·groups, … of either half; without it the reader is fitted again, and a penalty that was not
    given chosen again.

    Raises:
        ValueError: halves or acts and codes do not fit together, NaN or infinity, fewer images than groups in a half.

    >>> x = torch.arange(40.0).reshape(-1, 1)
    >>> round(v_information(x, 3 * x + 1, x, 3 * x + 1, penalty=0.0).v_information.item(), 6)
    1.0
    """
    halves = (acts_fit, codes_fit), (acts_score, codes_score)
    fit, score = (MomentsByGroup.of(*half, groups=groups) for half in halves)
    given = None if penalty is None else given_penalty(penalty, len(fit.whole.zz))
    readings = OneWay(penalties=penalties, with_halves=False).read(fit, score, penalty=given)
    r2, left_out = readings.r2[0], readings.r2[1:].T.contiguous()
    results = (r2.clamp(min=0), jackknife_error(left_out), readings.penalty[0], left_out)
    return VInformation(*(fit.whole.restore(result) for result in results))


def v_information_streamed(
    fit: Moments,
    score: Chunks,
    *,
    penalty: float | Float[Array, "concept"] | None = None,
    penalties: Penalties = PENALTIES,
    groups: int = 20,
) -> VInformation:
    """V-information as `v_information`, of moments of the fit half and one pass over the score half.

    Its jackknife leaves groups of score images out of the score alone: the reader stays. The chunks of `score` come in
    the order of the images, which decides the groups. Codes of several kinds may stand side by side: concepts do not
    influence each other.
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
    n = torch.tensor([float(sums.n)]).to(sums.xx)
    spectrum = decompose(sums.xx[None], n, torch.finfo(moments.x_offset.dtype).eps, as_lstsq=True)
    projected = (spectrum.vectors[0].T @ sums.xz)[None]
    explained = (sums.zz - unexplained(spectrum, projected, sums.zz[None], n)[0]) / sums.n
    return moments.restore(explained.masked_fill(sums.zz == 0, math.nan))


class _Ridge(NamedTuple):
    """A fitted reader, counted from the moments' offset."""

    weights: Float[Tensor, "unit concept"]
    intercept: Float[Tensor, "concept"]
    null: Float[Tensor, "concept"]
    """Prediction of the null predictor: the fit half's mean."""
    penalty: Float[Tensor, "concept"]
    varies: Tensor
    """(concept,) whether the code varies on the fit half."""


def _ridge(fit: Moments, penalty: float | Array | None, penalties: Penalties) -> _Ridge:
    if fit.n < 2:
        raise ValueError(f"wanted at least 2 images in the fit half, got {fit.n}; try a larger split")
    sums = fit.centred()
    n = torch.tensor([float(fit.n)]).to(sums.xx)
    spectrum = decompose(sums.xx[None], n, torch.finfo(fit.x_offset.dtype).eps)
    projected = spectrum.vectors[0].T @ sums.xz
    if penalty is None:
        alpha = choose_penalty(spectrum, projected[None], sums.zz[None], n=n, grid=grid_of(penalties, sums.xx[None]))[0]
    else:
        alpha = given_penalty(penalty, len(sums.zz)).to(sums.xx.device)
    weights = spectrum.vectors[0] @ shrink(spectrum, projected[None], alpha[None])[0]
    return _Ridge(weights, sums.z_mean - sums.x_mean @ weights, sums.z_mean, alpha, sums.zz > 0)


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
