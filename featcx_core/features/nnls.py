"""Codes of images: non-negative least squares of many rows on one shared dictionary.

Letters: x activations (image, unit), D atoms (concept, unit), z codes (image, concept), G = D D' + l2 I and
targets t = x D' - l1, so that the gradient is z G - t. In the solvers every row of x has unit norm, which makes l1 and
all tolerances free of scale.
"""

import functools
from typing import NamedTuple

import torch
from jaxtyping import Float, Int

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.active_set import Problem, active_set
from featcx_core.features.splitting import Splitting
from featcx_core.features.working_sets import search

_BLOCK = 1024  # images solved together
_LARGE = 2**22  # multiplications by all atoms, for an image, from which a search by working sets is quicker


class Codes(NamedTuple):
    """Codes and how exact they are."""

    codes: Float[Array, "image concept"]
    """z >= 0 in the kind and dtype of the activations; an inactive code is an exact zero."""
    kkt_residual: Float[Array, " image"]
    """max_i |z_i - max(0, z_i - g_i)| / ||x||, g the gradient of the objective; 0 at the minimum, 0 where x = 0."""
    n_active: Int[Array, " image"]
    """Codes above zero (L0)."""


def nnls(
    acts: Float[Array, "image unit"],
    atoms: Float[Array, "concept unit"],
    *,
    l1: float = 1e-3,
    l2: float = 1e-6,
    tolerance: float = 1e-9,
) -> Codes:
    """Find every image's codes, min_{z >= 0} ½||x - z D||² + l1·||x||·Σ z_i + ½·l2·||z||².

    A search in float32 finds nearly the codes above zero: working sets where there are many atoms and few codes of them
    active, else splitting steps. Then an active-set method (float64) solves exactly on that support, goes towards the
    solution as far as the objective falls and signs allow, and lets the codes of the steepest gradient enter, until
    none is left: the objective never rises, and ends at its minimum. With l2 > 0 that is unique: the same image has the
    same codes beside any other images up to rounding (about 1e-6·||x||), and bit for bit in the same call. With
    l1 = l2 = 0 and more atoms than units there are many.

    Args:
        acts: (image, unit), any sign; scaling an image scales its codes.
        atoms: (concept, unit), each of unit L2 norm; an all-zero (dead) atom has zero codes.
        l1: Sparsity penalty relative to ||x||.
        l2: Ridge penalty.
        tolerance: Steepest gradient, relative to ||x||, that keeps a code at zero.

    Devices without float64 (MPS) solve on the CPU. Copies of G are held in memory: 1.6 GB at 10,000 concepts.

    Raises:
        ValueError: If units differ, acts are not finite, atoms are not of unit norm, or a penalty is negative.

    Source: Eckstein & Bertsekas 1992, Section 5 (steps); Lawson & Hanson 1974 (active set); Portugal, Júdice & Vicente
    1994 (codes that enter and leave at once).

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
        self.solver = _Solver(d.cpu() if d.device.type == "mps" else d, l1=l1, l2=l2, tolerance=tolerance)
        self.shape = tuple(d.shape)

    def __call__(self, acts: Float[Array, "image unit"]) -> Codes:
        """The codes of some images."""
        (x,), restore = as_tensors(acts)
        if x.shape[1] != self.shape[1] or not len(x):
            raise ValueError(f"wanted images and atoms of the same units, got {tuple(x.shape)} and {self.shape}")
        broken = int((~torch.isfinite(x).all(dim=1)).sum())
        if broken:
            raise ValueError(f"wanted finite activations, got {broken} of {len(x)} images with NaN or infinity")
        blocks = [self.solver.solve(block) for block in torch.split(x, _BLOCK)]
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


class _Solver:
    """Factors that all images share; each is made when it is first needed."""

    def __init__(self, atoms: torch.Tensor, *, l1: float, l2: float, tolerance: float) -> None:
        self.problem = Problem.of(atoms, l1=l1, l2=l2)
        self.extra = self.problem.ridge - l2
        self.tolerance = tolerance
        n_concepts, n_units = self.problem.atoms.shape
        self.is_large = n_concepts * min(n_concepts, 2 * n_units) >= _LARGE

    @functools.cached_property
    def single(self) -> Problem:
        """The problem in float32."""
        return self.problem.single()

    @functools.cached_property
    def splitting(self) -> Splitting:
        """The splitting steps."""
        return Splitting(self.problem)

    def solve(self, acts: torch.Tensor) -> Codes:
        """The codes of a block of images."""
        problem, x = self.problem, acts.to(self.problem.atoms)
        norms = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        unit = torch.where(norms > 0, x / norms, 0)
        targets = unit @ problem.atoms.T - problem.l1
        start = self._start(unit.float(), targets.float())
        codes = active_set(problem, unit, targets, start.double(), tolerance=self.tolerance)
        result = (codes * norms).to(acts.dtype)
        # of what is returned: rounding to the dtype of the activations counts
        codes = torch.where(norms > 0, result.to(codes) / norms, 0)
        gradient = -problem.descent(unit, targets, codes) - self.extra * codes
        residual = (codes - (codes - gradient).clamp_min(0)).abs().amax(dim=1)
        return Codes(result[:, :-1], residual, codes.count_nonzero(dim=1))

    def _start(self, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return nearly the codes, in float32: from working sets where few are above zero, else from splitting."""
        if not self.is_large:
            return self._dense(targets)
        start, found = search(self.single, x, targets)
        if not found.all():
            start[~found] = self._dense(targets[~found])
        return start

    def _dense(self, targets: torch.Tensor) -> torch.Tensor:
        """Return nearly the codes, by splitting steps."""
        start, n_units = self.splitting.start(targets), self.problem.atoms.shape[1]
        if start.shape[1] > n_units:  # the sparsest codes have no larger support
            start = torch.where(start >= start.topk(n_units, dim=1).values[:, -1:], start, 0)
        return start
