"""Effective number of layers: how many different things the layers' V-information says about concepts."""

import numpy as np
from jaxtyping import Float

from featcx_core.arrays import Array, as_tensors


def effective_layers(v_information: Float[Array, "layer concept"]) -> float:
    """Return the effective number of layers behind K, between 1 and the number of layers.

    `tr(R)² / tr(R²)`, R (layer, layer) the correlations of the layers' I_V over concepts: the participation ratio of
    R's eigenvalues λ, `(Σ λ)² / Σ λ²`. 1: all layers rank the concepts alike, so that K is one of them; the number of
    layers: they have nothing to do with each other. Concepts without a value at some layer (NaN: dead) are left out.
    On n independent concepts the expectation of tr(R²) is L + L(L - 1)/(n - 1), so few concepts make it too low.
    NaN where a layer says the same of all concepts. Arithmetic in float64.

    Raises:
        ValueError: no layer, or fewer than three concepts that have a value at every layer.

    >>> import numpy as np
    >>> effective_layers(np.array([[0.1, 0.2, 0.3], [0.2, 0.4, 0.6]]))
    1.0
    """
    (tensor,), _ = as_tensors(v_information)
    information = tensor.cpu().double().numpy()
    information = information[:, np.isfinite(information).all(axis=0)]
    n_layers, n_concepts = information.shape
    if n_layers < 1 or n_concepts < 3:
        raise ValueError(
            f"wanted at least 1 layer and 3 concepts with a value at each, got {n_layers} and {n_concepts}; "
            "try a dictionary with more atoms"
        )
    moved = information - information[:, :1]  # first, so that a constant layer becomes exact zeros
    moved = moved - moved.mean(axis=1, keepdims=True)
    length = np.linalg.norm(moved, axis=1)
    if not (length > 0).all():
        return float("nan")
    directions = moved / length[:, None]
    correlations = directions @ directions.T
    return float(np.trace(correlations) ** 2 / np.square(correlations).sum())
