"""A search for the codes above zero where they are few of many, in float32, by working sets of each image."""

import torch

from featcx_core.features.active_set import Problem, towards_solution

_ROUNDS = 30  # at most; 10 are usual, and what is left then is left to the exact solves
_BOTH = 15  # rounds in which codes enter and leave at once; it is quicker, but may go round in circles
_ENTERING = 32  # codes that enter a working set at once, at least
_GROWTH = 2  # a working set may grow by its size over this
_TOLERANCE = 1e-6  # descent that keeps a code at zero
_SPARSE = 3  # units over the largest working set; beyond it splitting steps are quicker
_EARLY = 12  # units over the working set at which a dense image shows
_WANTING = 0.5  # share of all concepts that would enter there; of a sparse image it is a few hundredths


def search(problem: Problem, x: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return nearly the codes, and of which images they were found.

    Each round solves on the working sets, leaves codes that would be negative, and lets the codes of the steepest
    descent enter. A dense image, of which working sets grow large, is given up; so is one without a Cholesky factor.

    Source: Portugal, Júdice & Vicente 1994, with few codes at a time.
    """
    n_images, n_units = x.shape
    codes, passive = torch.zeros_like(targets), torch.zeros_like(targets, dtype=torch.bool)
    _enlarge(passive, torch.arange(n_images, device=x.device), targets)
    result, found = codes.clone(), torch.ones(n_images, dtype=torch.bool, device=x.device)
    left = torch.arange(n_images, device=x.device)
    for n_rounds in range(_ROUNDS):
        codes, passive, inside = towards_solution(problem, targets, codes, passive)
        result[left] = codes
        is_settled, is_lost = inside.clone(), ~torch.isfinite(codes).all(dim=1)
        at = (inside | (n_rounds < _BOTH)).nonzero().flatten()
        if len(at):
            descent = problem.descent(x[at], targets[at], codes[at]).masked_fill_(passive[at], 0)
            is_early = passive[at].sum(dim=1) >= n_units // _EARLY
            is_lost[at] |= is_early & ((descent > _TOLERANCE).sum(dim=1) > _WANTING * descent.shape[1])
            is_settled[at] &= ~_enlarge(passive, at, descent)
        is_lost |= passive.sum(dim=1) > n_units // _SPARSE
        found[left[is_lost]] = False
        rest = (~is_settled & ~is_lost).nonzero().flatten()
        if not len(rest):
            break
        left, x, targets, codes, passive = left[rest], x[rest], targets[rest], codes[rest], passive[rest]
    return result, found


def _enlarge(passive: torch.Tensor, rows: torch.Tensor, descent: torch.Tensor) -> torch.Tensor:
    """Let the codes of steepest descent enter on some rows, in place; returns on which of them any do."""
    most = (passive[rows].sum(dim=1, keepdim=True) // _GROWTH).clamp_min(_ENTERING)
    steepest, concept = descent.topk(min(int(most.max()), descent.shape[1]), dim=1)
    enters = (steepest > _TOLERANCE) & (torch.arange(steepest.shape[1], device=descent.device) < most)
    row, rank = enters.nonzero(as_tuple=True)
    passive[rows[row], concept[row, rank]] = True
    return enters.any(dim=1)
