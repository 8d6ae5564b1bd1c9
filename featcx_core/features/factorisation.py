"""Factorisation A ≈ Z D with codes Z >= 0 of many classes at once, in Gram form: the loop of `nmf` and `semi_nmf`.

Letters as in CRAFT (Fel et al. 2023): A activations (sample, unit), Z codes, D atoms (the dictionary). Codes are kept
transposed, (atom, sample), because hierarchical alternating least squares (HALS) updates one atom's codes at a time.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch.nn.functional import normalize

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.products import Products, class_products, residual

# Sweeps on the same Gram matrices: the products with A cost as much as six (4,000 x 512, 10 atoms).
_SWEEPS = 4
# Tolerance and momentum: one slow iteration may be followed by faster ones.
_SLOW_ITERATIONS = 2


class Factorisation(NamedTuple):
    """One factorisation per class, without its codes: images are encoded later, by all atoms (`nnls`)."""

    atoms: Float[Array, "class atom unit"]
    """D, each atom of unit L2 norm; a dead atom is all zeros."""
    relative_error: Float[Array, " class"]
    """||A - Z D||_F / ||A||_F, in [0, 1]; 0 for a class whose activations are all zero."""
    n_iterations: Int[Array, " class"]
    """Iterations until the class stopped, at most `max_iterations`."""
    dead: Bool[Array, "class atom"]
    """True for an atom that no sample uses; it is left at zero, not started again."""


class FactorisationState(NamedTuple):
    """State of factorisations that run side by side: of classes, or of one class's starts."""

    codes: torch.Tensor
    """(factorisation, atom, sample), zero beyond a class's last sample."""
    atoms: torch.Tensor
    """(factorisation, atom, unit)."""
    ahead: torch.Tensor
    """(factorisation, atom, unit), the atoms moved on along their last step."""
    objective: torch.Tensor
    """(factorisation,) ||A - Z D||²."""
    since_rise: torch.Tensor
    """(factorisation,) iterations since the objective last rose."""
    slow: torch.Tensor
    """(factorisation,) iterations in a row that lowered the objective by less than the tolerance."""

    @classmethod
    def at(cls, atoms: torch.Tensor, products: Products, *, n_samples: int) -> "FactorisationState":
        """Return the state before the first iteration, without codes."""
        zeros = atoms.new_zeros(len(atoms))
        return cls(atoms.new_zeros(*atoms.shape[:2], n_samples), atoms, atoms, products.energy + zeros, zeros, zeros)

    def kept(self, which: torch.Tensor) -> "FactorisationState":
        """Return the state of some of the factorisations."""
        return FactorisationState(*(values[which] for values in self))


def checked(
    acts: Sequence[Float[Array, "_ unit"]], *, n_atoms: int
) -> tuple[list[torch.Tensor], Callable[[torch.Tensor], Any]]:
    """Return the activations as tensors of at least float32, and the way back to the kind that was given.

    Raises:
        ValueError: If there is no class, a class has no sample, units differ, or atoms exceed units.
    """
    if not acts:
        raise ValueError("wanted activations of at least one class, got none")
    tensors, restore = as_tensors(*acts)
    if any(a.shape[0] == 0 or a.shape[1] != tensors[0].shape[1] for a in tensors):
        shapes = [tuple(a.shape) for a in tensors]
        raise ValueError(f"wanted classes of (sample, unit), the same units and at least one sample each, got {shapes}")
    if not 1 <= n_atoms <= tensors[0].shape[1]:
        raise ValueError(f"wanted 1 to {tensors[0].shape[1]} atoms (the number of units), got {n_atoms}")
    return [a.float() if a.dtype == torch.float16 else a for a in tensors], restore


def factorise(
    acts: list[torch.Tensor], starts: torch.Tensor, *, is_signed: bool, tolerance: float, max_iterations: int
) -> Factorisation:
    """Iterate from each class's start, (class, atom, unit), until it stops; stopped classes leave the batch.

    Atoms may go below zero where `is_signed`. A class's result does not depend on the other classes beyond rounding:
    shorter classes are padded with zero codes, which change no sum.
    """
    running = acts
    place = torch.arange(len(running), device=starts.device)
    products = class_products(running, torch.stack([torch.linalg.vector_norm(a).square() for a in running]))
    state = FactorisationState.at(starts, products, n_samples=max(a.shape[0] for a in running))
    atoms, relative_error, n_iterations = torch.zeros_like(starts), starts.new_zeros(len(running)), place.clone()
    for iteration in range(1, max_iterations + 1):
        state = iterate(state, products, is_signed=is_signed, sweeps=_SWEEPS, tolerance=tolerance)
        exact = state.objective <= 0.01 * torch.finfo(state.objective.dtype).eps * products.energy
        kept = (state.slow < _SLOW_ITERATIONS) & ~exact & (iteration < max_iterations)
        for i in (~kept).nonzero().flatten().tolist():
            at = place[i]
            atoms[at], relative_error[at] = _finished(running[i], state.codes[i], state.atoms[i])
            n_iterations[at] = iteration
        if not kept.any():
            break
        if not kept.all():
            running = [a for a, keep in zip(running, kept.tolist(), strict=True) if keep]
            place, products = place[kept], class_products(running, products.energy[kept])
            state = state.kept(kept)
            state = state._replace(codes=state.codes[..., : max(a.shape[0] for a in running)])
    return Factorisation(atoms, relative_error, n_iterations, (atoms == 0).all(dim=-1))


def iterate(
    state: FactorisationState, products: Products, *, is_signed: bool, sweeps: int, tolerance: float
) -> FactorisationState:
    """Update codes, then atoms; where that raised the objective, return the state before, without momentum."""
    momentum = (state.since_rise / (state.since_rise + 3))[:, None, None]
    lowest = -torch.inf if is_signed else 0.0  # of the atoms
    gram = state.ahead @ state.ahead.mT
    codes = _sweep(state.codes, gram=gram, targets=products.of_atoms(state.ahead), sweeps=sweeps)
    codes = codes.add_((codes - state.codes).mul_(momentum)).clamp_min_(0)
    gram, targets = products.of_codes(codes)
    atoms = _sweep(state.ahead, gram=gram, targets=targets.clone(), sweeps=sweeps, lowest=lowest)
    ahead = (atoms - state.atoms).mul_(momentum).add_(atoms).clamp_min_(lowest)
    # ||A - Z D||² = ||A||² - 2 <Z A, D> + <Z Z', D D'>: no pass over the activations
    objective = products.energy - 2 * (targets * atoms).sum((1, 2)) + (gram * (atoms @ atoms.mT)).sum((1, 2))
    if products.residual is not None:
        # close to an exact factorisation this difference of large sums is rounding error
        for i in (objective <= 100 * torch.finfo(objective.dtype).eps * products.energy).nonzero().flatten().tolist():
            objective[i] = products.residual(i, codes[i], atoms[i]).square()
    rose = objective > state.objective
    is_slow = state.objective - objective <= tolerance * state.objective
    # a rise under momentum does not make the plain iteration that follows slow
    slow = torch.where(is_slow & ~(rose & (state.since_rise > 0)), state.slow + 1, 0)
    new = FactorisationState(codes, atoms, ahead, objective, state.since_rise + 1, slow)
    if not rose.any():
        return new
    before = state._replace(ahead=state.atoms, since_rise=torch.zeros_like(state.since_rise), slow=slow)
    return FactorisationState(
        *(torch.where(rose.view(-1, *[1] * (b.ndim - 1)), b, n) for b, n in zip(before, new, strict=True)),
    )


def _sweep(
    rows: torch.Tensor, *, gram: torch.Tensor, targets: torch.Tensor, sweeps: int, lowest: float = 0.0
) -> torch.Tensor:
    """Sweep HALS over min_{X >= lowest} ½<X, G X> - <X, P>: row by row X_j <- max(lowest, X_j + (P_j - G_j X) / G_jj).

    P is `targets`, and is overwritten.
    """
    rows = rows.clone()
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    # A row without weight has G_j = P_j = 0 and stays the same; a row of almost no weight takes a shorter step.
    floor = diagonal.amax(dim=-1, keepdim=True) * torch.finfo(gram.dtype).eps + torch.finfo(gram.dtype).tiny
    scale = torch.maximum(diagonal, floor)[..., None]
    mixing = torch.eye(gram.shape[-1]).to(gram) - gram / scale
    steps = targets.div_(scale)
    parts = [(steps[:, j : j + 1], mixing[:, j : j + 1], rows[:, j : j + 1]) for j in range(rows.shape[1])]
    for _ in range(sweeps):
        for step, mix, row in parts:
            torch.clamp_min(torch.baddbmm(step, mix, rows), lowest, out=row)
    return rows


def _finished(acts: torch.Tensor, codes: torch.Tensor, atoms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return atoms of unit norm, zero where no sample uses them, and the relative error from the residual itself."""
    norms = torch.linalg.vector_norm(acts)
    error = residual(acts, codes, atoms) / torch.where(norms > 0, norms, 1)
    used = (codes > 0).any(dim=1, keepdim=True)
    return torch.where(used, normalize(atoms, dim=1), 0), error
