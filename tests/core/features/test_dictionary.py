import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.features import samples
from featcx_core.features.dictionary import METHODS, encode, fit_class_dictionaries, fit_dictionary, random_atoms
from featcx_core.features.nmf import nmf
from featcx_core.features.nnls import nnls
from featcx_core.features.quality import dictionary_quality
from featcx_core.features.semi_nmf import semi_nmf


def activations(n_samples: int = 240, n_units: int = 24, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.maximum(rng.gamma(0.5, size=(n_samples, 8)) @ rng.standard_normal((8, n_units)), 0).astype(np.float32)


def test_each_class_has_its_own_atoms_in_the_order_of_the_labels() -> None:
    # class 7 lives on the first two units, class 2 on the others
    acts = np.zeros((8, 4))
    acts[::2, :2] = np.outer([1, 2, 3, 4], [3, 4])
    acts[1::2, 2:] = np.outer([2, 1, 5, 3], [4, 3])
    result = fit_dictionary(acts, n_concepts=1, labels=np.array([7, 2] * 4))
    np.testing.assert_allclose(result.atoms, [[0, 0, 0.8, 0.6], [0.6, 0.8, 0, 0]], atol=1e-9)
    assert result.class_of.tolist() == [2, 7]
    assert result.method == "nmf"
    assert not result.dead.any()
    assert result.relative_error.max() < 1e-9


def test_without_labels_one_dictionary_serves_all_images() -> None:
    acts = activations()
    result = fit_dictionary(acts, n_concepts=6, seed=1)
    assert result.class_of.tolist() == [-1] * 6
    np.testing.assert_array_equal(result.atoms, nmf([acts], n_atoms=6, seed=1).atoms[0])
    assert result.relative_error.shape == result.n_iterations.shape == (1,)


def test_streamed_classes_give_the_same_atoms(monkeypatch: pytest.MonkeyPatch) -> None:
    acts, labels = activations(), np.repeat([0, 1, 2, 3], [50, 70, 90, 30])
    whole = fit_dictionary(acts, n_concepts=5, labels=labels)
    monkeypatch.setattr(samples, "_GROUP_BYTES", 100 * 24 * 4)
    seen: list[int] = []

    def classes():  # type: ignore[no-untyped-def]
        for c in range(4):
            seen.append(c)
            yield acts[labels == c]

    streamed = fit_class_dictionaries(classes(), classes=range(4), n_atoms=5)
    assert seen == [0, 1, 2, 3]
    np.testing.assert_allclose(streamed.atoms, whole.atoms, atol=1e-4)
    np.testing.assert_allclose(streamed.relative_error, whole.relative_error, rtol=1e-5)
    assert streamed.class_of.tolist() == whole.class_of.tolist()
    assert streamed.atoms.shape == (20, 24)
    assert streamed.dead.shape == (20,)


def test_tensors_in_tensors_out() -> None:
    acts = torch.from_numpy(activations())
    result = fit_dictionary(acts, n_concepts=3, labels=torch.arange(240) % 4)
    assert isinstance(result.atoms, torch.Tensor)
    assert isinstance(result.class_of, torch.Tensor)
    codes = encode(acts, result.atoms)
    assert isinstance(codes, torch.Tensor)
    assert codes.dtype == acts.dtype
    assert codes.shape == (240, 12)
    assert isinstance(encode(acts.numpy(), result.atoms), np.ndarray)


def signed(n_samples: int = 120, n_units: int = 12, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.gamma(0.5, size=(n_samples, 5)) @ rng.standard_normal((5, n_units))).astype(np.float32)


def test_auto_is_one_method_for_all_classes() -> None:
    acts, labels = np.abs(signed()), np.repeat([0, 1, 2], 40)
    assert fit_dictionary(acts, n_concepts=3, labels=labels).method == "nmf"
    acts[-1, 0] = -1e-3  # in the last class alone
    found = fit_dictionary(acts, n_concepts=3, labels=labels)
    assert found.method == "semi_nmf"
    np.testing.assert_array_equal(found.atoms[:3], semi_nmf([acts[:40]], n_atoms=3).atoms[0])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_dictionary_that_codes_are_found_in(method: str) -> None:
    acts, labels = np.abs(signed()) if method == "nmf" else signed(), np.arange(120) % 2
    found = fit_dictionary(acts, n_concepts=4, labels=labels, method=method)
    assert found.method == method
    assert found.class_of.tolist() == [0] * 4 + [1] * 4
    assert found.relative_error.shape == found.n_iterations.shape == (2,)
    np.testing.assert_allclose(np.linalg.norm(found.atoms, axis=1), ~found.dead, atol=1e-5)
    assert ((found.atoms < 0).any()) == (method != "nmf")
    codes = encode(acts, found.atoms)
    assert (codes >= 0).all()
    assert np.linalg.norm(acts - codes @ found.atoms) < 0.8 * np.linalg.norm(acts)


def test_encode_gives_the_codes_of_nnls() -> None:
    acts, atoms = activations(20), random_atoms(30, 24, seed=0)
    np.testing.assert_array_equal(encode(acts, atoms, l1=0.01, l2=1e-4), nnls(acts, atoms, l1=0.01, l2=1e-4).codes)


def test_random_atoms_are_unit_seeded_and_of_the_sign_that_is_asked_for() -> None:
    atoms = random_atoms(50, 16, seed=3)
    assert (atoms >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(atoms, random_atoms(50, 16, seed=3))
    assert not np.array_equal(atoms, random_atoms(50, 16, seed=4))
    either = random_atoms(50, 16, seed=3, is_signed=True)
    np.testing.assert_array_equal(np.abs(either), atoms)
    assert 0.4 < (either < 0).mean() < 0.6


def test_atoms_of_all_classes_reconstruct_better_than_random_ones() -> None:
    acts, head = activations(), np.random.default_rng(2).standard_normal((24, 4)).astype(np.float32)
    fitted = fit_dictionary(acts, n_concepts=4, labels=np.arange(240) % 4).atoms
    errors = [
        dictionary_quality(acts, encode(acts, d), d, head, np.zeros(4, np.float32)).relative_error
        for d in (fitted, random_atoms(16, 24, seed=0))
    ]
    assert errors[0] < 0.5 * errors[1]


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    acts, labels = activations(20), np.arange(20) // 16
    with pytest.raises(ValueError, match=r"at least 5 samples in class 1, one per atom, got 4"):
        fit_dictionary(acts, n_concepts=5, labels=labels)
    with pytest.raises(ValueError, match=r"at most as many atoms as units \(24\), got 30 in all images"):
        fit_dictionary(activations(40), n_concepts=30)
    with pytest.raises(ValueError, match=r"one label per sample \(20\), got 19"):
        fit_dictionary(acts, n_concepts=2, labels=labels[:19])
    below = acts.copy()
    below[18, :3] = -1
    with pytest.raises(ValueError, match=r"got 3 negative values in class 1; try the method semi_nmf"):
        fit_dictionary(below, n_concepts=2, labels=labels, method="nmf")
    with pytest.raises(ValueError, match=r"wanted a method out of nmf, semi_nmf, kmeans, pca, sae, got 'ica'"):
        fit_dictionary(acts, n_concepts=2, method="ica")
    broken = acts.copy()
    broken[0, :2] = np.nan, np.inf
    with pytest.raises(ValueError, match="got 2 NaN or infinite values in all images"):
        fit_dictionary(broken, n_concepts=2)
    with pytest.raises(ValueError, match="at least one class, got none"):
        fit_class_dictionaries([], classes=[], n_atoms=2)
    with pytest.raises(ValueError, match="argument 2 is shorter than argument 1"):
        fit_class_dictionaries([acts], classes=[0, 1], n_atoms=2)
