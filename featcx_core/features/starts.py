"""Starts of a factorisation: minima are local, so several starts run on a cheap stand-in for A, and the best continues.

The stand-in is A ≈ A V V', V its leading singular vectors; of a large class, a draw of its samples.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch.nn.functional import normalize, pad

from featcx_core.features.factorisation import FactorisationState, iterate
from featcx_core.features.products import Products

N_STARTS = 6
"""On planted data one start ends up to 1 % above the best known minimum, six on average 0.05 % below scikit-learn's."""
SAMPLES = 400
"""Samples of a large class that are drawn for each atom."""
# Iterations of each start, iterations after which the worse half is dropped, and sweeps.
_ITERATIONS = 15
_TRIAL_ITERATIONS = 5
_SWEEPS = 2
# Samples of all classes whose starts run in one batch: small classes one by one would be thousands of tiny calls.
_TOGETHER = 4096

Begin: TypeAlias = Callable[[torch.Tensor, torch.Tensor, int, torch.Generator], torch.Tensor]
"""From A V, V, the number of atoms and a generator to the starts' first atoms, (start, atom, unit)."""


def best_starts(acts: list[torch.Tensor], begin: Begin, *, is_signed: bool, n_atoms: int, seed: int) -> torch.Tensor:
    """Return each class's atoms from the start of the lowest objective on A ≈ A V V', where products are cheap.

    Small classes run many at a time, padded to the next power of two, so that the length of a class's sums does not
    depend on the other classes. Every class starts from the same random numbers.
    """
    limit = _TOGETHER if acts[0].device.type == "cpu" else 256 * _TOGETHER
    sizes = [1 << (min(len(a), SAMPLES * n_atoms) - 1).bit_length() for a in acts]
    atoms = acts[0].new_empty(len(acts), n_atoms, acts[0].shape[1])
    for size in set(sizes):
        places = [place for place, padded_size in enumerate(sizes) if padded_size == size]
        together = max(1, limit // size)
        for first in range(0, len(places), together):
            group = places[first : first + together]
            stand_ins = [_stand_in(acts[place], begin, n_atoms=n_atoms, seed=seed) for place in group]
            n_samples = size if together > 1 else len(stand_ins[0].samples)
            atoms[group] = _best_of(stand_ins, is_signed=is_signed, n_samples=n_samples)
    return atoms


class _StandIn(NamedTuple):
    """Stand-in for a class."""

    samples: torch.Tensor  # (sample, direction), A V or a draw of its rows
    basis: torch.Tensor  # (unit, direction), V
    atoms: torch.Tensor  # (start, atom, unit), the starts' first atoms


def _stand_in(acts: torch.Tensor, begin: Begin, *, n_atoms: int, seed: int) -> _StandIn:
    generator = torch.Generator().manual_seed(seed)
    n_units = acts.shape[1]
    basis = torch.randn(n_units, n_atoms + 8, generator=generator)[:, :n_units].to(acts)
    for _ in range(2):  # a randomised range finder (Halko et al. 2011)
        basis = torch.linalg.qr((acts.T @ (acts @ basis)).cpu().double()).Q.to(acts)
    projected = acts @ basis
    atoms = begin(projected, basis, n_atoms, generator)
    return _StandIn(drawn(projected, SAMPLES * n_atoms, generator=generator), basis, atoms)


def drawn(rows: torch.Tensor, n: int, *, generator: torch.Generator) -> torch.Tensor:
    """Return all rows, or n drawn by squared length and scaled to one length: on average A'A is that of all rows."""
    if len(rows) <= n:
        return rows
    ends = rows.square().sum(dim=1).cpu().double().cumsum(dim=0)
    at = torch.rand(n, generator=generator, dtype=ends.dtype) * ends[-1]
    chosen = torch.searchsorted(ends, at, right=True).clamp_max(len(rows) - 1)
    directions: torch.Tensor = normalize(rows[chosen.to(rows.device)], dim=1)
    return directions * float((ends[-1] / n).sqrt())


def _best_of(stand_ins: list[_StandIn], *, is_signed: bool, n_samples: int) -> torch.Tensor:
    """Return the atoms of each class's best start, (class, atom, unit)."""
    bases, atoms = torch.stack([s.basis for s in stand_ins]), torch.cat([s.atoms for s in stand_ins])
    samples = torch.stack([pad(s.samples, (0, 0, 0, n_samples - len(s.samples))) for s in stand_ins])
    n_classes, n_starts, products = len(stand_ins), N_STARTS, _compressed(samples, bases, N_STARTS)
    state = FactorisationState.at(atoms, products, n_samples=n_samples)
    for iteration in range(_ITERATIONS):
        if iteration == _TRIAL_ITERATIONS:
            n_starts = N_STARTS // 2
            better = state.objective.view(n_classes, -1).topk(n_starts, largest=False).indices.sort().values
            first = torch.arange(n_classes, device=better.device)[:, None] * N_STARTS
            state, products = state.kept((first + better).flatten()), _compressed(samples, bases, n_starts)
        state = iterate(state, products, is_signed=is_signed, sweeps=_SWEEPS, tolerance=0.0)
    # the first of equal ends, which rounding would order
    objective, energy = state.objective.view(n_classes, n_starts), samples.square().sum((1, 2))[:, None]
    good = objective <= objective.min(1, keepdim=True).values * (1 + 1e-4) + 1e-6 * energy
    chosen = torch.arange(n_classes, device=good.device) * n_starts + good.int().argmax(1)
    best: torch.Tensor = state.atoms[chosen]
    return best


def _compressed(samples: torch.Tensor, bases: torch.Tensor, n_starts: int) -> Products:
    """Return the products of all starts of some classes, start after start of a class."""
    transposed, lifted = samples.mT.contiguous(), bases.mT.contiguous()

    def product(rows: torch.Tensor, of_class: torch.Tensor) -> torch.Tensor:
        if len(of_class) == 1:  # a batch of one is slower
            return rows @ of_class[0]
        joined = rows.reshape(len(of_class), -1, rows.shape[2]) @ of_class
        return joined.reshape(*rows.shape[:2], -1)

    return Products(
        samples.square().sum((1, 2)).repeat_interleave(n_starts),
        lambda atoms: product(product(atoms, bases), transposed),
        lambda codes: (codes @ codes.mT, product(product(codes, samples), lifted)),
        None,
    )
