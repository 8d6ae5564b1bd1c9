"""Codes of images: non-negative least squares of many rows on one shared dictionary.

Letters: x activations (image, unit), D atoms (concept, unit), z codes (image, concept), G = D D' + l2 I and
targets t = x D' - l1, so that the gradient is z G - t. Inside this module every row of x has unit norm, which makes
l1 and all tolerances free of scale, and a dead atom stands last: supports of unequal size are padded with it.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int

from featcx_core.arrays import Array, as_tensors

_BLOCK = 1024  # images solved together
_STEPS = 300  # splitting steps, at most; 30 to 100 are usual, an exact solve costs as much as dozens
_LOOK = 10  # steps between two looks at the support; where it is the same, the exact solves take over
_RELAX = 1.8  # of a step; 0 to 2 converge, the upper end faster
_ROUNDS = 1000  # exact solves, at most; 5 to 20 are usual
_ENTERING = 4  # codes that enter a support at once
_RIDGE = 1e-10  # least ridge of an exact solve: parallel atoms have a singular Gram matrix where l2 = 0
_NEGATIVE = -1e-12  # what rounding makes of a zero in an exact solve
_PARTS = 8  # that images are split into by the size of their support, with no fewer images in each
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
    """Parts of the problem that all images share."""

    atoms: torch.Tensor  # (concept, unit), float64
    gram: torch.Tensor  # (concept, concept), float64, with at least `_RIDGE`
    pull: float  # strength that ties the two halves of a splitting step together
    smoother: tuple[torch.Tensor, ...]  # float32, the product is S with (G + pull·I)⁻¹ ∝ I - S
    l1: float
    ridge: float  # on the diagonal of G
    extra: float  # of it beyond l2


def nnls(
    acts: Float[Array, "image unit"],
    atoms: Float[Array, "concept unit"],
    *,
    l1: float = 1e-3,
    l2: float = 1e-6,
    tolerance: float = 1e-9,
) -> Codes:
    """Find every image's codes, min_{z >= 0} ½||x - z D||² + l1·||x||·Σ z_i + ½·l2·||z||².

    Splitting steps (float32) find nearly the codes above zero; then an active-set method (float64) solves exactly on
    that support, goes towards the solution as far as the objective falls and signs allow, and lets the codes of the
    steepest gradient enter, until none is left: the objective never rises, and ends at its minimum. With l2 > 0 that
    is unique: the same image has the same codes beside any other images up to rounding (about 1e-6·||x||), and bit for
    bit in the same call. With l1 = l2 = 0 and more atoms than units there are many.

    Args:
        acts: (image, unit), any sign; scaling an image scales its codes.
        atoms: (concept, unit), each of unit L2 norm; an all-zero (dead) atom has zero codes.
        l1: Sparsity penalty relative to ||x||.
        l2: Ridge penalty.
        tolerance: Steepest gradient, relative to ||x||, that keeps a code at zero.

    Devices without float64 (MPS) solve on the CPU. Copies of G are held in memory: 2 GB at 10,000 concepts.

    Raises:
        ValueError: If units differ, acts are not finite, atoms are not of unit norm, or a penalty is negative.

    Source: Eckstein & Bertsekas 1992, Section 5 (steps); Lawson & Hanson 1974 (active set).

    >>> import numpy as np
    >>> nnls(np.array([[3.0, -4.0]]), np.eye(2), l1=0.1, l2=0.0).codes.round(6).tolist()   # 3 - 0.1·5
    [[2.5, 0.0]]
    """
    (_, d), _ = as_tensors(acts, atoms)  # on the device of the activations
    return Encoder(d, l1=l1, l2=l2, tolerance=tolerance)(acts)


class Encoder:
    """`nnls` on one dictionary, call after call: what all images share is factorised once. Arguments as there.

    Raises:
        ValueError: When made: atoms are not of unit norm, or a penalty is negative. When called: as `nnls`.
    """

    def __init__(
        self, atoms: Float[Array, "concept unit"], *, l1: float = 1e-3, l2: float = 1e-6, tolerance: float = 1e-9
    ) -> None:
        (d,), _ = as_tensors(atoms)
        _check_atoms(d, penalties=(l1, l2))
        self.problem = _shared(d.cpu() if d.device.type == "mps" else d, l1=l1, l2=l2)
        self.tolerance, self.shape = tolerance, tuple(d.shape)

    def __call__(self, acts: Float[Array, "image unit"]) -> Codes:
        """The codes of some images."""
        (x,), restore = as_tensors(acts)
        if x.shape[1] != self.shape[1] or not len(x):
            raise ValueError(f"wanted images and atoms of the same units, got {tuple(x.shape)} and {self.shape}")
        broken = int((~torch.isfinite(x).all(dim=1)).sum())
        if broken:
            raise ValueError(f"wanted finite activations, got {broken} of {len(x)} images with NaN or infinity")
        blocks = [_solve(self.problem, block, tolerance=self.tolerance) for block in torch.split(x, _BLOCK)]
        codes = torch.cat([block.codes for block in blocks]).to(x.device)
        residual = torch.cat([block.kkt_residual for block in blocks]).float().to(x.device)
        return Codes(restore(codes), restore(residual), restore((codes > 0).sum(dim=1)))


def _check_atoms(atoms: torch.Tensor, *, penalties: tuple[float, float]) -> None:
    if min(penalties) < 0:
        raise ValueError(f"wanted l1, l2 >= 0, got {penalties[0]:g} and {penalties[1]:g}")
    if not len(atoms):
        raise ValueError("wanted at least one atom, got none")
    norms = torch.linalg.vector_norm(atoms.float(), dim=1)
    wrong = int(((norms - 1).abs() > 0.01)[norms != 0].sum())
    if wrong or not torch.isfinite(norms).all():
        raise ValueError(
            f"wanted atoms of unit L2 norm, got {wrong} of {len(atoms)} others "
            f"(norms {norms.min():.3g} to {norms.max():.3g}); try atoms / norms"
        )


def _shared(atoms: torch.Tensor, *, l1: float, l2: float) -> _Problem:
    atoms = torch.nn.functional.pad(atoms.double(), (0, 0, 0, 1))
    n_concepts, n_units = atoms.shape
    gram, ridge = atoms @ atoms.T, max(l2, _RIDGE)
    # D D' = R R' with R' R = diag(values), of the smaller side
    values, vectors = torch.linalg.eigh(gram if n_concepts <= n_units else atoms.T @ atoms)
    values = values.clamp_min(0)
    root = vectors * values.sqrt() if n_concepts <= n_units else atoms @ vectors
    # fast where the pull is like most eigenvalues; the largest is the mean of atoms without sign, and far away
    living = values[values > 1e-6 * values[-1]]
    pull = 0.5 * float(living.median()) if len(living) else 1.0
    left, right = (root / (values + ridge + pull)).float(), root.T.float()
    smoother = (left, right) if n_concepts > 2 * n_units else (left @ right,)  # whichever is less work
    gram.diagonal().add_(ridge)
    return _Problem(atoms, gram, pull, smoother, l1, ridge, ridge - l2)


def _solve(problem: _Problem, acts: torch.Tensor, *, tolerance: float) -> Codes:
    x = acts.to(problem.atoms)
    norms = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    targets = torch.where(norms > 0, x / norms, 0) @ problem.atoms.T - problem.l1
    start = _split(problem, targets.float())
    n_units = x.shape[1]
    if start.shape[1] > n_units:  # the sparsest codes have no larger support
        start = torch.where(start >= start.topk(n_units, dim=1).values[:, -1:], start, 0)
    codes = _active_set(problem, targets, start.double(), tolerance=tolerance)
    result = (codes * norms).to(acts.dtype)
    # of what is returned: rounding to the dtype of the activations counts
    codes = torch.where(norms > 0, result.to(codes) / norms, 0)
    gradient = codes @ problem.gram - problem.extra * codes - targets
    residual = (codes - (codes - gradient).clamp_min(0)).abs().amax(dim=1)
    return Codes(result[:, :-1], residual, codes.count_nonzero(dim=1))


def _split(problem: _Problem, targets: torch.Tensor) -> torch.Tensor:
    """Douglas–Rachford steps between the least squares and z >= 0; images of steady support leave.

    A mean direction of huge eigenvalue, which holds up gradient steps, is solved in the first of them.
    """
    total = problem.pull + problem.ridge
    bias = _rest(problem, targets / total, targets / total)
    left, state = torch.arange(len(targets), device=targets.device), torch.zeros_like(targets)
    result, before = state.clone(), state > 0
    for step in range(1, _STEPS + 1):
        mirrored = state.abs()  # 2·codes - state, where codes = max(0, state)
        shrunk = mirrored * (problem.pull / total)
        solution = _rest(problem, shrunk, shrunk + bias)
        state = state.add(solution.sub_(state.clamp_min(0)), alpha=_RELAX)
        if step % _LOOK == 0:
            result[left], support = state, state > 0
            moving = (support != before).any(dim=1)
            left, bias, state, before = left[moving], bias[moving], state[moving], support[moving]
            if not len(left):
                break
    return result.clamp_min(0)


def _rest(problem: _Problem, values: torch.Tensor, plus: torch.Tensor) -> torch.Tensor:
    """`plus` less the smoothed values."""
    inner = values if len(problem.smoother) == 1 else values @ problem.smoother[0]
    return torch.addmm(plus, inner, problem.smoother[-1], alpha=-1)


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
    fitting = max(_ENTRIES // max(int(sizes[-1]), 1) ** 2, 1)
    # images of like size together, so that little is padded
    for rows in torch.split(order, min(fitting, max(len(order) // _PARTS, _PARTS))):
        index, used = _packed(passive[rows])
        gram = _sub_matrices(problem.gram, index)
        gram.diagonal(dim1=1, dim2=2).add_(~used)  # padding solves to zero
        goal = targets[rows].gather(1, index) * used
        lower = torch.linalg.cholesky(gram)
        inner = torch.linalg.solve_triangular(lower, goal[..., None], upper=False)  # faster than cholesky_solve
        solution = torch.linalg.solve_triangular(lower.mT, inner, upper=True)[..., 0]
        inside = (solution > _NEGATIVE).all(dim=1)
        best, stays = solution.clamp_min(0), solution > 0
        out = (~inside).nonzero().flatten()
        if len(out):
            now = codes[rows[out]].gather(1, index[out])
            best[out] = _best_step(gram[out], goal[out], now, solution[out])
            stays |= best > 0  # a code still at zero stays where the solution wants it above zero
        new_codes[rows[:, None], index] = best
        new_passive[rows[:, None], index] = stays
        settled[rows] = inside
    return new_codes, new_passive, settled


def _packed(passive: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each image's supported concepts side by side, padded with the dead atom; and which places are used."""
    sizes = passive.sum(dim=1, keepdim=True)
    used = torch.arange(max(int(sizes.max()), 1), device=passive.device) < sizes
    index = torch.full_like(used, passive.shape[1] - 1, dtype=torch.int64)
    index[used] = passive.nonzero(as_tuple=True)[1]
    return index, used


def _sub_matrices(gram: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Rows and columns of the Gram matrix that each image needs; numbered flat, twice as fast as by two indices."""
    flat = index[:, :, None] * len(gram) + index[:, None, :]
    return gram.view(-1).index_select(0, flat.view(-1)).view(flat.shape)


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
