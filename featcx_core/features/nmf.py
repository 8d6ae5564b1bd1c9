"""Non-negative matrix factorisation A ≈ Z D of many classes at once, by HALS in Gram form.

Letters as in CRAFT (Fel et al. 2023): A activations (sample, unit), Z codes, D atoms (the dictionary). Codes are kept
transposed, (atom, sample), because HALS updates one atom's codes at a time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int

from featcx_core.arrays import Array, as_tensors

# Two sweeps on the same Gram matrices: the products with A cost as much as ten sweeps (4,000 x 512, 10 atoms).
_SWEEPS = 2


class NMF(NamedTuple):
    """One factorisation per class; codes are not kept (they are found again, over all atoms, by `nnls`)."""

    atoms: Float[Array, "class atom unit"]
    """D >= 0, each atom of unit L2 norm; a dead atom is all zeros."""
    relative_error: Float[Array, " class"]
    """||A - Z D||_F / ||A||_F, in [0, 1]; 0 for a class whose activations are all zero."""
    n_iterations: Int[Array, " class"]
    """Iterations until the class stopped; `max_iterations` where it was cut off."""
    dead: Bool[Array, "class atom"]
    """Atoms that no sample uses. They are left at zero, not seeded again, and counted."""


class _Running(NamedTuple):
    """The classes that have not stopped yet; a stopped class is taken out, so no class waits for another."""

    place: torch.Tensor  # (class,) where in the result
    acts: list[torch.Tensor]
    codes: torch.Tensor  # (class, atom, sample), zero beyond a class's own samples
    atoms: torch.Tensor  # (class, atom, unit)
    energy: torch.Tensor  # (class,) ||A||²
    objective: torch.Tensor  # (class,) ||A - Z D||² after the previous iteration


def nmf(
    acts: Sequence[Float[Array, "_ unit"]],
    *,
    n_atoms: int,
    seed: int = 0,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
) -> NMF:
    """Factorise the activations of every class, min_{Z, D >= 0} ||A - Z D||_F, all classes in one batched loop.

    Hierarchical alternating least squares: with G = Z'Z and P = Z'A, atom by atom
    D_j <- max(0, D_j + (P_j - G_j D) / G_jj), and the same for Z with DD' and DA'. A class stops when an iteration
    lowers its ||A - Z D||² by less than `tolerance` of it (the paper's solver: block coordinate descent, 1e-4).
    A class's result does not depend on the classes beside it beyond rounding: shorter classes are padded with zero
    codes, which change no sum, and every class starts from the same random numbers.

    Args:
        acts: Per class (sample, unit), >= 0, any number of samples; they are read in place, not copied
            (float16 is computed in float32).
        n_atoms: Atoms per class.
        seed: Of the random projection behind the start.
        tolerance: Relative decrease of the objective at which a class stops.
        max_iterations: Upper bound of iterations.

    Raises:
        ValueError: If there is no class, a class has no sample, units differ, or atoms exceed units.

    Source: Cichocki & Phan 2009 (HALS); Gillis & Glineur 2012 (several sweeps per product).

    >>> import numpy as np
    >>> result = nmf([np.array([[3.0, 4.0], [6.0, 8.0]])], n_atoms=1)
    >>> result.atoms.round(3).tolist(), result.relative_error.round(3).tolist()
    ([[[0.6, 0.8]]], [0.0])
    """
    if not acts:
        raise ValueError("wanted activations of at least one class, got none")
    tensors, restore = as_tensors(*acts)
    if any(a.shape[0] == 0 or a.shape[1] != tensors[0].shape[1] for a in tensors):
        shapes = [tuple(a.shape) for a in tensors]
        raise ValueError(f"wanted classes of (sample, unit), the same units and at least one sample each, got {shapes}")
    if not 1 <= n_atoms <= tensors[0].shape[1]:
        raise ValueError(f"wanted 1 to {tensors[0].shape[1]} atoms (the number of units), got {n_atoms}")
    running = _start([a.float() if a.dtype == torch.float16 else a for a in tensors], n_atoms=n_atoms, seed=seed)
    atoms = torch.zeros_like(running.atoms)
    relative_error = torch.zeros_like(running.energy)
    n_iterations = torch.zeros_like(running.place)
    for iteration in range(1, max_iterations + 1):
        running, stopped = _iterate(running, tolerance=tolerance)
        if iteration == max_iterations:
            stopped = torch.ones_like(stopped)
        for i in stopped.nonzero().flatten().tolist():
            at = running.place[i]
            atoms[at], relative_error[at] = _finished(running.acts[i], running.codes[i], running.atoms[i])
            n_iterations[at] = iteration
        if stopped.any():
            running = _without(running, stopped)
        if not running.acts:
            break
    return NMF(restore(atoms), restore(relative_error), restore(n_iterations), restore((atoms == 0).all(dim=-1)))


def _start(acts: list[torch.Tensor], *, n_atoms: int, seed: int) -> _Running:
    atoms = torch.stack([_starting_atoms(a, n_atoms=n_atoms, seed=seed) for a in acts])
    codes = atoms.new_zeros(len(acts), n_atoms, max(a.shape[0] for a in acts))
    energy = torch.stack([torch.linalg.vector_norm(a).square() for a in acts])
    return _Running(torch.arange(len(acts), device=atoms.device), acts, codes, atoms, energy, energy)


def _starting_atoms(acts: torch.Tensor, *, n_atoms: int, seed: int) -> torch.Tensor:
    """NNDSVD (Boutsidis & Gallopoulos 2008): each singular vector's stronger sign, zeros filled with the atom's mean.

    The codes start at zero, not at NNDSVD's own: from those, dense activations ended in objectives 10 % higher.
    The singular vectors come from a randomised range finder (Halko et al. 2011, three rounds).
    """
    n_units = acts.shape[1]
    random = torch.randn(n_units, n_atoms + 8, generator=torch.Generator().manual_seed(seed))
    basis = random[:, :n_units].to(acts)
    for _ in range(3):
        basis = torch.linalg.qr((acts.T @ (acts @ basis)).cpu().double()).Q.to(acts)
    projected = acts @ basis
    rotation = torch.linalg.eigh((projected.T @ projected).cpu().double()).eigenvectors.flip(1)[:, :n_atoms].to(acts)
    right, left = (basis @ rotation).T, (projected @ rotation).T
    positive = left.clamp_min(0).norm(dim=1) * right.clamp_min(0).norm(dim=1)
    negative = left.clamp_max(0).norm(dim=1) * right.clamp_max(0).norm(dim=1)
    atoms = torch.where((positive >= negative)[:, None], right, -right).clamp_min(0)
    return torch.where(atoms > 0, atoms, atoms.mean(dim=1, keepdim=True))


def _iterate(running: _Running, *, tolerance: float) -> tuple[_Running, torch.Tensor]:
    """One round of codes, then atoms; and which classes have stopped (their atoms stay those of their codes).

    Sums over samples run class by class on unpadded arrays, so that their rounding does not depend on the batch.
    """
    acts, atoms = running.acts, running.atoms
    gram = torch.stack([d @ d.T for d in atoms])
    targets = torch.zeros_like(running.codes)
    for target, a, d in zip(targets, acts, atoms, strict=True):
        target[:, : a.shape[0]] = (a @ d.T).T
    codes = _sweep(running.codes, gram=gram, targets=targets)
    own = [z[:, : a.shape[0]] for z, a in zip(codes, acts, strict=True)]
    codes_gram = torch.stack([z @ z.T for z in own])
    # ||A - Z D||² = ||A||² - 2 <Z, A D'> + <Z'Z, D D'>: no pass over the activations
    inner = torch.stack([(z * t[:, : z.shape[1]]).sum() for z, t in zip(own, targets, strict=True)])
    objective = running.energy - 2 * inner + (codes_gram * gram).sum((1, 2))
    # below this the difference of large sums is rounding
    noise = 10 * torch.finfo(objective.dtype).eps * running.energy
    stopped = (running.objective - objective <= tolerance * running.objective) | (objective <= noise)
    products = torch.stack([z @ a for z, a in zip(own, acts, strict=True)])
    new_atoms = torch.where(stopped[:, None, None], atoms, _sweep(atoms, gram=codes_gram, targets=products))
    return running._replace(codes=codes, atoms=new_atoms, objective=objective), stopped


def _sweep(rows: torch.Tensor, *, gram: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """HALS sweeps of min_{X >= 0} ½<X, G X> - <X, P>, row by row: X_j <- max(0, X_j + (P_j - G_j X) / G_jj)."""
    rows = rows.clone()
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    # A row without weight has G_j = P_j = 0 and stays as it is; a row of almost none takes a shorter step.
    floor = diagonal.amax(dim=-1, keepdim=True) * torch.finfo(gram.dtype).eps + torch.finfo(gram.dtype).tiny
    scale = torch.maximum(diagonal, floor)[..., None]
    mixing = torch.eye(gram.shape[-1]).to(gram) - gram / scale
    steps = targets / scale
    for _ in range(_SWEEPS):
        for j in range(rows.shape[1]):
            row = torch.bmm(mixing[:, j : j + 1], rows)[:, 0]
            torch.clamp_min(row.add_(steps[:, j]), 0, out=rows[:, j])
    return rows


def _finished(acts: torch.Tensor, codes: torch.Tensor, atoms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Atoms of unit norm (zero where no sample uses them) and the relative error, from the residual itself."""
    codes = codes[:, : acts.shape[0]]
    norms = torch.linalg.vector_norm(acts)
    error = torch.linalg.vector_norm(acts - codes.T @ atoms) / torch.where(norms > 0, norms, 1)
    used = (codes > 0).any(dim=1, keepdim=True)
    return torch.where(used, torch.nn.functional.normalize(atoms, dim=1), 0), error


def _without(running: _Running, stopped: torch.Tensor) -> _Running:
    kept = ~stopped
    acts = [a for a, keep in zip(running.acts, kept.tolist(), strict=True) if keep]
    return _Running(
        running.place[kept],
        acts,
        running.codes[kept][..., : max((a.shape[0] for a in acts), default=0)],
        running.atoms[kept],
        running.energy[kept],
        running.objective[kept],
    )
