import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment, nnls

from featcx_core.features.nmf import nmf
from featcx_core.features.semi_nmf import semi_nmf
from tests.references.semi_nmf import multiplicative_errors


def planted(
    n_samples: int, n_units: int, *, seed: int, n_atoms: int = 6, noise: float = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    """Samples of one to three atoms of either sign each, with noise; and the atoms."""
    rng = np.random.default_rng(seed)
    atoms = rng.standard_normal((n_atoms, n_units))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.zeros((n_samples, n_atoms))
    for row in codes:
        row[rng.choice(n_atoms, rng.integers(1, 4), replace=False)] = 1
    codes *= rng.gamma(2.0, size=codes.shape)
    return (codes @ atoms + noise * rng.standard_normal((n_samples, n_units))).astype(np.float32), atoms


def matched(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Cosine of each wanted atom with the found one that is matched to it."""
    cosines = wanted @ found.T
    return cosines[linear_sum_assignment(-cosines)]


def test_rank_one_by_hand() -> None:
    result = semi_nmf([np.array([[3.0, -4.0], [6.0, -8.0]])], n_atoms=1)
    np.testing.assert_allclose(result.atoms, [[[0.6, -0.8]]], atol=1e-12)
    assert result.relative_error[0] < 1e-12


def test_opposite_directions_are_two_atoms() -> None:
    acts = np.outer([1.0, 2.0, 3.0, -1.0, -4.0], [0.6, -0.8])
    result = semi_nmf([acts], n_atoms=2)
    np.testing.assert_allclose(np.sort(result.atoms[0][:, 0]), [-0.6, 0.6], atol=1e-9)
    assert result.relative_error[0] < 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_planted_atoms_are_recovered(seed: int) -> None:
    acts, atoms = planted(600, 40, seed=seed)
    assert matched(semi_nmf([acts], n_atoms=6, seed=seed).atoms[0], atoms).min() > 0.95


@pytest.mark.parametrize(("n_samples", "n_units", "n_atoms"), [(400, 64, 10), (300, 128, 5), (60, 30, 10)])
def test_objective_is_no_higher_than_that_of_multiplicative_updates(n_samples: int, n_units: int, n_atoms: int) -> None:
    acts = [planted(n_samples, n_units, seed=seed, n_atoms=15, noise=0.2)[0] for seed in range(4)]
    ours = semi_nmf(acts, n_atoms=n_atoms)
    for a, error, n_iterations in zip(acts, ours.relative_error, ours.n_iterations, strict=True):
        assert error <= multiplicative_errors(a, n_atoms=n_atoms, n_iterations=2 * n_iterations)[-1]


def test_objective_comes_near_that_of_atoms_and_codes_of_any_sign() -> None:
    # Eckart & Young: no factorisation of that rank is below the singular values left out
    for seed in range(4):
        acts, _ = planted(400, 64, seed=seed, noise=0.2)
        least = np.sqrt(np.square(np.linalg.svd(acts, compute_uv=False)[6:]).sum()) / np.linalg.norm(acts)
        assert least * (1 - 1e-6) < semi_nmf([acts], n_atoms=6).relative_error[0] < 1.02 * least


def test_atoms_are_unit_and_the_error_is_that_of_the_best_codes() -> None:
    acts, _ = planted(80, 24, seed=1, noise=0.3)
    result = semi_nmf([acts], n_atoms=6, tolerance=1e-8, max_iterations=5000)
    np.testing.assert_allclose(np.linalg.norm(result.atoms, axis=2), 1, rtol=1e-5)
    residual = [nnls(result.atoms[0].T.astype(float), row)[1] for row in acts.astype(float)]
    np.testing.assert_allclose(result.relative_error, np.linalg.norm(residual) / np.linalg.norm(acts), rtol=1e-3)


def test_exact_low_rank_is_reached() -> None:
    acts, _ = planted(400, 48, seed=2, noise=0.0)
    assert semi_nmf([acts], n_atoms=6).relative_error[0] < 2e-3


def test_where_activations_are_non_negative_it_fits_no_worse_than_nmf() -> None:
    acts = np.maximum(planted(300, 32, seed=3, n_atoms=12)[0], 0)
    assert semi_nmf([acts], n_atoms=6).relative_error[0] <= nmf([acts], n_atoms=6).relative_error[0]


def test_scale_of_the_activations_does_not_matter() -> None:
    acts, _ = planted(200, 32, seed=4)
    one, many = semi_nmf([acts], n_atoms=4), semi_nmf([acts * 1024], n_atoms=4)  # a power of two: no rounding
    np.testing.assert_allclose(many.atoms, one.atoms, atol=1e-6)
    np.testing.assert_allclose(many.relative_error, one.relative_error, rtol=1e-6)


def test_every_iteration_lowers_the_objective() -> None:
    acts = planted(200, 32, seed=5, noise=0.3)[0].astype(float)
    errors = [semi_nmf([acts], n_atoms=5, tolerance=0.0, max_iterations=n).relative_error[0] for n in range(1, 30)]
    assert (np.diff(errors) < 1e-12).all()


def test_a_class_does_not_depend_on_the_classes_beside_it() -> None:
    acts = [planted(n, 48, seed=n, noise=0.2)[0].astype(float) for n in (300, 37, 500, 120)]
    together = semi_nmf(acts, n_atoms=5)
    for i, a in enumerate(acts):
        alone = semi_nmf([a], n_atoms=5)
        assert alone.n_iterations[0] == together.n_iterations[i]
        np.testing.assert_allclose(alone.atoms[0], together.atoms[i], atol=1e-9)
    # in float32 the rounding of a class of few samples may end it two iterations later
    errors = semi_nmf([a.astype(np.float32) for a in acts], n_atoms=5).relative_error
    np.testing.assert_allclose(errors, together.relative_error, rtol=1e-4)


def test_a_large_class_begins_on_a_draw_of_its_samples() -> None:
    acts, atoms = planted(4000, 32, seed=6, n_atoms=3)  # 3 atoms: the starts see 1,200 of them
    acts[1000:3000] = 0
    assert matched(semi_nmf([acts], n_atoms=3).atoms[0], atoms).min() > 0.95


def test_same_seed_same_result_and_inputs_stay() -> None:
    acts, _ = planted(100, 16, seed=7)
    before = acts.copy()
    first, second = semi_nmf([acts], n_atoms=4, seed=3), semi_nmf([acts], n_atoms=4, seed=3)
    np.testing.assert_array_equal(first.atoms, second.atoms)
    np.testing.assert_array_equal(acts, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_tensors_in_tensors_out(dtype: torch.dtype) -> None:
    acts = torch.from_numpy(planted(80, 16, seed=8)[0]).to(dtype)
    result = semi_nmf([acts, acts[:40]], n_atoms=3)
    assert isinstance(result.atoms, torch.Tensor)
    assert result.atoms.dtype == (torch.float32 if dtype == torch.float16 else dtype)
    assert (result.atoms.shape, result.dead.shape, result.n_iterations.shape) == ((2, 3, 16), (2, 3), (2,))


def test_atoms_without_samples_are_dead_and_zero() -> None:
    zeros = semi_nmf([np.zeros((5, 4)), planted(50, 4, seed=9)[0].astype(float)], n_atoms=2)
    assert zeros.dead.tolist() == [[True, True], [False, False]]
    assert (zeros.atoms[0] == 0).all()
    assert zeros.relative_error[0] == 0
    rank_one = semi_nmf([np.outer(np.arange(1.0, 9.0), [1.0, -2.0, 2.0])], n_atoms=3)
    assert rank_one.relative_error[0] < 1e-6
    np.testing.assert_allclose(np.linalg.norm(rank_one.atoms[0], axis=1), ~rank_one.dead[0], atol=1e-9)


def test_errors() -> None:
    with pytest.raises(ValueError, match="at least one class, got none"):
        semi_nmf([], n_atoms=1)
    with pytest.raises(ValueError, match=r"at least one sample each, got \[\(2, 3\), \(0, 3\)\]"):
        semi_nmf([np.ones((2, 3)), np.ones((0, 3))], n_atoms=1)
    with pytest.raises(ValueError, match=r"wanted 1 to 3 atoms .* got 4"):
        semi_nmf([np.ones((9, 3))], n_atoms=4)
