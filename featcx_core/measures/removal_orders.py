"""Orders in which concepts are removed: the paper's order and its controls."""

import numpy as np
from jaxtyping import Float, Float64, Int64

from featcx_core.arrays import Array, as_tensors

N_RANDOM_ORDERS = 20
"""Random orders behind the control `random`: a curve lies beyond all of them by chance in 1 of 21 cases."""


def removal_orders(
    complexity: Float[Array, "concept"], importance: Float[Array, "concept"], *, seed: int
) -> dict[str, Int64[np.ndarray, "order concept"]]:
    """Return orders in which concepts are removed, first to last, by name: one of each, and several of `random`.

    `complexity_descending` removes the most complex first, `complexity_ascending` the simplest, `importance_descending`
    the most important; `random` is seeded. A concept without a complexity (NaN: dead) is removed before all others, in
    every order alike: it is active on too few images to have a place, and its removal costs next to nothing. Ties go
    by the concepts' numbers.

    >>> import numpy as np
    >>> orders = removal_orders(np.array([0.2, 0.9, np.nan, 0.4]), np.array([3.0, 1.0, 0.0, 2.0]), seed=0)
    >>> orders["complexity_descending"].tolist(), orders["importance_descending"].tolist()
    ([[2, 1, 3, 0]], [[2, 0, 3, 1]])
    """
    (k, gamma), _ = as_tensors(complexity, importance)
    values = {
        "complexity_descending": -k.cpu().double().numpy(),
        "complexity_ascending": k.cpu().double().numpy(),
        "importance_descending": -gamma.cpu().double().numpy(),
    }
    is_dead = np.isnan(values["complexity_ascending"])

    def ranked(keys: Float64[np.ndarray, "concept"]) -> Int64[np.ndarray, "concept"]:
        return np.argsort(np.where(is_dead, -np.inf, keys), kind="stable")

    orders = {name: ranked(keys)[None] for name, keys in values.items()}
    chance = np.random.default_rng(seed).random((N_RANDOM_ORDERS, len(is_dead)))
    return orders | {"random": np.stack([ranked(keys) for keys in chance])}
