"""Non-negative matrix factorisation A ≈ Z D of many classes at once, by HALS in Gram form.

Letters as in CRAFT (Fel et al. 2023): A activations (sample, unit), Z codes, D atoms (the dictionary). Codes are kept
transposed, (atom, sample), because HALS updates one atom's codes at a time. The minima are local: several starts run
side by side on a cheap stand-in for A, and only the best of them goes on, on A itself.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch.nn.functional import normalize, pad

from featcx_core.arrays import Array, as_tensors

# Sweeps on the same Gram matrices: the products with A cost as much as six (4,000 x 512, 10 atoms).
_SWEEPS = 4
# Tolerance and momentum: one slow iteration may be followed by faster ones.
_SLOW_ITERATIONS = 2
# Starts, iterations of each, after how many the worse half is given up, sweeps, and samples for each atom. On planted
# data one start ends up to 1 % above the best minimum known, six on average 0.05 % below scikit-learn's.
_STARTS = 6
_START_ITERATIONS = 15
_TRIAL_ITERATIONS = 5
_START_SWEEPS = 2
_START_SAMPLES = 400
# Samples, over all classes whose starts run in one batch: small classes one by one are thousands of tiny calls.
_STARTS_TOGETHER = 4096


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


class _State(NamedTuple):
    """Factorisations that run side by side: of classes, or of one class's starts."""

    codes: torch.Tensor  # (factorisation, atom, sample), zero beyond a class's own samples
    atoms: torch.Tensor  # (factorisation, atom, unit)
    ahead: torch.Tensor  # the atoms, moved on along their last step
    objective: torch.Tensor  # (factorisation,) ||A - Z D||²
    since_rise: torch.Tensor  # (factorisation,) iterations since the objective last rose
    slow: torch.Tensor  # (factorisation,) iterations in a row that lowered it by less than the tolerance


class _Products(NamedTuple):
    """How a factorisation sees its A."""

    energy: torch.Tensor  # (factorisation,) ||A||²
    of_atoms: Callable[[torch.Tensor], torch.Tensor]  # D -> D A', (factorisation, atom, sample)
    of_codes: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]  # Z -> Z Z' and Z A
    residual: Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor] | None  # of one: i, Z, D -> ||A - Z D||


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
    D_j <- max(0, D_j + (P_j - G_j D) / G_jj), and the same for Z with DD' and DA'. Both factors are then moved on along
    their last step, by k / (k + 3) of it in the k-th iteration since the objective last rose; an iteration that raises
    it is taken back. A class stops when two iterations in a row lower its ||A - Z D||² by less than `tolerance` of it
    (the paper's solver: block coordinate descent, 1e-4).

    The minima are local, so six starts, NNDSVD's and five random ones, run up to 15 iterations on A ≈ A V V', V its
    leading singular vectors, and, of a large class, on 400 samples for each atom; the best goes on, on A.
    A class's result does not depend on the classes beside it beyond rounding: shorter classes are padded with zero
    codes, which change no sum, and every class starts from the same random numbers.

    Args:
        acts: Per class (sample, unit), >= 0, any number of samples; they are read in place, not copied
            (float16 is computed in float32).
        n_atoms: Atoms per class.
        seed: Of the starts.
        tolerance: Relative decrease of the objective at which a class stops.
        max_iterations: Upper bound of iterations (those of the starts do not count).

    Raises:
        ValueError: If there is no class, a class has no sample, units differ, or atoms exceed units.

    Source: Cichocki & Phan 2009 (HALS); Gillis & Glineur 2012 (several sweeps per product); Ang & Gillis 2019 (steps
    beyond, taken back where the objective rises), with the step lengths of O'Donoghue & Candès 2015; Tepper & Sapiro
    2016 (compressed NMF); Frieze, Kannan & Vempala 2004 (samples drawn by their squared length).

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
    running = [a.float() if a.dtype == torch.float16 else a for a in tensors]
    starts = _best_starts(running, n_atoms=n_atoms, seed=seed)
    place = torch.arange(len(running), device=starts.device)
    products = _products(running, torch.stack([torch.linalg.vector_norm(a).square() for a in running]))
    state = _state(starts, products, n_samples=max(a.shape[0] for a in running))
    atoms, relative_error, n_iterations = torch.zeros_like(starts), starts.new_zeros(len(running)), place.clone()
    for iteration in range(1, max_iterations + 1):
        state = _iterate(state, products, sweeps=_SWEEPS, tolerance=tolerance)
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
            place, products = place[kept], _products(running, products.energy[kept])
            state = _kept(state, kept)
            state = state._replace(codes=state.codes[..., : max(a.shape[0] for a in running)])
    return NMF(restore(atoms), restore(relative_error), restore(n_iterations), restore((atoms == 0).all(dim=-1)))


def _best_starts(acts: list[torch.Tensor], *, n_atoms: int, seed: int) -> torch.Tensor:
    """Per class, atoms of the start with the lowest objective on A ≈ A V V', where products cost few columns.

    Small classes run many at a time, padded to the next power of two, so that the length of what is added up does not
    depend on the classes beside it.
    """
    limit = _STARTS_TOGETHER if acts[0].device.type == "cpu" else 256 * _STARTS_TOGETHER
    sizes = [1 << (min(len(a), _START_SAMPLES * n_atoms) - 1).bit_length() for a in acts]
    atoms = acts[0].new_empty(len(acts), n_atoms, acts[0].shape[1])
    for size in set(sizes):
        places = [place for place, own in enumerate(sizes) if own == size]
        together = max(1, limit // size)
        for first in range(0, len(places), together):
            group = places[first : first + together]
            stand_ins = [_stand_in(acts[place], n_atoms=n_atoms, seed=seed) for place in group]
            atoms[group] = _best_of(stand_ins, n_samples=size if together > 1 else len(stand_ins[0].samples))
    return atoms


def _best_of(stand_ins: "list[_StandIn]", *, n_samples: int) -> torch.Tensor:
    """Of each class the best start's atoms, (class, atom, unit)."""
    bases, atoms = torch.stack([s.basis for s in stand_ins]), torch.cat([s.atoms for s in stand_ins])
    samples = torch.stack([pad(s.samples, (0, 0, 0, n_samples - len(s.samples))) for s in stand_ins])
    n_classes, n_starts, products = len(stand_ins), _STARTS, _compressed(samples, bases, _STARTS)
    state = _state(atoms, products, n_samples=n_samples)
    for iteration in range(_START_ITERATIONS):
        if iteration == _TRIAL_ITERATIONS:
            n_starts = _STARTS // 2
            better = state.objective.view(n_classes, -1).topk(n_starts, largest=False).indices.sort().values
            first = torch.arange(n_classes, device=better.device)[:, None] * _STARTS
            state, products = _kept(state, (first + better).flatten()), _compressed(samples, bases, n_starts)
        state = _iterate(state, products, sweeps=_START_SWEEPS, tolerance=0.0)
    # of equal ends, which rounding would order, the first
    objective, energy = state.objective.view(n_classes, n_starts), samples.square().sum((1, 2))[:, None]
    good = objective <= objective.min(1, keepdim=True).values * (1 + 1e-4) + 1e-6 * energy
    chosen = torch.arange(n_classes, device=good.device) * n_starts + good.int().argmax(1)
    best: torch.Tensor = state.atoms[chosen]
    return best


class _StandIn(NamedTuple):
    """A class as its starts see it."""

    samples: torch.Tensor  # (sample, direction), A V or a draw of its rows
    basis: torch.Tensor  # (unit, direction), V
    atoms: torch.Tensor  # (start, atom, unit), where they begin


def _stand_in(acts: torch.Tensor, *, n_atoms: int, seed: int) -> _StandIn:
    generator = torch.Generator().manual_seed(seed)
    n_units = acts.shape[1]
    basis = torch.randn(n_units, n_atoms + 8, generator=generator)[:, :n_units].to(acts)
    for _ in range(2):  # a randomised range finder (Halko et al. 2011)
        basis = torch.linalg.qr((acts.T @ (acts @ basis)).cpu().double()).Q.to(acts)
    projected = acts @ basis
    level = (projected.mean(dim=0) @ basis.T).clamp_min(0)  # the mean activation of each unit
    random = torch.rand(_STARTS - 1, n_atoms, n_units, generator=generator).to(acts) * level
    atoms = torch.cat([_leading_atoms(projected, basis, n_atoms=n_atoms)[None], random])
    return _StandIn(_drawn(projected, _START_SAMPLES * n_atoms, generator=generator), basis, atoms)


def _compressed(samples: torch.Tensor, bases: torch.Tensor, n_starts: int) -> _Products:
    """Of all starts of some classes, start after start of a class."""
    transposed, lifted = samples.mT.contiguous(), bases.mT.contiguous()

    def product(rows: torch.Tensor, of_class: torch.Tensor) -> torch.Tensor:
        if len(of_class) == 1:  # a batch of one is slower
            return rows @ of_class[0]
        joined = rows.reshape(len(of_class), -1, rows.shape[2]) @ of_class
        return joined.reshape(*rows.shape[:2], -1)

    return _Products(
        samples.square().sum((1, 2)).repeat_interleave(n_starts),
        lambda atoms: product(product(atoms, bases), transposed),
        lambda codes: (codes @ codes.mT, product(product(codes, samples), lifted)),
        None,
    )


def _leading_atoms(projected: torch.Tensor, basis: torch.Tensor, *, n_atoms: int) -> torch.Tensor:
    """NNDSVD (Boutsidis & Gallopoulos 2008): each singular vector's stronger sign, zeros filled with the atom's mean.

    The codes start at zero, not at NNDSVD's own: from those, dense activations ended in objectives 10 % higher.
    """
    rotation = torch.linalg.eigh((projected.T @ projected).cpu().double()).eigenvectors.flip(1)[:, :n_atoms]
    right, left = (basis @ rotation.to(basis)).T, (projected @ rotation.to(basis)).T
    positive = left.clamp_min(0).norm(dim=1) * right.clamp_min(0).norm(dim=1)
    negative = left.clamp_max(0).norm(dim=1) * right.clamp_max(0).norm(dim=1)
    atoms = torch.where((positive >= negative)[:, None], right, -right).clamp_min(0)
    leading: torch.Tensor = torch.where(atoms > 0, atoms, atoms.mean(dim=1, keepdim=True))
    return leading


def _drawn(rows: torch.Tensor, n: int, *, generator: torch.Generator) -> torch.Tensor:
    """All rows, or n drawn by their squared length and brought to one length: A'A is that of all rows on average."""
    if len(rows) <= n:
        return rows
    ends = rows.square().sum(dim=1).cpu().double().cumsum(dim=0)
    at = torch.rand(n, generator=generator, dtype=ends.dtype) * ends[-1]
    drawn = torch.searchsorted(ends, at, right=True).clamp_max(len(rows) - 1)
    directions: torch.Tensor = normalize(rows[drawn.to(rows.device)], dim=1)
    return directions * float((ends[-1] / n).sqrt())


def _products(acts: list[torch.Tensor], energy: torch.Tensor) -> _Products:
    """Of classes. Sums over samples run class by class on unpadded arrays: their rounding is that of a class alone."""

    def of_atoms(atoms: torch.Tensor) -> torch.Tensor:
        products = atoms.new_zeros(*atoms.shape[:2], max(a.shape[0] for a in acts))
        for product, a, d in zip(products, acts, atoms, strict=True):
            product[:, : a.shape[0]] = (a @ d.T).T
        return products

    def of_codes(codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        own = [z[:, : a.shape[0]] for z, a in zip(codes, acts, strict=True)]
        return torch.stack([z @ z.T for z in own]), torch.stack([z @ a for z, a in zip(own, acts, strict=True)])

    return _Products(energy, of_atoms, of_codes, lambda i, codes, atoms: _residual(acts[i], codes, atoms))


def _state(atoms: torch.Tensor, products: _Products, *, n_samples: int) -> _State:
    none = atoms.new_zeros(len(atoms))
    return _State(atoms.new_zeros(*atoms.shape[:2], n_samples), atoms, atoms, products.energy + none, none, none)


def _kept(state: _State, kept: torch.Tensor) -> _State:
    return _State(*(values[kept] for values in state))


def _iterate(state: _State, products: _Products, *, sweeps: int, tolerance: float) -> _State:
    """One round of codes, then atoms; where it raised the objective, the state before, without momentum."""
    momentum = (state.since_rise / (state.since_rise + 3))[:, None, None]
    gram = state.ahead @ state.ahead.mT
    codes = _sweep(state.codes, gram=gram, targets=products.of_atoms(state.ahead), sweeps=sweeps)
    codes = codes.add_((codes - state.codes).mul_(momentum)).clamp_min_(0)
    gram, targets = products.of_codes(codes)
    atoms = _sweep(state.ahead, gram=gram, targets=targets.clone(), sweeps=sweeps)
    ahead = (atoms - state.atoms).mul_(momentum).add_(atoms).clamp_min_(0)
    # ||A - Z D||² = ||A||² - 2 <Z A, D> + <Z Z', D D'>: no pass over the activations
    objective = products.energy - 2 * (targets * atoms).sum((1, 2)) + (gram * (atoms @ atoms.mT)).sum((1, 2))
    if products.residual is not None:
        # close to an exact factorisation that difference of large sums is rounding
        for i in (objective <= 100 * torch.finfo(objective.dtype).eps * products.energy).nonzero().flatten().tolist():
            objective[i] = products.residual(i, codes[i], atoms[i]).square()
    rose = objective > state.objective
    is_slow = state.objective - objective <= tolerance * state.objective
    # a rise under momentum says nothing about the plain iteration that follows
    slow = torch.where(is_slow & ~(rose & (state.since_rise > 0)), state.slow + 1, 0)
    new = _State(codes, atoms, ahead, objective, state.since_rise + 1, slow)
    if not rose.any():
        return new
    before = state._replace(ahead=state.atoms, since_rise=torch.zeros_like(state.since_rise), slow=slow)
    return _State(
        *(torch.where(rose.view(-1, *[1] * (b.ndim - 1)), b, n) for b, n in zip(before, new, strict=True)),
    )


def _sweep(rows: torch.Tensor, *, gram: torch.Tensor, targets: torch.Tensor, sweeps: int) -> torch.Tensor:
    """HALS sweeps of min_{X >= 0} ½<X, G X> - <X, P>, row by row: X_j <- max(0, X_j + (P_j - G_j X) / G_jj).

    P (`targets`) is overwritten.
    """
    rows = rows.clone()
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    # A row without weight has G_j = P_j = 0 and stays as it is; a row of almost none takes a shorter step.
    floor = diagonal.amax(dim=-1, keepdim=True) * torch.finfo(gram.dtype).eps + torch.finfo(gram.dtype).tiny
    scale = torch.maximum(diagonal, floor)[..., None]
    mixing = torch.eye(gram.shape[-1]).to(gram) - gram / scale
    steps = targets.div_(scale)
    parts = [(steps[:, j : j + 1], mixing[:, j : j + 1], rows[:, j : j + 1]) for j in range(rows.shape[1])]
    for _ in range(sweeps):
        for step, mix, row in parts:
            torch.clamp_min(torch.baddbmm(step, mix, rows), 0, out=row)
    return rows


def _finished(acts: torch.Tensor, codes: torch.Tensor, atoms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Atoms of unit norm (zero where no sample uses them) and the relative error, from the residual itself."""
    norms = torch.linalg.vector_norm(acts)
    error = _residual(acts, codes, atoms) / torch.where(norms > 0, norms, 1)
    used = (codes > 0).any(dim=1, keepdim=True)
    return torch.where(used, normalize(atoms, dim=1), 0), error


def _residual(acts: torch.Tensor, codes: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
    """||A - Z D||, entry by entry."""
    norm: torch.Tensor = torch.linalg.vector_norm(torch.addmm(acts, codes[:, : acts.shape[0]].T, atoms, alpha=-1))
    return norm
