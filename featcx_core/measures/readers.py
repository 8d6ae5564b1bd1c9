"""Ridge readers of a layer, fitted and scored from sums, for many codes and many sets of images at once.

Letters: C = X'X and b = X'z about the means of the images that are fitted, C = V diag(s) V' with u units, p = V'b, and
C̃, b̃ the sums over the images that are scored, about those same means. A reader with penalty α has the weights
`w = V (p / (s + α))`, and its squared error on the scored images is `z̃'z̃ - 2 w'b̃ + w'C̃w`: no image is needed again.
One eigendecomposition a set of images serves all codes and penalties. For u units and c codes a set takes 6·u²·c
operations in products, and whatever the codes 4·u³ in products and about 9·u³ in the eigendecomposition.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.by_group import CentredSets
from featcx_core.study.fields import Penalties

LEAST_FREEDOM = 0.1
"""Residual degrees of freedom that a penalty from the grid leaves at least, as a share of the fitted images."""


class Readings(NamedTuple):
    """Readings of every code by the readers of each set of images."""

    r2: Float[Tensor, "set concept"]
    """R² on the scored images against the mean of the fitted ones; NaN where the code is constant on either."""
    penalty: Float[Tensor, "set concept"]
    """Ridge penalty: the alpha of `sklearn.linear_model.Ridge` for centred acts."""


class Spectrum(NamedTuple):
    """Eigendecomposition of X'X of each set; directions without variance take no part."""

    values: Float[Tensor, "set unit"]
    """Ascending; 0 for a direction that takes no part."""
    vectors: Float[Tensor, "set unit direction"]
    """One a column."""
    kept: Bool[Tensor, "set unit"]
    """Whether a direction takes part."""


class Basis(NamedTuple):
    """Part that all readers share: the layer in the eigenvectors of the fitted images, some sets at a time."""

    spectrum: Spectrum
    """Of the fitted images."""
    scored: Float[Tensor, "set direction direction"]
    """C̃ in these directions."""
    grid: Float[Tensor, "set penalty"]
    """Penalties to choose from."""


def basis_of(fit: CentredSets, score: CentredSets, *, eps: float, penalties: Penalties) -> Basis:
    """Decompose the fitted images' X'X; `eps`: the relative rounding of the products behind the sums."""
    spectrum, dx = decompose(fit.xx, fit.n, eps), score.x_mean - fit.x_mean
    about_fitted = torch.baddbmm(score.xx, score.n[:, None, None] * dx[..., None], dx[:, None])
    scored = spectrum.vectors.mT @ about_fitted @ spectrum.vectors
    return Basis(spectrum, scored, grid_of(penalties, fit.xx))


def read_sets(
    fit: CentredSets, score: CentredSets, basis: Basis, *, penalty: Float[Tensor, "concept"] | None = None
) -> Readings:
    """Fit a ridge reader of every code on each set of images, and score it on the set's other images.

    Without a `penalty`, generalised cross-validation chooses one from the grid for each set and code.
    """
    vectors, projected = basis.spectrum.vectors, basis.spectrum.vectors.mT @ fit.xz
    if penalty is None:
        alpha = choose_penalty(basis.spectrum, projected, fit.zz, n=fit.n, grid=basis.grid)
    else:
        alpha = penalty.to(fit.xx.device).expand(len(fit.n), -1)
    weights = shrink(basis.spectrum, projected, alpha)
    dx, dz, n = score.x_mean - fit.x_mean, score.z_mean - fit.z_mean, score.n[:, None]
    scored = vectors.mT @ torch.baddbmm(score.xz, n[..., None] * dx[..., None], dz[:, None])
    null = score.zz + n * dz.square()
    error = null + (weights * torch.baddbmm(scored, basis.scored, weights, beta=-2)).sum(1)
    undefined = ~(fit.varies & score.varies)
    return Readings(*(part.masked_fill(undefined, math.nan) for part in (1 - error / null, alpha)))


def decompose(
    xx: Float[Tensor, "set unit unit"], n: Float[Tensor, "set"], eps: float, *, as_lstsq: bool = False
) -> Spectrum:
    """Decompose X'X of each set of n centred images, whose products were rounded to a relative `eps`.

    A direction takes no part where its eigenvalue is rounding or, `as_lstsq`, where `numpy.linalg.lstsq` would cut it.

    Raises:
        ValueError: fewer than 2 images.
    """
    if (n < 2).any():
        raise ValueError(f"wanted at least 2 images in the fit half, got {int(n.min())}; try a larger split")
    values, vectors = torch.linalg.eigh(xx)
    units, diagonal, largest = xx.shape[-1], xx.diagonal(dim1=1, dim2=2), values[:, -1]
    # Rounding of the products moves eigenvalues by about this much: below it a direction is noise.
    double = torch.finfo(torch.float64).eps
    floor = eps * (diagonal.amax(1) * diagonal.sum(1)).sqrt() + 8 * double * largest
    if as_lstsq:  # its cut on singular values, squared
        floor = torch.maximum(floor, (eps * n.clamp(min=units)) ** 2 * largest)
    rank = torch.arange(units, device=xx.device)
    # n centred images span at most n - 1 directions
    kept = (values > floor[:, None]) & (rank >= units - (n[:, None] - 1))
    return Spectrum(values.where(kept, 0), vectors, kept)


def unexplained(
    spectrum: Spectrum,
    projected: Float[Tensor, "set unit concept"],
    zz: Float[Tensor, "set concept"],
    n: Float[Tensor, "set"],
) -> Float[Tensor, "set concept"]:
    """Return the residual sum of squares of least squares, from p and z'z."""
    return _left(spectrum, _explained(spectrum, projected), zz, n)


def given_penalty(penalty: float | Array, n_concepts: int) -> Float[Tensor, "concept"]:
    """Return a penalty for each concept from one, or from one each; ValueError for a negative one or another number."""
    (given,), _ = as_tensors(penalty)
    if given.shape not in ((), (n_concepts,)):
        raise ValueError(f"wanted one penalty or {n_concepts}, got shape {tuple(given.shape)}; try a single number")
    if not (given >= 0).all():
        raise ValueError("wanted penalties >= 0, got a negative one or NaN; try penalty=None to choose them")
    return given.double().expand(n_concepts).clone()


def choose_penalty(
    spectrum: Spectrum,
    projected: Float[Tensor, "set unit concept"],
    zz: Float[Tensor, "set concept"],
    *,
    n: Float[Tensor, "set"],
    grid: Float[Tensor, "set penalty"],
) -> Float[Tensor, "set concept"]:
    """Return the penalty with the least `GCV = n·RSS / (n - degrees of freedom)²` for each set and concept.

    Golub, Heath, Wahba, Technometrics 1979. RSS(α) = RSS(0) + Σ p²/s · (α/(s+α))²; the degrees of freedom are
    1 + Σ s/(s+α), the one for the intercept. Where a penalty nearly interpolates, both RSS and what divides it vanish,
    and GCV means nothing: a penalty that leaves fewer than n/10 residual degrees of freedom is not chosen, unless it is
    the largest. With fewer than 0.9·n units every penalty leaves more. (As many units as images, eigenvalues 1/i: R² is
    .007 below the best of the grid so, .179 without the rule, .009 with n/50 and .023 with 3n/10.)
    """
    explained = _explained(spectrum, projected)
    shrunk = (grid[:, None] / (spectrum.values[..., None] + grid[:, None])).where(spectrum.kept[..., None], 1)
    is_tried = n[:, None] - 1 - (1 - shrunk).sum(1) >= LEAST_FREEDOM * n[:, None]
    # the largest in place of one that is not tried: its score, and itself if that is the least
    grid, shrunk = grid.where(is_tried, grid[:, -1:]), shrunk.where(is_tried[:, None], shrunk[..., -1:])
    freedom = n[:, None] - 1 - (1 - shrunk).sum(1)
    residual = torch.baddbmm(_left(spectrum, explained, zz, n)[:, None], shrunk.square().mT, explained)
    return grid.gather(1, residual.div_(freedom.square()[..., None]).argmin(1))


def grid_of(penalties: Penalties, xx: Float[Tensor, "set unit unit"]) -> Float[Tensor, "set penalty"]:
    """Return the penalties that are tried, relative to trace(X'X)/units of each set."""
    low, high = math.log10(penalties.low), math.log10(penalties.high)
    grid = torch.logspace(low, high, penalties.count, dtype=torch.float64).to(xx)
    return grid * xx.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)


def shrink(
    spectrum: Spectrum, projected: Float[Tensor, "set unit concept"], alpha: Float[Tensor, "set concept"]
) -> Float[Tensor, "set unit concept"]:
    """Return the weights of a reader along the eigenvectors, p / (s + α)."""
    kept = spectrum.kept[..., None]
    return (projected / (spectrum.values[..., None].where(kept, 1) + alpha[:, None])).masked_fill_(~kept, 0)


def _explained(spectrum: Spectrum, projected: Float[Tensor, "set unit concept"]) -> Float[Tensor, "set unit concept"]:
    """p²/s: how much of z'z each direction explains."""
    weights = torch.where(spectrum.kept, 1 / spectrum.values.where(spectrum.kept, 1), 0)
    return projected.square().mul_(weights[..., None])


def _left(spectrum: Spectrum, explained: Tensor, zz: Tensor, n: Tensor) -> Float[Tensor, "set concept"]:
    exact = spectrum.kept.sum(1) >= n - 1  # as many directions as images: nothing is left, rounding aside
    return (zz - explained.sum(1)).clamp(min=0).masked_fill(exact[:, None], 0)
