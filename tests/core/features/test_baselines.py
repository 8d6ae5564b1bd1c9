import builtins
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment, nnls
from sklearn.decomposition import PCA

from featcx_core.features.baselines import kmeans, pca, sae
from featcx_core.features.factorisation import Factorisation
from featcx_core.study.fields import StudyError

Fit = Callable[..., Factorisation]
FITS = [kmeans, pca, sae]


def clustered(n_samples: int, n_units: int, *, seed: int, n_atoms: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Samples of one atom of either sign each, with noise; and the atoms."""
    rng = np.random.default_rng(seed)
    atoms = rng.standard_normal((n_atoms, n_units))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    lengths = rng.uniform(2, 3, (n_samples, 1))
    samples = lengths * atoms[np.arange(n_samples) % n_atoms] + 0.05 * rng.standard_normal((n_samples, n_units))
    return samples.astype(np.float32), atoms


def matched(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Cosine of each wanted atom with the found one that is matched to it."""
    cosines = wanted @ found.T
    return cosines[linear_sum_assignment(-cosines)]


def test_centres_of_clusters_are_found() -> None:
    acts, atoms = clustered(200, 24, seed=0)
    assert matched(kmeans([acts], n_atoms=4).atoms[0], atoms).min() > 0.99


def test_atoms_that_samples_are_mixed_of_are_found() -> None:
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((8, 32))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.zeros((600, 8))
    for row in codes:
        row[rng.choice(8, 2, replace=False)] = rng.uniform(1, 3, 2)
    acts = (codes @ atoms + 0.02 * rng.standard_normal((600, 32))).astype(np.float32)
    assert matched(sae([acts], n_atoms=8).atoms[0], atoms).mean() > 0.85  # one may be dead


def test_a_component_is_two_atoms_beside_the_mean() -> None:
    rng = np.random.default_rng(1)
    acts = 3 + rng.standard_normal((300, 8)) * np.arange(8, 0, -1)
    found = pca([acts], n_atoms=6).atoms[0]
    components = PCA(3).fit(acts).components_
    np.testing.assert_allclose(found[0], acts.mean(0) / np.linalg.norm(acts.mean(0)), rtol=1e-6)
    np.testing.assert_allclose(np.abs(found[[1, 3, 5]] @ components.T), np.eye(3), atol=1e-6)
    np.testing.assert_array_equal(found[[2, 4]], -found[[1, 3]])


def test_a_component_is_first_in_the_direction_of_its_larger_scores() -> None:
    acts = np.array([[1.0, -9.0], [1.0, 3.0], [1.0, 3.0], [1.0, 3.0]])
    np.testing.assert_allclose(pca([acts], n_atoms=2).atoms, [[[1, 0], [0, -1]]], atol=1e-9)


def test_with_both_signs_of_all_components_nothing_is_lost() -> None:
    acts, _ = clustered(60, 3, seed=2)
    assert pca([acts[:, :1]], n_atoms=1).relative_error[0] < 1  # one unit: no component fits beside the mean
    plane = np.concatenate([acts, np.zeros((60, 4), np.float32)], axis=1)
    assert pca([plane], n_atoms=7).relative_error[0] < 1e-3
    assert pca([plane], n_atoms=3).relative_error[0] > 0.1


@pytest.mark.parametrize("fit", FITS)
def test_atoms_are_unit_and_the_error_is_that_of_the_best_codes(fit: Fit) -> None:
    acts = [clustered(n, 16, seed=n, n_atoms=7)[0] for n in (90, 40)]
    result = fit(acts, n_atoms=5)
    assert result.atoms.shape == (2, 5, 16)
    np.testing.assert_allclose(np.linalg.norm(result.atoms, axis=2), ~result.dead, atol=1e-5)
    for samples, atoms, error in zip(acts, result.atoms, result.relative_error, strict=True):
        residual = [nnls(atoms.T.astype(float), row)[1] for row in samples.astype(float)]
        assert error == pytest.approx(np.linalg.norm(residual) / np.linalg.norm(samples), rel=1e-4)


@pytest.mark.parametrize("fit", FITS)
def test_same_seed_same_result_and_nothing_else_changes(fit: Fit) -> None:
    acts, _ = clustered(60, 12, seed=3)
    before, chance = acts.copy(), torch.random.get_rng_state()
    first, second = fit([acts], n_atoms=3, seed=5), fit([acts], n_atoms=3, seed=5)
    np.testing.assert_array_equal(first.atoms, second.atoms)
    np.testing.assert_array_equal(acts, before)
    assert torch.equal(torch.random.get_rng_state(), chance)


@pytest.mark.parametrize("fit", FITS)
def test_tensors_in_tensors_out(fit: Fit) -> None:
    acts = torch.from_numpy(clustered(40, 12, seed=4)[0])
    result = fit([acts, acts.half()], n_atoms=3)
    assert isinstance(result.atoms, torch.Tensor)
    assert result.atoms.dtype == torch.float32
    assert isinstance(result.n_iterations, torch.Tensor)


@pytest.mark.parametrize("fit", FITS)
def test_activations_that_are_zero_or_all_the_same(fit: Fit) -> None:
    zeros = fit([np.zeros((6, 4), np.float32)], n_atoms=2)
    assert zeros.dead.all()
    assert (zeros.atoms == 0).all()
    assert zeros.relative_error.tolist() == [0]
    same = fit([np.tile(np.array([3.0, -4.0, 0.0], np.float32), (6, 1))], n_atoms=2)
    assert same.relative_error[0] < 0.05
    assert same.dead.sum() == (1 if fit is not sae else same.dead.sum())


@pytest.mark.parametrize("fit", FITS)
def test_one_atom_and_one_sample(fit: Fit) -> None:
    result = fit([np.array([[0.0, -2.0, 0.0]], np.float32)], n_atoms=1)
    np.testing.assert_allclose(result.atoms, [[[0, -1, 0]]], atol=0.02)


@pytest.mark.parametrize("fit", FITS)
def test_errors(fit: Fit) -> None:
    with pytest.raises(ValueError, match=r"wanted 1 to 3 atoms .* got 4"):
        fit([np.ones((9, 3))], n_atoms=4)


@pytest.mark.parametrize(
    ("missing", "reason"), [("overcomplete", "is not installed"), ("libGL", r"cannot be imported \(libGL")]
)
def test_overcomplete_is_an_extra(missing: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("overcomplete"):
            raise ImportError(missing, name=missing)
        return whole(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(StudyError, match=rf"overcomplete {reason}.*try pip install 'featcx\[dictionaries\]'"):
        sae([np.ones((9, 3))], n_atoms=2)
