import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.features import active_set, splitting
from featcx_core.features import nnls as module
from featcx_core.features.nnls import nnls
from tests.references import nnls as reference


def unit_atoms(n_atoms: int, n_units: int, *, seed: int) -> np.ndarray:
    atoms = np.random.default_rng(seed).gamma(0.5, size=(n_atoms, n_units))
    return atoms / np.linalg.norm(atoms, axis=1, keepdims=True)


def pooled(n_images: int, n_units: int, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).gamma(1.0, size=(n_images, n_units)) * 3


def test_orthogonal_atoms_by_hand() -> None:
    # z = max(0, x - l1·||x||) / (1 + l2): (3 - 0.5) / 1.25
    result = nnls(np.array([[3.0, -4.0]]), np.eye(2), l1=0.1, l2=0.25)
    np.testing.assert_allclose(result.codes, [[2.0, 0.0]], atol=1e-12)
    assert result.n_active.tolist() == [1]


def test_the_sparsest_of_equivalent_codes() -> None:
    # x lies on the third atom, and is the sum of the two others as well
    atoms = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    codes = nnls(np.array([[6.0, 8.0]]), atoms).codes
    np.testing.assert_allclose(codes, [[0.0, 0.0, 10 * (1 - 1e-3) / (1 + 1e-6)]], rtol=1e-6)


@pytest.mark.parametrize(("n_atoms", "n_units"), [(10, 32), (100, 64), (150, 40)])
@pytest.mark.parametrize(("l1", "l2"), [(1e-3, 1e-6), (0.0, 0.0), (0.05, 1e-2), (0.0, 1e-3)])
def test_objective_and_optimality_match_scipy(n_atoms: int, n_units: int, l1: float, l2: float) -> None:
    acts, atoms = pooled(30, n_units, seed=1), unit_atoms(n_atoms, n_units, seed=2)
    result = nnls(acts, atoms, l1=l1, l2=l2)
    for x, z, residual in zip(acts, result.codes, result.kkt_residual, strict=True):
        theirs = reference.objective(x, reference.codes(x, atoms, l1=l1, l2=l2), atoms, l1=l1, l2=l2)
        energy = 0.5 * float(np.sum(x**2))
        assert reference.objective(x, z, atoms, l1=l1, l2=l2) <= theirs + 1e-9 * energy
        assert residual <= 1e-8
        assert reference.kkt_residual(x, z, atoms, l1=l1, l2=l2) <= 1e-8


@pytest.mark.parametrize(("n_atoms", "n_units"), [(10, 32), (100, 64), (150, 40)])
@pytest.mark.parametrize(("l1", "l2"), [(1e-3, 1e-6), (0.0, 0.0), (0.05, 1e-2)])
def test_signed_atoms_and_activations_have_the_same_objective(n_atoms: int, n_units: int, l1: float, l2: float) -> None:
    rng = np.random.default_rng(32)
    atoms = rng.standard_normal((n_atoms, n_units))
    atoms[1] = -atoms[0]  # what a component with both signs gives
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    acts = rng.standard_normal((30, n_units)) + rng.gamma(0.3, size=(30, n_atoms)) @ atoms
    result = nnls(acts, atoms, l1=l1, l2=l2)
    for x, z in zip(acts, result.codes, strict=True):
        theirs = reference.objective(x, reference.codes(x, atoms, l1=l1, l2=l2), atoms, l1=l1, l2=l2)
        assert reference.objective(x, z, atoms, l1=l1, l2=l2) <= theirs + 1e-9 * 0.5 * float(np.sum(x**2))
        assert reference.kkt_residual(x, z, atoms, l1=l1, l2=l2) <= 1e-8
    assert result.kkt_residual.max() <= 1e-8
    if l2:
        assert (result.codes[:, 0] * result.codes[:, 1] == 0).all()  # never both of two opposite ones


def test_images_inside_the_cone_are_reconstructed_exactly() -> None:
    atoms = unit_atoms(60, 24, seed=3)
    acts = np.random.default_rng(4).random((50, 60)) @ atoms
    result = nnls(acts, atoms, l1=0.0, l2=0.0)
    assert np.abs(result.codes @ atoms - acts).max() < 1e-6 * np.abs(acts).max()
    assert result.kkt_residual.max() < 1e-6


def test_the_residual_reported_is_that_of_the_returned_codes() -> None:
    acts, atoms = pooled(5, 20, seed=5), unit_atoms(40, 20, seed=6)
    hurried = nnls(acts, atoms, tolerance=0.02)
    expected = []
    for x, z in zip(acts, hurried.codes, strict=True):
        gradient = (z @ atoms - x) @ atoms.T + 1e-3 * np.linalg.norm(x) + 1e-6 * z
        expected.append(np.abs(z - np.maximum(z - gradient, 0)).max() / np.linalg.norm(x))
    np.testing.assert_allclose(hurried.kkt_residual, expected, rtol=1e-6, atol=1e-12)


def test_same_codes_on_any_batch_size() -> None:
    acts, atoms = pooled(50, 32, seed=7), unit_atoms(80, 32, seed=8)
    together = nnls(acts, atoms).codes
    norms = np.linalg.norm(acts, axis=1, keepdims=True)
    for size in (1, 7, 32):
        parts = np.concatenate([nnls(acts[i : i + size], atoms).codes for i in range(0, 50, size)])
        np.testing.assert_allclose(parts / norms, together / norms, atol=1e-6)
        np.testing.assert_array_equal(parts > 0, together > 0)


def test_same_codes_in_any_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    acts, atoms = pooled(100, 32, seed=9), unit_atoms(80, 32, seed=10)
    whole = nnls(acts, atoms).codes
    monkeypatch.setattr(module, "_BLOCK", 9)
    monkeypatch.setattr(active_set, "_ENTRIES", 500)
    np.testing.assert_allclose(nnls(acts, atoms).codes, whole, atol=1e-6 * np.linalg.norm(acts, axis=1).max())


def test_few_gradient_steps_still_end_at_the_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    acts, atoms = pooled(60, 32, seed=11), unit_atoms(80, 32, seed=12)
    patient = nnls(acts, atoms).codes
    monkeypatch.setattr(splitting, "_STEPS", 0)
    hasty = nnls(acts, atoms)
    assert hasty.kkt_residual.max() < 1e-8
    np.testing.assert_allclose(hasty.codes, patient, atol=1e-6 * np.linalg.norm(acts, axis=1).max())


@pytest.mark.parametrize(("n_atoms", "n_units"), [(10, 32), (50, 32), (80, 32)])
@pytest.mark.parametrize("l2", [1e-6, 0.1, 0.5])
def test_the_steps_alone_come_near_the_minimum(
    n_atoms: int, n_units: int, l2: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts, atoms = pooled(40, n_units, seed=27), unit_atoms(n_atoms, n_units, seed=28)
    exact = nnls(acts, atoms, l2=l2)
    monkeypatch.setattr(active_set, "_ROUNDS", 0)
    start = nnls(acts, atoms, l2=l2)
    norms = np.linalg.norm(acts, axis=1, keepdims=True)
    np.testing.assert_allclose(start.codes / norms, exact.codes / norms, atol=0.02)
    assert np.mean((start.codes > 0) != (exact.codes > 0)) < 0.01


def test_images_by_units_of_another_order_have_the_same_codes() -> None:
    acts, atoms = pooled(30, 24, seed=29), unit_atoms(70, 24, seed=30)
    order = np.random.default_rng(31).permutation(24)
    np.testing.assert_allclose(nnls(acts[:, order], atoms[:, order]).codes, nnls(acts, atoms).codes, atol=1e-5)


def test_more_exact_solves_never_raise_the_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    acts, atoms = pooled(15, 16, seed=13), unit_atoms(60, 16, seed=14)
    monkeypatch.setattr(splitting, "_STEPS", 50)
    values, residuals = [], []
    for rounds in (1, 2, 3, 5, 8, 13, 40):
        monkeypatch.setattr(active_set, "_ROUNDS", rounds)
        result = nnls(acts, atoms)
        values.append(
            [reference.objective(x, z, atoms, l1=1e-3, l2=1e-6) for x, z in zip(acts, result.codes, strict=True)]
        )
        residuals.append(result.kkt_residual.max())
    assert np.diff(values, axis=0).max() < 1e-9
    assert residuals[0] > 1e-6  # cut off too early, and says so
    assert residuals[-1] < 1e-8


@pytest.mark.parametrize("kind", ["many atoms of few units", "nearly parallel", "signed", "in the cone"])
def test_hard_dictionaries(kind: str) -> None:
    rng = np.random.default_rng(15)
    atoms = {
        "many atoms of few units": rng.random((120, 5)),
        "nearly parallel": rng.random((1, 20)) + 0.05 * rng.random((70, 20)),
        "signed": rng.standard_normal((90, 25)),
        "in the cone": np.maximum(rng.standard_normal((100, 25)), 0),
    }[kind]
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    acts = rng.random((40, len(atoms))) ** 8 @ atoms if kind == "in the cone" else rng.random((40, atoms.shape[1]))
    for l1, l2 in ((1e-3, 1e-6), (0.0, 0.0)):
        result = nnls(acts, atoms, l1=l1, l2=l2)
        assert result.kkt_residual.max() < 1e-8
        # ridge and sparsity leave a vertex: hardly more codes than units
        assert result.n_active.max() <= atoms.shape[1] + 5


def test_codes_scale_with_the_image() -> None:
    acts, atoms = pooled(20, 16, seed=17), unit_atoms(40, 16, seed=18)
    np.testing.assert_allclose(nnls(acts * 1e4, atoms).codes, nnls(acts, atoms).codes * 1e4, rtol=1e-6, atol=1e-6)


def test_more_sparsity_penalty_fewer_codes() -> None:
    acts, atoms = pooled(100, 24, seed=19), unit_atoms(60, 24, seed=20)
    active = [nnls(acts, atoms, l1=l1).n_active.mean() for l1 in (1e-4, 1e-2, 1e-1, 0.5)]
    assert active == sorted(active, reverse=True)
    assert nnls(acts, atoms, l1=1.0).n_active.max() == 0  # no atom can have a cosine above one


def test_parallel_and_dead_atoms() -> None:
    atoms = unit_atoms(6, 10, seed=21)
    atoms = np.concatenate([atoms, atoms[:1], np.zeros((1, 10))])
    acts = pooled(15, 10, seed=22)
    for l2 in (1e-6, 0.0):
        result = nnls(acts, atoms, l2=l2)
        assert result.kkt_residual.max() < 1e-8
        assert (result.codes[:, -1] == 0).all()
    np.testing.assert_allclose(nnls(acts, atoms).codes[:, 0], nnls(acts, atoms).codes[:, 6], atol=1e-4)


def test_all_zero_images_and_dtypes() -> None:
    acts = pooled(4, 12, seed=23)
    acts[2] = 0
    atoms = unit_atoms(20, 12, seed=24)
    before = acts.copy()
    exact = nnls(acts, atoms)
    np.testing.assert_array_equal(acts, before)
    assert (exact.codes[2] == 0).all()
    assert exact.kkt_residual[2] == 0
    for dtype in (torch.float16, torch.float32, torch.float64):
        codes = nnls(torch.from_numpy(acts).to(dtype), torch.from_numpy(atoms)).codes
        assert codes.dtype == dtype
        np.testing.assert_allclose(codes.double().numpy(), exact.codes, atol=0.05 if dtype == torch.float16 else 1e-4)


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    atoms = np.eye(3)
    with pytest.raises(ValueError, match=r"the same units, got \(2, 4\) and \(3, 3\)"):
        nnls(np.ones((2, 4)), atoms)
    with pytest.raises(ValueError, match="got 1 of 2 images with NaN"):
        nnls(np.array([[1.0, np.nan, 0.0], [1.0, 1.0, 1.0]]), atoms)
    with pytest.raises(ValueError, match="unit L2 norm, got 3 of 3 others"):
        nnls(np.ones((2, 3)), 2 * atoms)
    with pytest.raises(ValueError, match="l1, l2 >= 0, got -1 and 0"):
        nnls(np.ones((2, 3)), atoms, l1=-1.0, l2=0.0)


def test_the_residual_counts_the_rounding_of_the_codes_returned() -> None:
    atoms = unit_atoms(40, 20, seed=25).astype(np.float32)
    acts = pooled(10, 20, seed=26).astype(np.float32)
    result = nnls(acts, atoms)
    expected = [
        reference.kkt_residual(x, z, atoms.astype(np.float64), l1=1e-3, l2=1e-6)
        for x, z in zip(acts.astype(np.float64), result.codes.astype(np.float64), strict=True)
    ]
    np.testing.assert_allclose(result.kkt_residual, expected, rtol=1e-3, atol=1e-12)
    assert 1e-9 < result.kkt_residual.max() < 1e-6
