"""Random features: what turns a linear reader of a layer into one of a radial kernel, or of another width.

Rahimi & Recht, *Random features for large-scale kernel machines*, NIPS 2007: with frequencies from the kernel's Fourier
transform, the product of two images' features is the kernel between them, on average.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from featcx_core.arrays import Array, as_tensors

_IMAGES = 1000
"""Images between which distances are taken, at most: their median is then right to a few per cent."""


class RandomFeatures(NamedTuple):
    """Random features of a radial kernel, `exp(−‖x − y‖² / (2 width²))`."""

    frequencies: Float[np.ndarray, "unit feature"]
    """Drawn from N(0, 1 / width²)."""
    phases: Float[np.ndarray, "feature"]
    """Drawn uniformly from 0 to 2π."""
    width: float
    """Median distance of two images."""

    def __call__(self, acts: Float[Array, "image unit"]) -> Float[Array, "image feature"]:
        """Return `√(2 / features) · cos(x'w + phase)` of each image, in float64."""
        (x, w, phase), restore = as_tensors(acts, self.frequencies, self.phases)
        return restore(math.sqrt(2 / len(self.phases)) * (x.double() @ w.to(x.device) + phase.to(x.device)).cos())


class Projected(NamedTuple):
    """Activations along some directions."""

    basis: Float[np.ndarray, "unit width"]
    """One direction a column (`random_projection`)."""

    def __call__(self, acts: Float[Array, "image unit"]) -> Float[Array, "image width"]:
        """Return the activations along each direction, in float64."""
        (x, basis), restore = as_tensors(acts, self.basis)
        return restore(x.double() @ basis.to(x.device))


def radial_features(acts: Float[np.ndarray, "image unit"], *, n_features: int, seed: int) -> RandomFeatures:
    """Draw random features of the radial kernel whose width is the median distance of two images.

    Of at most 1,000 images, evenly. Where all are alike the width is 1.

    Raises:
        ValueError: no feature, or fewer than two images.

    >>> radial_features(np.array([[0.0], [3.0]]), n_features=4, seed=0).width
    3.0
    """
    if n_features < 1 or len(acts) < 2:
        raise ValueError(f"wanted a feature and 2 images, got {n_features} and {len(acts)}; try readers.features = 256")
    width = median_distance(acts) or 1.0
    chance = np.random.default_rng(seed)
    frequencies = chance.standard_normal((acts.shape[1], n_features)) / width
    return RandomFeatures(frequencies, chance.uniform(0, 2 * math.pi, n_features), width)


def median_distance(acts: Float[np.ndarray, "image unit"]) -> float:
    """Return the median Euclidean distance over all pairs of at most 1,000 images, evenly chosen.

    >>> median_distance(np.array([[0.0], [1.0], [5.0]]))   # 1, 4, 5
    4.0
    """
    chosen = np.unique(np.linspace(0, len(acts) - 1, min(len(acts), _IMAGES)).astype(int))
    x = acts[chosen].astype(np.float64)
    x -= x.mean(axis=0)
    lengths = np.square(x).sum(axis=1)
    squares = lengths[:, None] + lengths - 2 * x @ x.T
    return float(np.sqrt(np.median(squares[np.triu_indices(len(x), 1)].clip(min=0))))


def random_projection(n_units: int, width: int, *, seed: int) -> Float[np.ndarray, "unit width"]:
    """Draw orthonormal directions on which activations are projected; the identity where there are not more units.

    Uniform over all subspaces: Q of a Gaussian matrix, its signs those of R's diagonal.

    Raises:
        ValueError: a width below 1.

    >>> basis = random_projection(5, 2, seed=0)
    >>> bool(np.allclose(basis.T @ basis, np.eye(2)))
    True
    """
    if width < 1:
        raise ValueError(f"wanted a width of at least 1, got {width}; try readers.width = 16")
    if width >= n_units:
        return np.eye(n_units)
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((n_units, width)))
    basis: np.ndarray = q * np.sign(np.diag(r))
    return basis
