import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from featcx_core.features.nmf import nmf
from tests.references.nmf import coordinate_descent_error


def positions(n_samples: int, n_units: int, *, seed: int) -> np.ndarray:
    """ReLU-like: sparse mixtures of 15 rectified directions, rectified again after noise."""
    rng = np.random.default_rng(seed)
    mixture = rng.gamma(0.5, size=(n_samples, 15)) * (rng.random((n_samples, 15)) < 0.4)
    signal = mixture @ np.maximum(rng.standard_normal((15, n_units)), 0)
    return np.maximum(signal + 0.3 * rng.standard_normal((n_samples, n_units)), 0).astype(np.float32)


def test_rank_one_by_hand() -> None:
    result = nmf([np.array([[3.0, 4.0], [6.0, 8.0]])], n_atoms=1)
    np.testing.assert_allclose(result.atoms, [[[0.6, 0.8]]], atol=1e-12)
    assert result.relative_error[0] < 1e-12


def test_separate_parts_are_found() -> None:
    # two blocks that share no unit and no sample: the parts themselves are the only exact factorisation
    acts = np.zeros((20, 6))
    acts[:12, :3] = np.outer(np.arange(1, 13), [1, 2, 2])
    acts[12:, 3:] = np.outer(np.arange(1, 9), [3, 0, 4])
    atoms = nmf([acts], n_atoms=2).atoms[0]
    np.testing.assert_allclose(
        atoms[np.argsort(atoms[:, 0])], [[0, 0, 0, 0.6, 0, 0.8], [1 / 3, 2 / 3, 2 / 3, 0, 0, 0]], atol=1e-6
    )


@pytest.mark.parametrize(("n_samples", "n_units", "n_atoms"), [(400, 64, 10), (300, 128, 5), (60, 30, 10)])
def test_objective_is_within_a_percent_of_coordinate_descent(n_samples: int, n_units: int, n_atoms: int) -> None:
    acts = [positions(n_samples, n_units, seed=seed) for seed in range(4)]
    ours = nmf(acts, n_atoms=n_atoms).relative_error
    theirs = [coordinate_descent_error(a, n_atoms=n_atoms) for a in acts]
    # minima are local: each class within 3 %, their mean within 1 %
    ratio = (ours / np.array(theirs)) ** 2
    assert ratio.max() < 1.03
    assert ratio.mean() < 1.01


def test_dense_activations_do_not_end_in_a_high_minimum() -> None:
    rng = np.random.default_rng(0)
    hidden = np.maximum(
        (rng.normal(size=(1000, 64)) + 2 * rng.normal(size=(1, 64))) @ rng.normal(size=(64, 256)) / 8, 0
    )
    acts = np.maximum(hidden @ rng.normal(size=(256, 128)) / 16 - 0.2, 0)
    assert nmf([acts], n_atoms=10).relative_error[0] < 1.02 * coordinate_descent_error(acts, n_atoms=10)


def test_atoms_are_unit_and_non_negative_and_the_error_is_that_of_the_best_codes() -> None:
    acts = positions(80, 24, seed=1)
    result = nmf([acts], n_atoms=6, tolerance=1e-7, max_iterations=5000)
    np.testing.assert_allclose(np.linalg.norm(result.atoms, axis=2), 1, rtol=1e-5)
    assert (result.atoms >= 0).all()
    residual = [nnls(result.atoms[0].T.astype(float), row)[1] for row in acts.astype(float)]
    np.testing.assert_allclose(result.relative_error, np.linalg.norm(residual) / np.linalg.norm(acts), rtol=1e-3)


@pytest.mark.parametrize("sparsity", [0.0, 0.6])
def test_exact_low_rank_is_reached(sparsity: float) -> None:
    rng = np.random.default_rng(0)
    codes, atoms = rng.gamma(0.5, size=(400, 6)), rng.gamma(0.5, size=(6, 48))
    acts = ((codes * (rng.random(codes.shape) >= sparsity)) @ (atoms * (rng.random(atoms.shape) >= sparsity))).astype(
        "f4"
    )
    error = nmf([acts], n_atoms=6).relative_error[0]
    assert error < 2e-3
    assert error < 1.001 * coordinate_descent_error(acts, n_atoms=6)


def test_samples_drawn_for_the_starts_do_not_raise_the_objective() -> None:
    acts = positions(4000, 32, seed=9)  # 3 atoms: the starts see 1,200 of them
    acts[1000:3000] = 0
    assert nmf([acts], n_atoms=3).relative_error[0] < 1.01 * coordinate_descent_error(acts, n_atoms=3)
    assert nmf([np.zeros((1000, 4), np.float32)], n_atoms=2).dead.all()


def test_scale_of_the_activations_does_not_matter() -> None:
    acts = positions(200, 32, seed=2)
    one, many = nmf([acts], n_atoms=4), nmf([acts * 1024], n_atoms=4)  # a power of two: no rounding
    np.testing.assert_allclose(many.atoms, one.atoms, atol=1e-6)
    np.testing.assert_allclose(many.relative_error, one.relative_error, rtol=1e-6)


def test_more_atoms_and_lower_tolerance_fit_better() -> None:
    acts = positions(300, 32, seed=3)
    errors = [nmf([acts], n_atoms=n, tolerance=1e-5).relative_error[0] for n in (1, 2, 4, 8, 16)]
    assert errors == sorted(errors, reverse=True)
    assert (
        nmf([acts], n_atoms=8, tolerance=1e-6).relative_error <= nmf([acts], n_atoms=8, tolerance=1e-2).relative_error
    )


def test_every_iteration_lowers_the_objective() -> None:
    acts = positions(200, 32, seed=4).astype(float)
    errors = [nmf([acts], n_atoms=5, tolerance=0.0, max_iterations=n).relative_error[0] for n in range(1, 30)]
    assert (np.diff(errors) < 1e-12).all()


def test_a_class_does_not_depend_on_the_classes_beside_it() -> None:
    acts = [positions(n, 48, seed=n) for n in (300, 37, 500, 120)]
    together = nmf(acts, n_atoms=5)
    for i, a in enumerate(acts):
        alone = nmf([a], n_atoms=5)
        assert alone.n_iterations[0] == together.n_iterations[i]
        np.testing.assert_allclose(alone.atoms[0], together.atoms[i], atol=1e-4)
        np.testing.assert_allclose(alone.relative_error[0], together.relative_error[i], rtol=1e-5)


def test_rows_of_zeros_change_nothing() -> None:
    acts = positions(100, 16, seed=5)
    padded = np.concatenate([acts, np.zeros((60, 16), np.float32)])
    np.testing.assert_allclose(nmf([padded], n_atoms=3).atoms, nmf([acts], n_atoms=3).atoms, atol=1e-4)


def test_same_seed_same_result_and_inputs_stay() -> None:
    acts = positions(100, 16, seed=6)
    before = acts.copy()
    first, second = nmf([acts], n_atoms=4, seed=3), nmf([acts], n_atoms=4, seed=3)
    np.testing.assert_array_equal(first.atoms, second.atoms)
    np.testing.assert_array_equal(acts, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_tensors_in_tensors_out(dtype: torch.dtype) -> None:
    acts = torch.from_numpy(positions(80, 16, seed=7)).to(dtype)
    result = nmf([acts, acts[:40]], n_atoms=3)
    assert isinstance(result.atoms, torch.Tensor)
    assert result.atoms.dtype == (torch.float32 if dtype == torch.float16 else dtype)
    assert (result.atoms.shape, result.dead.shape, result.n_iterations.shape) == ((2, 3, 16), (2, 3), (2,))


def test_atoms_without_samples_are_dead_and_zero() -> None:
    zeros = nmf([np.zeros((5, 4)), positions(50, 4, seed=8).astype(float)], n_atoms=2)
    assert zeros.dead.tolist() == [[True, True], [False, False]]
    assert (zeros.atoms[0] == 0).all()
    assert zeros.relative_error[0] == 0
    rank_one = nmf([np.outer(np.arange(1.0, 9.0), [1.0, 2.0, 2.0])], n_atoms=3)
    assert rank_one.relative_error[0] < 1e-6
    np.testing.assert_allclose(np.linalg.norm(rank_one.atoms[0], axis=1), ~rank_one.dead[0], atol=1e-9)


def test_errors() -> None:
    with pytest.raises(ValueError, match="at least one class, got none"):
        nmf([], n_atoms=1)
    with pytest.raises(ValueError, match=r"at least one sample each, got \[\(2, 3\), \(0, 3\)\]"):
        nmf([np.ones((2, 3)), np.ones((0, 3))], n_atoms=1)
    with pytest.raises(ValueError, match=r"wanted 1 to 3 atoms .* got 4"):
        nmf([np.ones((9, 3))], n_atoms=4)
