"""Projections of a layer's activations on few directions, to run the rest of the network on what is left.

Raghu et al., *SVCCA*, NIPS 2017, fig. 2: the top SVCCA directions against as many random or most active units.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from featcx_core.arrays import Array, as_tensors
from featcx_core.measures.cca import refuse_few_images, refuse_threshold
from featcx_core.measures.layer_pair import pair_of


class Projection(NamedTuple):
    """The map `x -> (x - offset) P + offset` of activations, float64."""

    projector: Float[Array, "unit unit"]
    """P, with P P = P; its rank is the number of directions that are kept."""
    offset: Float[Array, "unit"]
    """The layer's mean over the images. Zeros in its place clamp what is not kept to 0 and not to its mean."""


def project(acts: Float[Array, "*rest unit"], projection: Projection) -> Float[Array, "*rest unit"]:
    """Map activations by a projection; dtype, device and kind are those of the activations.

    Raises:
        ValueError: activations of another number of units.

    >>> kept = Projection(np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([5.0, 5.0]))
    >>> project(np.array([[1.0, 2.0]]), kept)
    array([[1., 5.]])
    """
    if acts.shape[-1] != len(projection.offset):
        raise ValueError(
            f"wanted activations of {len(projection.offset)} units, got {acts.shape[-1]}; "
            "try the layer of the projection"
        )
    (x, projector, offset), restore = as_tensors(acts, *projection)
    return restore((x - offset.to(x.dtype)) @ projector.to(x.dtype) + offset.to(x.dtype))


def svcca_projection(
    x: Float[Array, "image unit_x"],
    y: Float[Array, "image unit_y"],
    *,
    n_directions: int,
    threshold: float = 0.99,
    squared: bool = False,
) -> Projection:
    """Return the projection of x on its top SVCCA directions with y.

    The directions are the canonical variables h = U A over the images, of the singular directions that SVCCA keeps
    (`similarity.svcca`). The projection replaces every unit by its regression on them, `h h'x`. Written for units it is
    `P = V S⁻¹ A A' S V'`, an oblique projector, which maps new images too and leaves the variables as they are.

    Args:
        x: activations of the layer.
        y: activations of the layer, on the same images, that it is compared with: of another network or another time.
        n_directions: how many are kept.
        threshold: share of the singular values that SVCCA keeps.
        squared: of their squares.

    Raises:
        ValueError: fewer directions than asked for, images <= units, a threshold outside (0, 1], different images, NaN.

    Warns:
        UserWarning: fewer than 5 images a unit.

    >>> shared, rest = np.array([1.0, 1.0, -1.0, -1.0] * 3), np.array([1.0, -1.0, 1.0, -1.0] * 3)
    >>> x = np.column_stack([shared, rest])
    >>> svcca_projection(x, shared[:, None], n_directions=1).projector.round(6).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    refuse_threshold(threshold)
    pair = pair_of(x, y)
    refuse_few_images(pair.x, pair.y)
    n_x, n_y = (side.leading(threshold, squared=squared) for side in (pair.x, pair.y))
    mixing = pair.canonical_of(n_x, n_y).mixing_x
    _refuse_number(n_directions, mixing.shape[1], "directions")
    mixing, strengths, loadings = mixing[:, :n_directions], pair.x.strengths[:n_x], pair.x.loadings[:, :n_x]
    projector = (loadings / strengths) @ mixing @ (mixing.T @ (strengths[:, None] * loadings.T))
    return _as_given(x, projector, pair.x.mean)


def random_units(x: Float[Array, "image unit"], *, n_units: int, seed: int) -> Projection:
    """Return the projection that keeps random units; with the same seed, fewer are among the more.

    Raises:
        ValueError: more units than the layer has, NaN or infinity.

    >>> random_units(np.zeros((4, 3)), n_units=2, seed=0).projector.trace()
    np.float64(2.0)
    """
    return _keeping(x, np.random.default_rng(seed).permutation(x.shape[1]), n_units)


def most_active_units(x: Float[Array, "image unit"], *, n_units: int) -> Projection:
    """Return the projection that keeps the units of the largest mean |activation|; of equals the first.

    Raises:
        ValueError: more units than the layer has, NaN or infinity.

    >>> most_active_units(np.array([[1.0, -3.0], [2.0, -3.0]]), n_units=1).projector.tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    (tensor,), _ = as_tensors(x)
    activity = tensor.double().abs().mean(0).cpu().numpy()
    return _keeping(x, np.argsort(-activity, kind="stable"), n_units)


def _keeping(x: Array, ranked: np.ndarray, n_units: int) -> Projection:
    _refuse_number(n_units, len(ranked), "units")
    (tensor,), _ = as_tensors(x)
    kept = torch.zeros(len(ranked), dtype=torch.float64)
    kept[torch.from_numpy(ranked[:n_units])] = 1
    mean = tensor.double().mean(0)
    return _as_given(x, torch.diag(kept).to(mean.device), mean)


def _as_given(x: Array, projector: torch.Tensor, mean: torch.Tensor) -> Projection:
    _, restore = as_tensors(x)
    return Projection(restore(projector), restore(mean))


def _refuse_number(wanted: int, there: int, what: str) -> None:
    if not 0 <= wanted <= there:
        raise ValueError(f"wanted 0 to {there} {what} to keep, got {wanted}; try fewer")
