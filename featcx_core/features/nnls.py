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
_STEPS = 800  # accelerated steps before the exact solves, at most
_LOOK = 50  # steps between two looks at the support
_STEADY = 0.03  # share of the support that changed between two looks: below it, exact solves are few
_ATTEMPTS = 5  # times that an image goes through both phases, at most
_PIVOTS = 100  # exact solves of one phase, at most
_PATIENCE = 3  # exact solves without fewer wrong signs before signs are changed one by one
_RIDGE = 1e-10  # least ridge of an exact solve: parallel atoms have a singular Gram matrix where l2 = 0
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
    gram: torch.Tensor  # (concept, concept), float64
    mixing: torch.Tensor  # I - G / L, float32: an accelerated step is one product with it
    lipschitz: float  # L, no smaller than G's largest eigenvalue
    ridge: float  # added to an exact solve's Gram matrix
    l1: float


def nnls(
    acts: Float[Array, "image unit"],
    atoms: Float[Array, "concept unit"],
    *,
    l1: float = 1e-3,
    l2: float = 1e-6,
    tolerance: float = 1e-9,
) -> Codes:
    """Find every image's codes, min_{z >= 0} ½||x - z D||² + l1·||x||·Σ z_i + ½·l2·||z||².

    Accelerated projected gradient steps (float32) find which codes are above zero; exact solves on that support
    (float64), exchanging the codes of wrong sign, end at the minimum itself. An image whose exact solves do not end
    goes back to more gradient steps; its residual tells. With l2 > 0 the minimum is unique: the same image has the
    same codes beside any other images, up to rounding (about 1e-6·||x||), and bit for bit in the same call. With
    l1 = l2 = 0 and more atoms than units it is one of many minima.

    Args:
        acts: (image, unit), any sign; scaling an image scales its codes.
        atoms: (concept, unit), each of unit L2 norm; an all-zero (dead) atom has zero codes.
        l1: Sparsity penalty relative to ||x||.
        l2: Ridge penalty.
        tolerance: Largest wrong sign, relative to ||x||, with which an exact solve ends.

    Devices without float64 (MPS) solve on the CPU. G is held in memory: 0.8 GB at 10,000 concepts.

    Raises:
        ValueError: If units differ, acts are not finite, atoms are not of unit norm, or a penalty is negative.

    Source: Beck & Teboulle 2009 and O'Donoghue & Candès 2015 (steps); Kim & Park 2011 (block principal pivoting).

    >>> import numpy as np
    >>> nnls(np.array([[3.0, -4.0]]), np.eye(2), l1=0.1, l2=0.0).codes.round(6).tolist()   # 3 - 0.1·5
    [[2.5, 0.0]]
    """
    (x, d), restore = as_tensors(acts, atoms)
    _check(x, d, penalties=(l1, l2))
    problem = _shared(d.cpu() if d.device.type == "mps" else d, l1=l1, l2=l2)
    blocks = [_solve(problem, block, tolerance=tolerance) for block in torch.split(x, _BLOCK)]
    codes = torch.cat([block.codes for block in blocks]).to(x.device)
    residual = torch.cat([block.kkt_residual for block in blocks]).to(x.device)
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
    gram.diagonal().add_(l2)
    # Collatz–Wielandt: max_i (|G| v)_i / v_i bounds the largest eigenvalue from above for any v > 0, and tightly
    # after some power iterations; the small constant keeps dead atoms from dividing by zero
    sizes = gram.abs()
    vector = torch.ones_like(sizes[0])
    for _ in range(20):
        vector = sizes @ vector
        vector = vector / vector.max() + 1e-6
    lipschitz = float((sizes @ vector / vector).max())
    mixing = -gram.float() / lipschitz
    mixing.diagonal().add_(1)
    return _Problem(atoms, gram, mixing, lipschitz, max(_RIDGE - l2, 0), l1)


def _solve(problem: _Problem, acts: torch.Tensor, *, tolerance: float) -> Codes:
    x = acts.to(problem.atoms)
    norms = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    targets = torch.where(norms > 0, x / norms, 0) @ problem.atoms.T - problem.l1
    codes = torch.zeros_like(targets)
    left = torch.arange(len(codes), device=codes.device)
    for _ in range(_ATTEMPTS):
        near = _accelerate(problem, targets[left], codes[left].float())
        exact, solved = _pivot(problem, targets[left], near > 0, tolerance=tolerance)
        codes[left] = torch.where(solved[:, None], exact, near.double())
        left = left[~solved]
        if not len(left):
            break
    gradient = codes @ problem.gram - targets
    residual = (codes - (codes - gradient).clamp_min(0)).abs().amax(dim=1)
    return Codes((codes * norms).to(acts.dtype), residual, codes.count_nonzero(dim=1))


def _accelerate(problem: _Problem, targets: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Projected gradient steps with momentum, restarted per image where it points uphill; steady images leave."""
    result, left = codes.clone(), torch.arange(len(codes), device=codes.device)
    bias = (targets / problem.lipschitz).float()
    before, ahead, momentum = codes > 0, codes, codes.new_ones(len(codes), 1)
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


def _pivot(
    problem: _Problem, targets: torch.Tensor, passive: torch.Tensor, *, tolerance: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Exact solves on the support, exchanging codes below zero and zeros of negative gradient; and who ended."""
    codes, solved = torch.zeros_like(targets), torch.zeros(len(targets), dtype=torch.bool, device=targets.device)
    most = 2 * problem.atoms.shape[1]  # a support far beyond the units is not near the minimum, and slow
    left = (passive.sum(dim=1) <= most).nonzero().flatten()
    passive, targets = passive[left], targets[left]
    fewest = torch.full_like(left, targets.shape[1] + 1)
    patience = torch.full_like(left, _PATIENCE)
    for _ in range(_PIVOTS):
        if not len(left):
            break
        exact, regular = _on_support(problem, targets, passive)
        gradient = exact @ problem.gram - targets
        wrong = torch.where(passive, exact, gradient) < -tolerance
        n_wrong = wrong.sum(dim=1)
        done = (n_wrong == 0) & regular
        codes[left[done]], solved[left[done]] = exact[done].clamp_min(0), True
        patience = torch.where(n_wrong < fewest, _PATIENCE, patience - 1)
        fewest = torch.minimum(n_wrong, fewest)
        # the last wrong sign alone: slower, and ends for certain
        last = wrong & (wrong.flip(1).cumsum(dim=1).flip(1) == 1)
        passive = passive ^ torch.where((patience < 0)[:, None], last, wrong)
        on = ~done & regular & (passive.sum(dim=1) <= most)
        left, passive, targets, fewest, patience = left[on], passive[on], targets[on], fewest[on], patience[on]
    return codes, solved


def _on_support(problem: _Problem, targets: torch.Tensor, passive: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Minimum over the codes of each support, signs free, zero elsewhere; and whether its Gram matrix was regular."""
    codes, regular = torch.zeros_like(targets), torch.ones(len(targets), dtype=torch.bool, device=targets.device)
    sizes, order = passive.sum(dim=1).sort()
    largest = max(int(sizes[-1]), 1)
    for rows in torch.split(order, max(_ENTRIES // largest**2, 1)):  # by size, so that little is padded
        inside = passive[rows]
        places = torch.arange(int(inside.sum(dim=1).max()), device=rows.device)
        used = places < inside.sum(dim=1, keepdim=True)
        row, concept = inside.nonzero(as_tuple=True)
        index = torch.zeros_like(used, dtype=torch.int64)
        index[row, inside.cumsum(dim=1)[row, concept] - 1] = concept
        gram = problem.gram[index[:, :, None], index[:, None, :]]
        gram *= used[:, :, None]
        gram *= used[:, None, :]
        gram.diagonal(dim1=1, dim2=2).add_(torch.where(used, problem.ridge, 1))  # padding solves to zero
        factor, failed = torch.linalg.cholesky_ex(gram)
        solution = torch.cholesky_solve((targets[rows].gather(1, index) * used)[..., None], factor)[..., 0]
        codes[rows[row], concept] = solution[used]
        regular[rows] = failed == 0
    return codes, regular
