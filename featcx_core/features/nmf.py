"""Non-negative matrix factorisation A ≈ Z D of many classes at once; the loop is `factorisation.factorise`."""

from collections.abc import Sequence

import torch
from jaxtyping import Float

from featcx_core.arrays import Array
from featcx_core.features.factorisation import Factorisation, checked, factorise
from featcx_core.features.starts import N_STARTS, best_starts


def nmf(
    acts: Sequence[Float[Array, "_ unit"]],
    *,
    n_atoms: int,
    seed: int = 0,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
) -> Factorisation:
    """Factorise the activations of every class, min_{Z, D >= 0} ||A - Z D||_F, all classes in one batched loop.

    Hierarchical alternating least squares: with G = Z'Z and P = Z'A, atom by atom
    D_j <- max(0, D_j + (P_j - G_j D) / G_jj), and the same for Z with DD' and DA'. Both factors then move on along
    their last step, by k / (k + 3) of it in the k-th iteration since the objective last rose; an iteration that raises
    the objective is taken back. A class stops when two iterations in a row lower its ||A - Z D||² by less than
    `tolerance` of it (the paper's solver: block coordinate descent, 1e-4).

    The minima are local, so there are six starts, NNDSVD's and five random ones. They run up to 15 iterations on
    A ≈ A V V', V its leading singular vectors; of a large class on 400 samples an atom. The best start continues on A.
    A class's result does not depend on the other classes beyond rounding: shorter classes are padded with zero codes,
    which change no sum, and every class starts from the same random numbers.

    Args:
        acts: Per class (sample, unit), >= 0, any number of samples; they are read in place, not copied
            (float16 is computed in float32).
        n_atoms: Atoms per class.
        seed: Decides the starts.
        tolerance: Relative decrease of the objective at which a class stops.
        max_iterations: Upper bound of iterations, without those of the starts.

    Raises:
        ValueError: If there is no class, a class has no sample, units differ, or atoms exceed units.

    Source: Cichocki & Phan 2009 (HALS); Gillis & Glineur 2012 (several sweeps per product); Ang & Gillis 2019
    (extrapolation, taken back where the objective rises), with the step lengths of O'Donoghue & Candès 2015;
    Tepper & Sapiro 2016 (compressed NMF); Frieze, Kannan & Vempala 2004 (samples drawn by their squared length).

    >>> import numpy as np
    >>> result = nmf([np.array([[3.0, 4.0], [6.0, 8.0]])], n_atoms=1)
    >>> result.atoms.round(3).tolist(), result.relative_error.round(3).tolist()
    ([[[0.6, 0.8]]], [0.0])
    """
    tensors, restore = checked(acts, n_atoms=n_atoms)
    starts = best_starts(tensors, _begin, is_signed=False, n_atoms=n_atoms, seed=seed)
    result = factorise(tensors, starts, is_signed=False, tolerance=tolerance, max_iterations=max_iterations)
    return Factorisation(*map(restore, result))


def _begin(projected: torch.Tensor, basis: torch.Tensor, n_atoms: int, generator: torch.Generator) -> torch.Tensor:
    """Return the starts' atoms: NNDSVD's, then random ones at the level of the mean activation."""
    level = (projected.mean(dim=0) @ basis.T).clamp_min(0)
    random = torch.rand(N_STARTS - 1, n_atoms, len(basis), generator=generator).to(basis) * level
    return torch.cat([_leading_atoms(projected, basis, n_atoms=n_atoms)[None], random])


def _leading_atoms(projected: torch.Tensor, basis: torch.Tensor, *, n_atoms: int) -> torch.Tensor:
    """Return NNDSVD's atoms (Boutsidis & Gallopoulos 2008): each singular vector's stronger sign, zeros at its mean.

    Codes start at zero, not at NNDSVD's codes, from which dense activations ended in objectives 10 % higher.
    """
    rotation = torch.linalg.eigh((projected.T @ projected).cpu().double()).eigenvectors.flip(1)[:, :n_atoms]
    right, left = (basis @ rotation.to(basis)).T, (projected @ rotation.to(basis)).T
    positive = left.clamp_min(0).norm(dim=1) * right.clamp_min(0).norm(dim=1)
    negative = left.clamp_max(0).norm(dim=1) * right.clamp_max(0).norm(dim=1)
    atoms = torch.where((positive >= negative)[:, None], right, -right).clamp_min(0)
    leading: torch.Tensor = torch.where(atoms > 0, atoms, atoms.mean(dim=1, keepdim=True))
    return leading
