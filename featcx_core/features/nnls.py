"""Codes of images: non-negative least squares of many rows on one shared dictionary.

Letters: x activations (image, unit), D atoms (concept, unit), z codes (image, concept), G = D D' + l2 I and
targets t = x D' - l1, so that the gradient is z G - t. Inside this module every row of x has unit norm, which makes
l1 and all tolerances free of scale.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int

from featcx_core.arrays import Array, as_tensors

_BLOCK = 1024  # images solved together
_STEPS = 800  # accelerated steps, at most; after a few dozen only, the exact solves start too large and explode
_LOOK = 50  # steps between two looks at the support
_STEADY = 0.03  # share of the support that changed between two looks: below it, exact solves are few
_ROUNDS = 1000  # exact solves, at most; 5 to 20 are usual
_ENTERING = 4  # codes that enter a support at once
_RIDGE = 1e-10  # least ridge of an exact solve: parallel atoms have a singular Gram matrix where l2 = 0
_NEGATIVE = -1e-12  # what rounding makes of a zero in an exact solve
_ENTRIES = 2**23  # numbers in the padded sub-matrices that are held at once (64 MB)


class Codes(NamedTuple):
    """Codes and how exact they are."""

    codes: Float[Array, "image concept"]
    """z >= 0 in the kind and dtype of the activations; an inactive code is an exact zero."""
    kkt_residual: Float[Array, " image"]
    """max_i |z_i - max(0, z_i - g_i)| / ||x||, g the gradient of the objective; 0 at the minimum, 0 where x = 0."""
    n_active: Int[Array, " image"]
    """Codes above zero (L0)."""


class _Problem(NamedTuple):
    """What all images share."""

    atoms: torch.Tensor  # (concept, unit), float64
    gram: torch.Tensor  # (concept, concept), float64, with at least `_RIDGE`
    mixing: torch.Tensor  # I - G / L, float32: an accelerated step is one product with it
    lipschitz: float  # L, no smaller than G's largest eigenvalue
    l1: float
    extra: float  # ridge in G beyond l2


def nnls(
    acts: Float[Array, "image unit"],
    atoms: Float[Array, "concept unit"],
    *,
    l1: float = 1e-3,
    l2: float = 1e-6,
    tolerance: float = 1e-9,
) -> Codes:
    """Find every image's codes, min_{z >= 0} ½||x - z D||² + l1·||x||·Σ z_i + ½·l2·||z||².

    Accelerated projected gradient steps (float32) find nearly the codes above zero; then an active-set method
    (float64) solves exactly on that support, goes towards the solution as far as the objective falls and signs allow,
    and lets the codes of the steepest gradient enter, until none is left: the objective never rises, and ends at its
    minimum. With l2 > 0 that is unique: the same image has the same codes beside any other images up to rounding
    (about 1e-6·||x||), and bit for bit in the same call. With l1 = l2 = 0 and more atoms than units there are many.

    Args:
        acts: (image, unit), any sign; scaling an image scales its codes.
        atoms: (concept, unit), each of unit L2 norm; an all-zero (dead) atom has zero codes.
        l1: Sparsity penalty relative to ||x||.
        l2: Ridge penalty.
        tolerance: Steepest gradient, relative to ||x||, that keeps a code at zero.

    Devices without float64 (MPS) solve on the CPU. Copies of G are held in memory: 2 GB at 10,000 concepts.

    Raises:
        ValueError: If units differ, acts are not finite, atoms are not of unit norm, or a penalty is negative.

    Source: Beck & Teboulle 2009 and O'Donoghue & Candès 2015 (steps); Lawson & Hanson 1974 (active set).

    >>> import numpy as np
    >>> nnls(np.array([[3.0, -4.0]]), np.eye(2), l1=0.1, l2=0.0).codes.round(6).tolist()   # 3 - 0.1·5
    [[2.5, 0.0]]
    """
    (x, d), restore = as_tensors(acts, atoms)
    _check(x, d, penalties=(l1, l2))
    problem = _shared(d.cpu() if d.device.type == "mps" else d, l1=l1, l2=l2)
    blocks = [_solve(problem, block, tolerance=tolerance) for block in torch.split(x, _BLOCK)]
    codes = torch.cat([block.codes for block in blocks]).to(x.device)
    residual = torch.cat([block.kkt_residual for block in blocks]).float().to(x.device)
    return Codes(restore(codes), restore(residual), restore((codes > 0).sum(dim=1)))


def _check(acts: torch.Tensor, atoms: torch.Tensor, *, penalties: tuple[float, float]) -> None:
    if acts.shape[1] != atoms.shape[1] or not len(acts) or not len(atoms):
        raise ValueError(f"wanted images and atoms of the same units, got {tuple(acts.shape)} and {tuple(atoms.shape)}")
    broken = int((~torch.isfinite(acts).all(dim=1)).sum())
    if broken:
        raise ValueError(f"wanted finite activations, got {broken} of {len(acts)} images with NaN or infinity")
    if min(penalties) < 0:
        raise ValueError(f"wanted l1, l2 >= 0, got {penalties[0]:g} and {penalties[1]:g}")
    norms = torch.linalg.vector_norm(atoms.float(), dim=1)
    wrong = int(((norms - 1).abs() > 0.01)[norms != 0].sum())
    if wrong or not torch.isfinite(norms).all():
        raise ValueError(
            f"wanted atoms of unit L2 norm, got {wrong} of {len(atoms)} others "
            f"(norms {norms.min():.3g} to {norms.max():.3g}); try atoms / norms"
        )


def _shared(atoms: torch.Tensor, *, l1: float, l2: float) -> _Problem:
    atoms = atoms.double()
    gram = atoms @ atoms.T
    ridge = max(l2, _RIDGE)
    gram.diagonal().add_(ridge)
    # Collatz–Wielandt: for any v > 0, max_i (|G| v)_i / v_i is no smaller than the largest eigenvalue, and tight after
    # some power iterations; the small constant keeps dead atoms from dividing by zero
    sizes = gram.abs()
    vector = torch.ones_like(sizes[0])
    for _ in range(20):
        vector = sizes @ vector
        vector = vector / vector.max() + 1e-6
    lipschitz = float((sizes @ vector / vector).max())
    mixing = -gram.float() / lipschitz
    mixing.diagonal().add_(1)
    return _Problem(atoms, gram, mixing, lipschitz, l1, ridge - l2)


def _solve(problem: _Problem, acts: torch.Tensor, *, tolerance: float) -> Codes:
    x = acts.to(problem.atoms)
    norms = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    targets = torch.where(norms > 0, x / norms, 0) @ problem.atoms.T - problem.l1
    start = _accelerate(problem, targets)
    n_units = x.shape[1]
    if start.shape[1] > n_units:  # the sparsest codes have no larger support
        start = torch.where(start >= start.topk(n_units, dim=1).values[:, -1:], start, 0)
    codes = _active_set(problem, targets, start.double(), tolerance=tolerance)
    result = (codes * norms).to(acts.dtype)
    # of what is returned: rounding to the dtype of the activations counts
    codes = torch.where(norms > 0, result.to(codes) / norms, 0)
    gradient = codes @ problem.gram - problem.extra * codes - targets
    residual = (codes - (codes - gradient).clamp_min(0)).abs().amax(dim=1)
    return Codes(result, residual, codes.count_nonzero(dim=1))


def _accelerate(problem: _Problem, targets: torch.Tensor) -> torch.Tensor:
    """Projected gradient steps with momentum, restarted per image where it points uphill; steady images leave."""
    left = torch.arange(len(targets), device=targets.device)
    bias = (targets / problem.lipschitz).float()
    codes = torch.zeros_like(bias)
    result, ahead, before = codes.clone(), codes, codes > 0
    momentum = codes.new_ones(len(codes), 1)
    for step in range(1, _STEPS + 1):
        new = torch.addmm(bias, ahead, problem.mixing).clamp_min_(0)
        change = new - codes
        uphill = ((ahead - new) * change).sum(dim=1, keepdim=True) > 0
        momentum = torch.where(uphill, 1, momentum)
        following = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        ahead = torch.addcmul(new, (momentum - 1) / following, change)
        codes, momentum = new, following
        if step % _LOOK == 0:
            result[left], support = codes, codes > 0
            moving = (support ^ before).sum(dim=1) > _STEADY * support.sum(dim=1)
            before = support[moving]
            left, bias, momentum = left[moving], bias[moving], momentum[moving]
            codes, ahead = codes[moving], ahead[moving]
            if not len(left):
                break
    return result


def _active_set(problem: _Problem, targets: torch.Tensor, codes: torch.Tensor, *, tolerance: float) -> torch.Tensor:
    """Solve exactly on the support, leave it where signs forbid, enlarge it where the gradient asks, until neither."""
    result, left, passive = codes.clone(), torch.arange(len(codes), device=codes.device), codes > 0
    for _ in range(_ROUNDS):
        codes, passive, settled = _towards_solution(problem, targets, codes, passive)
        result[left] = codes
        at = settled.nonzero().flatten()
        descent = torch.where(passive[at], 0, targets[at] - codes[at] @ problem.gram)
        steepest, concept = descent.topk(min(_ENTERING, descent.shape[1]), dim=1)
        row, rank = (steepest > tolerance).nonzero(as_tuple=True)
        passive[at[row], concept[row, rank]] = True
        settled[at[row]] = False
        left, targets, codes, passive = left[~settled], targets[~settled], codes[~settled], passive[~settled]
        if not len(left):
            break
    return result


def _towards_solution(
    problem: _Problem, targets: torch.Tensor, codes: torch.Tensor, passive: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Codes nearer to the minimum on each image's support, the support left, and whether they are the minimum."""
    new_codes, new_passive, settled = torch.zeros_like(codes), torch.zeros_like(passive), passive[:, 0].clone()
    sizes, order = passive.sum(dim=1).sort()
    for rows in torch.split(order, max(_ENTRIES // max(int(sizes[-1]), 1) ** 2, 1)):  # by size: little is padded
        index, used = _packed(passive[rows])
        gram = problem.gram[index[:, :, None], index[:, None, :]]
        gram *= used[:, :, None]
        gram *= used[:, None, :]
        gram.diagonal(dim1=1, dim2=2).add_(~used)  # padding solves to zero
        goal = targets[rows].gather(1, index) * used
        now = codes[rows].gather(1, index) * used
        solution = torch.cholesky_solve(goal[..., None], torch.linalg.cholesky(gram))[..., 0]
        inside = (solution > _NEGATIVE).all(dim=1)
        best = torch.where(inside[:, None], solution.clamp_min(0), _best_step(gram, goal, now, solution))
        row, place = used.nonzero(as_tuple=True)
        concept = index[row, place]
        new_codes[rows[row], concept] = best[row, place]
        # a code still at zero stays in the support only where the solution wants it above zero
        new_passive[rows[row], concept] = ((best > 0) | (~inside[:, None] & (solution > 0)))[row, place]
        settled[rows] = inside
    return new_codes, new_passive, settled


def _packed(passive: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each image's supported concepts side by side, padded with concept 0; and which places are used."""
    sizes = passive.sum(dim=1, keepdim=True)
    used = torch.arange(max(int(sizes.max()), 1), device=passive.device) < sizes
    row, concept = passive.nonzero(as_tuple=True)
    index = torch.zeros_like(used, dtype=torch.int64)
    index[row, passive.cumsum(dim=1)[row, concept] - 1] = concept
    return index, used


def _best_step(gram: torch.Tensor, goal: torch.Tensor, now: torch.Tensor, solution: torch.Tensor) -> torch.Tensor:
    """The lowest of steps 1, ½, … 1/32 towards the solution, cut off at zero, and of the step to the first zero.

    The last never raises the objective; the others leave many codes at zero at once.
    """
    change = solution - now
    reach = torch.where(solution < 0, -now / change, torch.inf)
    first = reach.amin(dim=1, keepdim=True).clamp_max(1)
    to_first = torch.where(reach <= first, 0, now + first * change)
    steps = torch.stack([*(now + change / 2**i for i in range(6)), to_first], dim=1).clamp_min(0)
    objective = 0.5 * (torch.bmm(steps, gram) * steps).sum(dim=2) - (steps * goal[:, None]).sum(dim=2)
    lowest = objective.argmin(dim=1)
    return steps[torch.arange(len(steps), device=steps.device), lowest]
