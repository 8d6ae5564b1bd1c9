"""The loop that `nmf` and `semi_nmf` share; how well they fit is tested with these."""

import numpy as np
import pytest
import torch

from featcx_core.features.factorisation import FactorisationState, checked, factorise, iterate
from featcx_core.features.products import class_products


def drawn(n_samples: int = 50, n_units: int = 8, *, is_signed: bool, seed: int = 0) -> torch.Tensor:
    acts = torch.from_numpy(np.random.default_rng(seed).standard_normal((n_samples, n_units)))
    return acts if is_signed else acts.abs()


@pytest.mark.parametrize("is_signed", [False, True])
def test_an_iteration_never_raises_the_objective_and_reports_the_true_one(*, is_signed: bool) -> None:
    acts = drawn(is_signed=is_signed)
    products = class_products([acts], acts.square().sum()[None])
    atoms = drawn(3, is_signed=is_signed, seed=1)[None]
    state = FactorisationState.at(atoms, products, n_samples=50)
    assert state.objective.item() == pytest.approx(acts.square().sum().item())
    for _ in range(30):
        after = iterate(state, products, is_signed=is_signed, sweeps=2, tolerance=0.0)
        assert after.objective <= state.objective
        assert (after.codes >= 0).all()
        assert is_signed or (after.atoms >= 0).all()
        residual = acts - after.codes[0].T @ after.atoms[0]
        assert after.objective.item() == pytest.approx(residual.square().sum().item(), rel=1e-9)
        state = after


def test_a_step_beyond_that_raises_the_objective_is_taken_back() -> None:
    acts = drawn(is_signed=False)
    products = class_products([acts], acts.square().sum()[None])
    state = FactorisationState.at(drawn(3, is_signed=False, seed=1)[None], products, n_samples=50)
    for _ in range(5):
        state = iterate(state, products, is_signed=False, sweeps=2, tolerance=0.0)
    spoilt = state._replace(objective=torch.zeros_like(state.objective))  # nothing can be lower
    after = iterate(spoilt, products, is_signed=False, sweeps=2, tolerance=0.0)
    assert torch.equal(after.atoms, state.atoms)
    assert torch.equal(after.codes, state.codes)
    assert after.since_rise.item() == 0


def test_iterations_stop_at_the_bound() -> None:
    acts = [drawn(is_signed=False), drawn(20, is_signed=False, seed=2)]
    starts = torch.stack([drawn(3, is_signed=False, seed=seed) for seed in (3, 4)])
    result = factorise(acts, starts, is_signed=False, tolerance=0.0, max_iterations=7)
    assert result.n_iterations.tolist() == [7, 7]
    assert torch.allclose(result.atoms.norm(dim=2), torch.ones(2, 3, dtype=torch.float64))


def test_half_precision_is_computed_in_float32() -> None:
    tensors, restore = checked([np.ones((3, 2), np.float16), np.ones((1, 2), np.float16)], n_atoms=2)
    assert [tensor.dtype for tensor in tensors] == [torch.float32] * 2
    assert isinstance(restore(tensors[0]), np.ndarray)
