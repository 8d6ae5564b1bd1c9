"""Douglas–Rachford steps in float32: nearly the codes above zero, from nothing, for many images at once."""

import torch

from featcx_core.features.active_set import SHORT, Problem

_STEPS = 300  # at most; 30 to 100 are usual, an exact solve costs as much as dozens
_LOOK = 10  # steps between two looks at the support; where it is the same, the exact solves take over
_RELAX = 1.8  # of a step; 0 to 2 converge, the upper end faster


class Splitting:
    """Steps between the least squares and z >= 0, with the factors that all images share.

    Source: Eckstein & Bertsekas 1992, Section 5.
    """

    def __init__(self, problem: Problem) -> None:
        atoms, self.ridge = problem.atoms, problem.ridge
        n_concepts, n_units = atoms.shape
        # D D' = R R' with R' R = diag(values), of the smaller side
        values, vectors = torch.linalg.eigh(atoms @ atoms.T if n_concepts <= n_units else atoms.T @ atoms)
        values = values.clamp_min(0)
        root = vectors * values.sqrt() if n_concepts <= n_units else atoms @ vectors
        # fast where the pull is like most eigenvalues; the largest is the mean of atoms without sign, and far away
        living = values[values > 1e-6 * values[-1]]
        self.pull = 0.5 * float(living.median()) if len(living) else 1.0
        left, right = (root / (values + self.ridge + self.pull)).float(), root.T.float()
        # the product is S with (G + pull·I)⁻¹ ∝ I - S, by whichever is less work
        self.smoother = (left, right) if n_concepts > SHORT * n_units else (left @ right,)

    def start(self, targets: torch.Tensor) -> torch.Tensor:
        """Return nearly the codes; images of steady support leave.

        A mean direction of huge eigenvalue, which holds up gradient steps, is solved in the first of them.
        """
        total = self.pull + self.ridge
        bias = self._rest(targets / total, targets / total)
        left, state = torch.arange(len(targets), device=targets.device), torch.zeros_like(targets)
        result, before = state.clone(), state > 0
        for step in range(1, _STEPS + 1):
            mirrored = state.abs()  # 2·codes - state, where codes = max(0, state)
            shrunk = mirrored * (self.pull / total)
            solution = self._rest(shrunk, shrunk + bias)
            state = state.add(solution.sub_(state.clamp_min(0)), alpha=_RELAX)
            if step % _LOOK == 0:
                result[left], support = state, state > 0
                moving = (support != before).any(dim=1)
                left, bias, state, before = left[moving], bias[moving], state[moving], support[moving]
                if not len(left):
                    break
        return result.clamp_min(0)

    def _rest(self, values: torch.Tensor, plus: torch.Tensor) -> torch.Tensor:
        """Return `plus` less the smoothed values."""
        inner = values if len(self.smoother) == 1 else values @ self.smoother[0]
        return torch.addmm(plus, inner, self.smoother[-1], alpha=-1)
