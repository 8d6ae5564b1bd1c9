"""Complexity K of a concept: how poorly the layers decode it, on average.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, §2 and App. C.
"""

from typing import Any

from jaxtyping import Float

from featcx_core.arrays import Array, as_tensors
from featcx_core.measures.intervals import jackknife_error, jackknife_interval


def complexity(v_information: Float[Array, "layer concept"]) -> Float[Array, "concept"]:
    """Return K = 1 - mean over layers of I_V(layer -> concept), in [0, 1]; higher = more complex.

    K = 0: every layer decodes the concept fully; K = 1: none does at all. NaN where a layer's I_V is NaN (a dead
    concept).

    Raises:
        ValueError: There is no layer.

    Source: Fel et al. 2024, §2 and App. C.

    >>> import numpy as np
    >>> complexity(np.array([[0.0, 1.0], [0.5, 1.0]]))
    array([0.75, 0.  ])
    """
    (information,), restore = as_tensors(v_information)
    _refuse_no_layer(len(information))
    return restore(1 - information.mean(0))


def complexity_standard_error(jackknife: Float[Array, "layer concept group"]) -> Float[Array, "concept"]:
    """Standard error of K by the delete-a-group jackknife, from R² with each group of score images left out.

    `sqrt((G-1)/G · Σ_g (K_g - mean K)²)` with `K_g = 1 - mean over layers of R²_g`: the groups are the same images in
    every layer, so what the layers' errors share is counted. Before clipping at 0. NaN for a dead concept.

    Raises:
        ValueError: no layer.
    """
    (left_out,), restore = as_tensors(jackknife)
    _refuse_no_layer(len(left_out))
    return restore(jackknife_error(1 - left_out.mean(0)))


def complexity_interval(
    v_information: Float[Array, "layer concept"], jackknife: Float[Array, "layer concept group"]
) -> tuple[Any, Any]:
    """Return the ends of K's 95 % interval over images, `K ± t(G − 1) · error`, cut to [0, 1]; NaN for a dead concept.

    The error is the jackknife's as in `complexity_standard_error`, of R² clipped to [0, 1] layer by layer as K's I_V
    is: before clipping it would also count how far below 0 an R² lies, which K never sees.

    Args:
        v_information: I_V of each layer and concept.
        jackknife: R² without each group of images, not clipped.

    Raises:
        ValueError: no layer.

    >>> import numpy as np
    >>> low, high = complexity_interval(np.array([[0.5]]), np.array([[[0.49, 0.51]]]))   # t(1) is 12.7, the error .01
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.373], [0.627])
    """
    (left_out,), restore = as_tensors(jackknife)
    _refuse_no_layer(len(left_out))
    without = restore(1 - left_out.clamp(0, 1).mean(0))
    return jackknife_interval(complexity(v_information), without, within=(0.0, 1.0))


def _refuse_no_layer(n_layers: Any) -> None:
    if n_layers == 0:
        raise ValueError("wanted the V-information of at least one layer, got none; try a study with layers in K")
