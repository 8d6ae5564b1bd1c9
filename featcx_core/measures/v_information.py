"""V-information: how much of a concept a linear reader finds in a layer.

The family of predictors is η(x) = N(Mx + b, σ²) [Xu et al., ICLR 2020], for which I_V(x -> z) = Var(z)·R² in closed
form [Fel et al., NeurIPS 2024, §2 and App. C]. Codes are standardised, so I_V = R²: 0 = absent, 1 = read off exactly.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float

from featcx_core.arrays import Array
from featcx_core.features.by_group import GroupedSums
from featcx_core.features.moments import Moments
from featcx_core.measures.cross_fitted import PENALTIES, OneWay
from featcx_core.measures.intervals import jackknife_error
from featcx_core.measures.readers import decompose, given_penalty, unexplained
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
    fit, score = (GroupedSums.of(Moments, *half, groups=groups) for half in halves)
    given = None if penalty is None else given_penalty(penalty, len(fit.whole.zz))
    readings = OneWay(penalties=penalties, with_halves=False).read(fit, score, penalty=given)
    r2, left_out = readings.r2[0], readings.r2[1:].T.contiguous()
    results = (r2.clamp(min=0), jackknife_error(left_out), readings.penalty[0], left_out)
    return VInformation(*(fit.whole.restore(result) for result in results))


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
