import numpy as np
import pytest
from scipy.optimize import nnls as scipy_nnls

from featcx_core.features.examples import position_codes, top_images


def unit_atoms(n_concepts: int, n_units: int, *, seed: int) -> np.ndarray:
    atoms = np.random.default_rng(seed).random((n_concepts, n_units))
    return atoms / np.linalg.norm(atoms, axis=1, keepdims=True)


def test_the_strongest_images_come_first_and_of_equals_the_earlier():
    codes = np.array([[0.0, 1.0], [3.0, 1.0], [2.0, 0.0], [3.0, 0.0]], dtype=np.float32)
    found = top_images([codes], n_images=3)
    assert found.images.tolist() == [[1, 3, 2], [0, 1, -1]]
    assert found.codes.tolist() == [[3, 3, 2], [1, 1, 0]]


@pytest.mark.parametrize("size", [1, 7, 30])
def test_top_images_do_not_depend_on_the_chunks(size):
    codes = np.maximum(np.random.default_rng(0).normal(size=(30, 5)), 0).round(1)
    wanted = np.argsort(-codes, axis=0, kind="stable")[:4].T
    found = top_images((codes[start : start + size] for start in range(0, 30, size)), n_images=4)
    np.testing.assert_array_equal(found.images, np.where(np.take_along_axis(codes.T, wanted, axis=1) > 0, wanted, -1))


def test_fewer_images_than_wanted_are_what_there_is():
    assert top_images([np.ones((2, 1))], n_images=5).images.tolist() == [[0, 1]]
    with pytest.raises(ValueError, match="wanted codes of at least one image, got none"):
        top_images([], n_images=3)


def test_position_codes_are_those_of_the_active_concepts_alone():
    chance = np.random.default_rng(1)
    atoms, codes = unit_atoms(12, 8, seed=1), np.zeros((3, 12))
    codes[0, [2, 5, 7]], codes[1, [0, 5]], codes[2, 11] = 1.0, 1.0, 1.0
    acts = np.einsum("ipc,cu->ipu", chance.random((3, 4, 12)) * (codes > 0)[:, None], atoms)
    acts += 0.05 * chance.random(acts.shape)
    pairs = np.array([[1, 5], [0, 5], [0, 2], [2, 11], [1, 3]])
    found = position_codes(acts, atoms, codes, pairs, l1=0.0, l2=0.0)
    for (image, concept), row in zip(pairs.tolist(), found, strict=True):
        active = np.flatnonzero(codes[image])
        wanted = [
            dict(zip(active, scipy_nnls(atoms[active].T, x)[0], strict=True)).get(concept, 0.0) for x in acts[image]
        ]
        np.testing.assert_allclose(row, wanted, atol=1e-6)


def test_position_codes_do_not_depend_on_the_other_pairs():
    atoms, chance = unit_atoms(6, 5, seed=2), np.random.default_rng(2)
    acts, codes = chance.random((4, 9, 5)), chance.random((4, 6))
    pairs = np.argwhere(codes > 0.3)
    together = position_codes(acts, atoms, codes, pairs)
    alone = np.concatenate([position_codes(acts, atoms, codes, pairs[i : i + 1]) for i in range(len(pairs))])
    np.testing.assert_allclose(together, alone, atol=1e-12)


def test_position_codes_refuse_atoms_that_are_not_of_unit_norm():
    with pytest.raises(ValueError, match="wanted atoms of unit L2 norm, got 5 of 5 others"):
        position_codes(np.ones((2, 3, 4)), 2 * unit_atoms(5, 4, seed=0), np.ones((2, 5)), np.array([[0, 0]]))
