"""Active-set solves of many non-negative least squares at once: exact in float64, near the minimum in float32.

Letters as in `nnls`: rows x of unit norm, G = D D' + ridge·I, targets t = x D' - l1, so that the descent is t - z G.
A dead atom stands last: supports of unequal size are padded with it.
"""

from typing import NamedTuple

import torch

_RIDGE = {torch.float64: 1e-10, torch.float32: 1e-5}  # least: parallel atoms have a singular Gram matrix where l2 = 0
_NEGATIVE = {torch.float64: -1e-12, torch.float32: -1e-6}  # rounding makes this of a zero in a solve
_ROUNDS = 1000  # exact solves, at most; 5 to 20 are usual
_ENTERING = 4  # codes that enter a support at once
_PARTS = 8  # that images are split into by the size of their support, with no fewer images in each
_ENTRIES = 2**23  # numbers in the padded sub-matrices that are held at once (64 MB)
_ROWS = 1024  # of the Gram matrix, computed together
SHORT = 2  # more atoms than this many times the units: the descent goes by the units


class Problem(NamedTuple):
    """Parts of the problem that all images share, in float64 or float32."""

    atoms: torch.Tensor  # (concept, unit), the last one dead
    gram: torch.Tensor  # (concept, concept), with the ridge
    l1: float
    ridge: float  # on the diagonal of G

    @classmethod
    def of(cls, atoms: torch.Tensor, *, l1: float, l2: float) -> "Problem":
        """Return the problem in float64; `atoms` lack the dead one."""
        atoms, ridge = torch.nn.functional.pad(atoms.double(), (0, 0, 0, 1)), max(l2, _RIDGE[torch.float64])
        gram = atoms.new_empty(len(atoms), len(atoms))
        for start in range(0, len(atoms), _ROWS):  # the lower half, and its mirror image
            stop = start + _ROWS
            gram[start:stop, :stop] = atoms[start:stop] @ atoms[:stop].T
            gram[:start, start:stop] = gram[start:stop, :start].T
        gram.diagonal().add_(ridge)
        return cls(atoms, gram, l1, ridge)

    def single(self) -> "Problem":
        """Return the problem in float32, whose ridge is large enough for its solves."""
        ridge, gram = max(self.ridge, _RIDGE[torch.float32]), self.gram.float()
        gram.diagonal().add_(ridge - self.ridge)
        return Problem(self.atoms.float(), gram, self.l1, ridge)

    def descent(self, x: torch.Tensor, targets: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return t - z G, by the shorter way."""
        n_concepts, n_units = self.atoms.shape
        if n_concepts <= SHORT * n_units:
            return targets - codes @ self.gram
        index, _ = _packed(codes > 0)
        own = codes.gather(1, index)
        rest = x - torch.nn.functional.embedding_bag(index, self.atoms, per_sample_weights=own, mode="sum")
        return (rest @ self.atoms.T).sub_(self.l1).sub_(codes, alpha=self.ridge)


def active_set(
    problem: Problem, x: torch.Tensor, targets: torch.Tensor, start: torch.Tensor, *, tolerance: float
) -> torch.Tensor:
    """Solve exactly on the support, leave it where signs forbid, enlarge it where the descent asks, until neither.

    The objective never rises.

    Source: Lawson & Hanson 1974.
    """
    result, left, codes, passive = start.clone(), torch.arange(len(start), device=start.device), start, start > 0
    for _ in range(_ROUNDS):
        codes, passive, settled = towards_solution(problem, targets, codes, passive)
        result[left] = codes
        at = settled.nonzero().flatten()
        if len(at):
            descent = problem.descent(x[at], targets[at], codes[at]).masked_fill_(passive[at], 0)
            steepest, concept = descent.topk(min(_ENTERING, descent.shape[1]), dim=1)
            row, rank = (steepest > tolerance).nonzero(as_tuple=True)
            passive[at[row], concept[row, rank]] = True
            settled[at[row]] = False
        rest = (~settled).nonzero().flatten()
        if not len(rest):
            break
        left, x, targets, codes, passive = left[rest], x[rest], targets[rest], codes[rest], passive[rest]
    return result


def towards_solution(
    problem: Problem, targets: torch.Tensor, codes: torch.Tensor, passive: torch.Tensor
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
        lower = _cholesky(gram)
        inner = torch.linalg.solve_triangular(lower, goal[..., None], upper=False)  # faster than cholesky_solve
        solution = torch.linalg.solve_triangular(lower.mT, inner, upper=True)[..., 0]
        inside = ~(solution <= _NEGATIVE[solution.dtype]).any(dim=1)  # without a factor as well
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


def _cholesky(gram: torch.Tensor) -> torch.Tensor:
    """Return the lower factors; in float32 NaN where there is none."""
    lower: torch.Tensor
    if gram.dtype == torch.float64:
        lower = torch.linalg.cholesky(gram)
        return lower
    lower, failed = torch.linalg.cholesky_ex(gram)
    lower[failed > 0] = torch.nan
    return lower


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
