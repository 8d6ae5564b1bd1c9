"""Principal components of a layer, from sums: directions that no dictionary chose, as a control of its concepts."""

from typing import NamedTuple

import torch
from jaxtyping import Float

from featcx_core.arrays import Array
from featcx_core.features.moments import Moments


class Components(NamedTuple):
    """Directions of the largest variance."""

    mean: Float[Array, "unit"]
    """Mean activations, from which scores are counted."""
    directions: Float[Array, "unit component"]
    """One a column, of unit length, largest variance first; its largest entry is positive."""


def principal_components(sums: Moments, *, n_components: int) -> Components:
    """Return the first principal components of the activations behind the sums, no more than vary.

    The score of an image is `(x − mean) @ directions`. A direction counts as constant where its variance is below 1e-10
    of the largest.

    >>> from featcx_core.features.moments import Moments
    >>> x = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 0.5], [2.0, -0.5]])
    >>> principal_components(Moments.of(x, x), n_components=1).directions.round(decimals=6).tolist()
    [[1.0], [0.0]]
    """
    centred = sums.centred()
    values, vectors = torch.linalg.eigh(centred.xx)
    values, vectors = values.flip(0), vectors.flip(1)
    n = min(n_components, sums.n - 1, int((values > 1e-10 * values[0].clamp(min=1e-300)).sum()))
    directions = vectors[:, :n]
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    mean = centred.x_mean + sums.x_offset.to(centred.x_mean)
    return Components(*(sums.restore(part) for part in (mean, directions * largest.sign())))
