"""Codes by working sets: on small problems here, which take them only where the limits of size are moved."""

import numpy as np
import pytest
import torch

from featcx_core.features import nnls as module
from featcx_core.features import working_sets
from featcx_core.features.active_set import Problem
from featcx_core.features.nnls import Codes, nnls
from tests.references import nnls as reference

PENALTIES = [(1e-3, 1e-6), (0.0, 0.0), (0.05, 1e-2), (0.0, 1e-3)]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Use working sets at any size; returns the list to which each search adds which images it found."""
    flags: list[torch.Tensor] = []

    def recorded(problem: Problem, x: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes, is_found = working_sets.search(problem, x, targets)
        flags.append(is_found)
        return codes, is_found

    monkeypatch.setattr(module, "_LARGE", 0)
    monkeypatch.setattr(module, "search", recorded)
    monkeypatch.setattr(working_sets, "_ENTERING", 4)
    return flags


def sparse(
    n_images: int, n_atoms: int, n_units: int, *, n_active: int = 4, noise: float = 0.01, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return images of few of the atoms, with noise, and the atoms."""
    rng = np.random.default_rng(seed)
    atoms = rng.gamma(0.3, size=(n_atoms, n_units))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.zeros((n_images, n_atoms))
    for row in codes:
        row[rng.choice(n_atoms, n_active, replace=False)] = 0.2 + rng.gamma(1.0, size=n_active)
    acts = codes @ atoms
    return np.maximum(acts + noise * acts.std() * rng.standard_normal(acts.shape), 0), atoms


def split(acts: np.ndarray, atoms: np.ndarray, *, l1: float = 1e-3, l2: float = 1e-6) -> Codes:
    """Return the codes that start from splitting steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LARGE", 2**60)
        return nnls(acts, atoms, l1=l1, l2=l2)


@pytest.mark.parametrize(("n_atoms", "n_units"), [(20, 64), (100, 64), (240, 60)])
@pytest.mark.parametrize(("l1", "l2"), PENALTIES)
def test_objective_and_optimality_match_scipy(
    n_atoms: int, n_units: int, l1: float, l2: float, found: list[torch.Tensor]
) -> None:
    acts, atoms = sparse(20, n_atoms, n_units, n_active=2)
    result = nnls(acts, atoms, l1=l1, l2=l2)
    assert found[0].any()  # else this would test the splitting steps
    for x, z in zip(acts, result.codes, strict=True):
        theirs = reference.objective(x, reference.codes(x, atoms, l1=l1, l2=l2), atoms, l1=l1, l2=l2)
        assert reference.objective(x, z, atoms, l1=l1, l2=l2) <= theirs + 1e-10 * 0.5 * float(np.sum(x**2))
        assert reference.kkt_residual(x, z, atoms, l1=l1, l2=l2) <= 1e-8
    assert result.kkt_residual.max() <= 1e-8


def test_the_minimum_is_that_of_the_splitting_steps(found: list[torch.Tensor]) -> None:
    acts, atoms = sparse(40, 300, 90, seed=1)
    ours, theirs = nnls(acts, atoms), split(acts, atoms)
    assert found[0].sum() >= 20
    norms = np.linalg.norm(acts, axis=1, keepdims=True)
    np.testing.assert_allclose(ours.codes / norms, theirs.codes / norms, atol=1e-10)
    np.testing.assert_array_equal(ours.codes > 0, theirs.codes > 0)
    np.testing.assert_array_equal(ours.n_active, theirs.n_active)


def test_dense_images_beside_sparse_ones_are_left_to_the_splitting_steps(found: list[torch.Tensor]) -> None:
    few, atoms = sparse(12, 150, 60, n_active=3, noise=0.0)
    many = np.random.default_rng(2).gamma(1.0, size=(12, 60))
    acts = np.stack([few, many], axis=1).reshape(24, 60)  # one of each in turn
    together = nnls(acts, atoms)
    assert found[0][::2].sum() >= 8
    assert not found[0][1::2].any()
    assert together.kkt_residual.max() < 1e-8
    np.testing.assert_allclose(together.codes[::2], nnls(few, atoms).codes, atol=1e-8)
    np.testing.assert_array_equal(split(many, atoms).codes > 0, together.codes[1::2] > 0)


def test_planted_codes_are_found_without_any_splitting_step(
    found: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Splitting", None)  # nobody may make one
    acts, atoms = sparse(30, 200, 80, n_active=3, noise=0.0)
    result = nnls(acts, atoms)
    assert found[0].all()
    assert (result.n_active <= 6).all()
    assert np.abs(result.codes @ atoms - acts).max() < 0.01 * acts.max()


@pytest.mark.parametrize("l2", [1e-6, 0.0])
def test_parallel_atoms_dead_atoms_and_black_images(l2: float, found: list[torch.Tensor]) -> None:
    acts, atoms = sparse(20, 60, 40, n_active=2)
    atoms = np.concatenate([atoms, atoms, np.zeros((2, 40))])
    acts[3] = 0
    result = nnls(acts, atoms, l2=l2)
    assert found[0].any()
    assert result.kkt_residual.max() < 1e-8
    assert (result.codes[:, -2:] == 0).all()
    assert (result.codes[3] == 0).all()
    if l2:
        norms = np.linalg.norm(acts, axis=1, keepdims=True)  # the tolerance of 1e-9 over l2
        assert (np.abs(result.codes[:, :60] - result.codes[:, 60:120]) <= 1e-3 * norms).all()


def test_signed_atoms(found: list[torch.Tensor]) -> None:
    rng = np.random.default_rng(5)
    atoms = rng.standard_normal((150, 60))
    atoms[1] = -atoms[0]
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    acts = rng.gamma(1.0, size=(20, 4)) @ atoms[[0, 5, 70, 90]] + 1e-4 * rng.standard_normal((20, 60))
    result = nnls(acts, atoms)
    assert found[0].any()
    assert result.kkt_residual.max() < 1e-8
    assert (result.codes[:, 0] * result.codes[:, 1] == 0).all()


def test_same_codes_on_any_batch_size(found: list[torch.Tensor]) -> None:
    acts, atoms = sparse(30, 200, 64, seed=6)
    together, norms = nnls(acts, atoms).codes, np.linalg.norm(acts, axis=1, keepdims=True)
    for size in (1, 7):
        parts = np.concatenate([nnls(acts[i : i + size], atoms).codes for i in range(0, 30, size)])
        np.testing.assert_allclose(parts / norms, together / norms, atol=1e-10)
        np.testing.assert_array_equal(parts > 0, together > 0)


@pytest.mark.parametrize(("limit", "value"), [("_BOTH", 0), ("_ROUNDS", 2), ("_TOLERANCE", 1e-2), ("_GROWTH", 1)])
def test_no_limit_of_the_search_moves_the_minimum(
    limit: str, value: float, found: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    acts, atoms = sparse(30, 200, 64, seed=7)
    usual = nnls(acts, atoms)
    monkeypatch.setattr(working_sets, limit, value)
    other = nnls(acts, atoms)
    assert all(flags.any() for flags in found)
    assert other.kkt_residual.max() < 1e-8
    np.testing.assert_allclose(other.codes, usual.codes, atol=1e-9)


def test_a_search_gives_up_where_a_matrix_has_no_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_sets, "_ENTERING", 4)
    acts, atoms = (torch.from_numpy(part) for part in sparse(5, 40, 60, n_active=2, noise=0.0))
    problem = Problem.of(atoms, l1=1e-3, l2=1e-6).single()
    x = (acts / torch.linalg.vector_norm(acts, dim=1, keepdim=True)).float()
    targets = x @ problem.atoms.T - problem.l1
    assert working_sets.search(problem, x, targets)[1].any()
    assert not working_sets.search(problem._replace(gram=-problem.gram), x, targets)[1].any()


def test_the_gram_matrix_is_that_of_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featcx_core.features.active_set._ROWS", 7)
    atoms = torch.from_numpy(sparse(1, 23, 10)[1])
    gram = Problem.of(atoms, l1=0.0, l2=0.5).gram
    np.testing.assert_allclose(gram[:-1, :-1], atoms @ atoms.T + 0.5 * torch.eye(23), atol=1e-12)
    assert gram[-1].tolist() == [0.0] * 23 + [0.5]


@pytest.mark.parametrize("n_atoms", [10, 60])
def test_the_descent_is_the_gradient_downwards(n_atoms: int) -> None:
    acts, atoms = (torch.from_numpy(part) for part in sparse(6, n_atoms, 20))
    problem = Problem.of(atoms, l1=0.01, l2=0.1)
    codes = torch.nn.functional.pad(torch.rand(6, n_atoms, dtype=torch.float64).sub_(0.5).clamp_min_(0), (0, 1))
    z = codes[:, :-1].clone().requires_grad_()
    (0.5 * (acts - z @ atoms).square().sum() + 0.01 * z.sum() + 0.05 * z.square().sum()).backward()
    descent = problem.descent(acts, acts @ problem.atoms.T - 0.01, codes)
    assert z.grad is not None
    np.testing.assert_allclose(descent[:, :-1], -z.grad, atol=1e-12)
