"""Variance share of a concept at a layer: how much of the layer's variance lies along the direction that is read.

Two features that are decoded equally well may take very different parts of a representation: easy ones much, hard ones
little [Lampinen, Chan, Hermann, *Learned feature representations are biased by complexity, learning order, position,
and more*, TMLR 2024].
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.by_group import GroupedSums
from featcx_core.features.moments import Moments
from featcx_core.measures.readers import choose_penalty, decompose, grid_of, shrink
from featcx_core.study.fields import Penalties


def variance_share(
    acts_gram: Float[Array, "unit unit"], directions: Float[Array, "unit concept"]
) -> Float[Array, "concept"]:
    """Return the variance of the activations along each direction over the layer's variance, in [0, 1].

    `w'X'Xw / (w'w · tr X'X)`, X centred over images, w the weights of a concept's reader. Free of the length of w and
    of the scale of X. A random direction has 1/units on average, the first principal component the most. NaN for a
    direction of length 0 and for a layer that never varies. Arithmetic in float64 (float32 on MPS).

    Args:
        acts_gram: X'X of centred activations, (unit, unit).
        directions: one a column, (unit, concept).

    Raises:
        ValueError: sums and directions count different units.

    >>> import numpy as np
    >>> variance_share(np.diag([3.0, 1.0]), np.array([[1.0, 2.0], [0.0, 2.0]]))
    array([0.75, 0.5 ])
    """
    (gram, w), restore = as_tensors(acts_gram, directions)
    if len(gram) != len(w):
        raise ValueError(
            f"wanted sums and directions of the same units, got {len(gram)} and {len(w)} units; try one layer for both"
        )
    dtype = torch.float32 if gram.device.type == "mps" else torch.float64
    gram, w = gram.to(dtype), w.to(dtype)
    along, length, whole = (w * (gram @ w)).sum(0), w.square().sum(0), gram.trace()
    share = along / (length * whole)
    return restore(share.masked_fill((length <= 0) | (whole <= 0), math.nan))


def reader_directions(fit: GroupedSums[Moments], *, penalties: Penalties) -> Float[Tensor, "unit concept"]:
    """Return the weights of each code's ridge reader, fitted on all images of the sums, penalty included.

    A code that is constant has weights 0.

    >>> x = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [3.0, 1.0]])   # the code is the first unit
    >>> from featcx_core.features.by_group import GroupedSums
    >>> from featcx_core.features.moments import Moments
    >>> sums = GroupedSums.of(Moments, x, x[:, :1], groups=2)
    >>> reader_directions(sums, penalties=Penalties()).round(decimals=3).tolist()
    [[1.0], [0.0]]
    """
    sums = fit.everything()
    spectrum = decompose(sums.xx, sums.n, fit.eps)
    projected = spectrum.vectors.mT @ sums.xz
    penalty = choose_penalty(spectrum, projected, sums.zz, n=sums.n, grid=grid_of(penalties, sums.xx))
    weights: Tensor = (spectrum.vectors @ shrink(spectrum, projected, penalty))[0]
    return weights


def cross_fitted_share(
    fit: GroupedSums[Moments], score: GroupedSums[Moments], *, penalties: Penalties
) -> Float[Tensor, "concept"]:
    """Return `variance_share` of each code's readers, fitted on either half, over all images; the mean of both."""
    gram = fit.whole.merge(score.whole).centred().xx
    shares = [variance_share(gram, reader_directions(half, penalties=penalties)) for half in (fit, score)]
    mean: Tensor = (shares[0] + shares[1]) / 2
    return mean
