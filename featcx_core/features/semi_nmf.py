"""Semi-non-negative matrix factorisation A ≈ Z D, for signed activations: codes Z >= 0, atoms D of either sign."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch.nn.functional import normalize, one_hot

from featcx_core.arrays import Array
from featcx_core.features.factorisation import Factorisation, checked, factorise
from featcx_core.features.starts import N_STARTS, SAMPLES, best_starts, drawn

_ROUNDS = 10  # of the clustering behind the starts


def semi_nmf(
    acts: Sequence[Float[Array, "_ unit"]],
    *,
    n_atoms: int,
    seed: int = 0,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
) -> Factorisation:
    """Factorise the activations of every class, min_{Z >= 0, D} ||A - Z D||_F, all classes in one batched loop.

    The iterations are those of `nmf`, with atoms that may go below zero.

    The minimum is a set: for any invertible matrix Q >= 0, the atoms Q⁻¹D with the codes ZQ fit equally well, and their
    cones are wider. So each of the six starts lies within the data: its atoms are the centres of clusters of the
    samples' directions. Atoms then move outwards only as far as samples lie beyond them, and codes stay sparse.

    Args:
        acts: Per class (sample, unit), of either sign, any number of samples; they are read in place, not copied
            (float16 is computed in float32).
        n_atoms: Atoms per class.
        seed: Decides the starts.
        tolerance: Relative decrease of the objective at which a class stops.
        max_iterations: Upper bound of iterations, without those of the starts.

    Raises:
        ValueError: If there is no class, a class has no sample, units differ, or atoms exceed units.

    Source: Ding, Li & Jordan 2010 (the problem, and starts from clusters); for the solver as `nmf`; Arthur &
    Vassilvitskii 2007 and Dhillon & Modha 2001 (clusters of directions).

    >>> import numpy as np
    >>> result = semi_nmf([np.array([[3.0, -4.0], [6.0, -8.0]])], n_atoms=1)
    >>> result.atoms.round(3).tolist(), result.relative_error.round(3).tolist()
    ([[[0.6, -0.8]]], [0.0])
    """
    tensors, restore = checked(acts, n_atoms=n_atoms)
    starts = best_starts(tensors, _begin, is_signed=True, n_atoms=n_atoms, seed=seed)
    result = factorise(tensors, starts, is_signed=True, tolerance=tolerance, max_iterations=max_iterations)
    return Factorisation(*map(restore, result))


def _begin(projected: torch.Tensor, basis: torch.Tensor, n_atoms: int, generator: torch.Generator) -> torch.Tensor:
    """Return centres of clusters of the samples' directions; a sample weighs its length."""
    samples = drawn(projected, SAMPLES * n_atoms, generator=generator)
    centres = _far_apart(samples, n_atoms=n_atoms, generator=generator)
    directions = normalize(samples, dim=1)
    for _ in range(_ROUNDS):
        members = one_hot((centres @ directions.T).argmax(dim=1), n_atoms).to(samples)  # (start, sample, atom)
        sums = members.mT @ samples
        centres = torch.where(sums.norm(dim=2, keepdim=True) > 0, normalize(sums, dim=2), centres)
    return centres @ basis.T


def _far_apart(samples: torch.Tensor, *, n_atoms: int, generator: torch.Generator) -> torch.Tensor:
    """Draw samples' directions, (start, atom, unit), each by squared length times distance to the nearest before it."""
    directions = normalize(samples, dim=1)
    weights = samples.square().sum(dim=1)
    nearest = -torch.ones(N_STARTS, len(samples)).to(samples)  # cosine with the nearest direction so far
    centres = []
    for _ in range(n_atoms):
        ends = (weights * (1 - nearest).clamp_min(0)).cpu().double().cumsum(dim=1)
        at = torch.rand(N_STARTS, 1, generator=generator, dtype=ends.dtype) * ends[:, -1:]
        chosen = torch.searchsorted(ends, at, right=True).clamp_max(len(samples) - 1)[:, 0]
        centres.append(directions[chosen.to(samples.device)])
        nearest = torch.maximum(nearest, centres[-1] @ directions.T)
    return torch.stack(centres, dim=1)
