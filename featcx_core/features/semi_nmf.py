"""Semi-non-negative matrix factorisation A ≈ Z D, for signed activations: codes Z >= 0, atoms D of either sign."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch.nn.functional import normalize, one_hot

from featcx_core.arrays import Array
from featcx_core.features.factorisation import Factorisation, checked, factorise
from featcx_core.features.starts import N_STARTS, SAMPLES, best_starts, drawn

_ROUNDS = 10  # of the clustering that the starts come from


def semi_nmf(
    acts: Sequence[Float[Array, "_ unit"]],
    *,
    n_atoms: int,
    seed: int = 0,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
) -> Factorisation:
    """Factorise the activations of every class, min_{Z >= 0, D} ||A - Z D||_F, all classes in one batched loop.

    The iterations of `nmf`, with atoms that may go below zero.

    The minimum is a set: for any matrix Q >= 0 with an inverse, the atoms Q⁻¹D with the codes ZQ fit as well, and hold
    wider cones. So each of the six starts is within the data, the centres of clusters of the samples' directions: atoms
    move outwards only as far as samples lie beyond them, and codes stay sparse.

    Args:
        acts: Per class (sample, unit), of either sign, any number of samples; they are read in place, not copied
            (float16 is computed in float32).
        n_atoms: Atoms per class.
        seed: Of the starts.
        tolerance: Relative decrease of the objective at which a class stops.
        max_iterations: Upper bound of iterations (those of the starts do not count).

    Raises:
        ValueError: If there is no class, a class has no sample, units differ, or atoms exceed units.

    Source: Ding, Li & Jordan 2010 (the problem, and starts from clusters); the solver's as in `nmf`; Arthur &
    Vassilvitskii 2007 and Dhillon & Modha 2001 (clusters of directions).

    >>> import numpy as np
    >>> result = semi_nmf([np.array([[3.0, -4.0], [6.0, -8.0]])], n_atoms=1)
    >>> result.atoms.round(3).tolist(), result.relative_error.round(3).tolist()
    ([[[0.6, -0.8]]], [0.0])
    """
    tensors, restore = checked(acts, n_atoms=n_atoms)
    starts = best_starts(tensors, _begin, is_signed=True, n_atoms=n_atoms, seed=seed)
    found = factorise(tensors, starts, is_signed=True, tolerance=tolerance, max_iterations=max_iterations)
    return Factorisation(*map(restore, found))


def _begin(projected: torch.Tensor, basis: torch.Tensor, n_atoms: int, generator: torch.Generator) -> torch.Tensor:
    """Centres of clusters of the samples' directions, each sample of the weight of its length."""
    samples = drawn(projected, SAMPLES * n_atoms, generator=generator)
    centres = _far_apart(samples, n_atoms=n_atoms, generator=generator)
    directions = normalize(samples, dim=1)
    for _ in range(_ROUNDS):
        members = one_hot((centres @ directions.T).argmax(dim=1), n_atoms).to(samples)  # (start, sample, atom)
        sums = members.mT @ samples
        centres = torch.where(sums.norm(dim=2, keepdim=True) > 0, normalize(sums, dim=2), centres)
    return centres @ basis.T


def _far_apart(samples: torch.Tensor, *, n_atoms: int, generator: torch.Generator) -> torch.Tensor:
    """Directions of samples, (start, atom, unit), each drawn by squared length times distance to those before it."""
    directions = normalize(samples, dim=1)
    weights = samples.square().sum(dim=1)
    nearest = -torch.ones(N_STARTS, len(samples)).to(samples)  # its cosine with the nearest of those before it
    centres = []
    for _ in range(n_atoms):
        ends = (weights * (1 - nearest).clamp_min(0)).cpu().double().cumsum(dim=1)
        at = torch.rand(N_STARTS, 1, generator=generator, dtype=ends.dtype) * ends[:, -1:]
        chosen = torch.searchsorted(ends, at, right=True).clamp_max(len(samples) - 1)[:, 0]
        centres.append(directions[chosen.to(samples.device)])
        nearest = torch.maximum(nearest, centres[-1] @ directions.T)
    return torch.stack(centres, dim=1)
