"""Ablations of a layer: units clamped after the activation, or directions projected out, some after the other.

Units are clamped, whole feature maps at a time, to zero or to their mean [Morcos, Barrett, Rabinowitz, Botvinick, *On
the importance of single directions for generalization*, ICLR 2018]; directions are projected out at every position.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

Edit: TypeAlias = Callable[[Tensor], Tensor]
"""Makes new activations of a layer's, both (image, …, unit)."""
_DEPENDENT = 1e-6  # length that is left of a unit vector which depends on the ones before it, but for rounding


class Plan(NamedTuple):
    """Ablations, each once, and the places in them of the steps of all orders."""

    edits: tuple[Edit | None, ...]
    """Of the layer's activations; the first is None: nothing is ablated."""
    places: dict[str, Int64[np.ndarray, "order step"]]
    """By name of the order: which of the edits each step is. All orders share the edits of none and of all."""
    n_ablated: Int64[np.ndarray, "step"]
    """Units or directions that are ablated at each step, round(share · their number)."""


def ablate_units(
    orders: Mapping[str, Int[np.ndarray, "order unit"]],
    shares: Float[np.ndarray, "step"],
    *,
    value: Float[Tensor, "unit"],
) -> Plan:
    """Plan the cumulative ablation of units: the first ones of each order are clamped.

    Args:
        orders: units by name of the order, the first to go first.
        shares: of units that are ablated, in [0, 1].
        value: what each is clamped to, zero or its mean; on the network's device.

    Raises:
        ValueError: an order that does not name every unit once, or a share outside [0, 1].

    >>> plan = ablate_units({"random": np.array([[1, 0]])}, np.array([0.0, 0.5, 1.0]), value=torch.zeros(2))
    >>> plan.places["random"].tolist(), plan.edits[1](torch.tensor([[3.0, 4.0]])).tolist()
    ([[0, 1, 2]], [[3.0, 0.0]])
    """

    def first(order: Int64[np.ndarray, "unit"]) -> Callable[[int], Edit]:
        rank = torch.from_numpy(np.argsort(order)).to(value.device)
        return lambda n: partial(clamp_units, ablated=rank < n, value=value)

    return _planned(orders, shares, first, n_items=len(value), what="unit")


def ablate_directions(
    orders: Mapping[str, Int[np.ndarray, "order direction"]],
    shares: Float[np.ndarray, "step"],
    *,
    directions: Float[np.ndarray, "direction unit"],
    value: Float[Tensor, "unit"],
) -> Plan:
    """Plan the cumulative ablation of directions: the span of the first ones of each order is projected out.

    Where directions are more than units, or dependent, nothing is left of the activations before all are ablated.

    Args:
        orders: directions by name of the order, the first to go first.
        shares: of directions that are ablated, in [0, 1].
        directions: of any length, (direction, unit): a dictionary's atoms, or random ones.
        value: whose coordinate along the directions takes the place of the activations': zeros, or the layer's mean;
            on the network's device.

    Raises:
        ValueError: an order that does not name every direction once, a share outside [0, 1], a direction of length 0.

    >>> plan = ablate_directions({"random": np.array([[0]])}, np.array([1.0]), directions=np.array([[3.0, 3.0]]),
    ...                          value=torch.zeros(2))
    >>> plan.edits[1](torch.tensor([[2.0, 0.0]]))
    tensor([[ 1.0000, -1.0000]])
    """
    if not (np.linalg.norm(directions, axis=1) > 0).all():
        raise ValueError("wanted directions of a length above 0, got one of length 0; try leaving dead concepts out")

    def first(order: Int64[np.ndarray, "direction"]) -> Callable[[int], Edit]:
        basis, ranks = orthonormal(directions[order])
        columns = torch.from_numpy(basis).to(value)
        return lambda n: partial(clamp_directions, basis=columns[:, : int(ranks[n - 1])], value=value)

    return _planned(orders, shares, first, n_items=len(directions), what="direction")


def _planned(
    orders: Mapping[str, Int[np.ndarray, "order item"]],
    shares: Float[np.ndarray, "step"],
    first: Callable[[Int[np.ndarray, "item"]], Callable[[int], Edit]],
    *,
    n_items: int,
    what: str,
) -> Plan:
    """Plan every ablation once; `first` gives, for an order, the ablation of its first n items."""
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"wanted shares from 0 to 1, got {shares.min()} to {shares.max()}; try np.linspace(0, 1, 11)")
    n_ablated = np.round(shares * n_items).astype(np.int64)
    edits: list[Edit | None] = [None]
    place_of: dict[object, int] = {0: 0}
    places: dict[str, np.ndarray] = {}
    for name, group in orders.items():
        if group.shape[1:] != (n_items,) or not (np.sort(group, axis=1) == np.arange(n_items)).all():
            raise ValueError(f"wanted order {name} to name each of {n_items} {what}s once; try argsort")
        places[name] = np.zeros((len(group), len(n_ablated)), dtype=np.int64)
        for number, order in enumerate(group):
            ablate = first(order)
            for step, n in enumerate(n_ablated.tolist()):
                key = n if n in (0, n_items) else (name, number, n)  # all orders share the two ends
                if key not in place_of:
                    place_of[key] = len(edits)
                    edits.append(ablate(n))
                places[name][number, step] = place_of[key]
    return Plan(tuple(edits), places, n_ablated)


def clamp_units(acts: Tensor, *, ablated: Bool[Tensor, "unit"], value: Float[Tensor, "unit"]) -> Tensor:
    """Return activations (image, …, unit) with some units at a fixed value.

    >>> clamp_units(torch.tensor([[1.0, 2.0]]), ablated=torch.tensor([True, False]), value=torch.zeros(2))
    tensor([[0., 2.]])
    """
    return torch.where(ablated, value.to(acts), acts)


def clamp_directions(acts: Tensor, *, basis: Float[Tensor, "unit rank"], value: Float[Tensor, "unit"]) -> Tensor:
    """Return activations x (image, …, unit) with x - BB'(x - value): their part in the span of B's columns is value's.

    >>> clamp_directions(torch.tensor([[1.0, 2.0]]), basis=torch.tensor([[0.0], [1.0]]), value=torch.zeros(2))
    tensor([[1., 0.]])
    """
    columns = basis.to(acts)
    return acts - (acts - value.to(acts)) @ columns @ columns.T


def orthonormal(
    directions: Float[np.ndarray, "direction unit"],
) -> tuple[Float[np.ndarray, "unit rank"], Int64[np.ndarray, "direction"]]:
    """Return an orthonormal basis whose first columns span the first directions, and how many columns the first 1, 2, …
    directions take.

    Gram-Schmidt, twice [Giraud, Langou, Rozložník, *The loss of orthogonality in the Gram-Schmidt orthogonalization
    process*, 2005]; a direction that depends on earlier ones takes none.

    >>> orthonormal(np.array([[2.0, 0.0], [1.0, 0.0], [1.0, 1.0]]))[1].tolist()
    [1, 1, 2]
    """
    n_directions, n_units = directions.shape
    basis = np.zeros((n_units, min(n_directions, n_units)))
    ranks = np.zeros(n_directions, dtype=np.int64)
    rank = 0
    for place, direction in enumerate(directions.astype(np.float64)):
        if rank < basis.shape[1]:
            left = direction / np.linalg.norm(direction)
            for _ in range(2):
                left = left - basis[:, :rank] @ (basis[:, :rank].T @ left)
            length = np.linalg.norm(left)
            if length > _DEPENDENT:
                basis[:, rank] = left / length
                rank += 1
        ranks[place] = rank
    return basis[:, :rank], ranks
