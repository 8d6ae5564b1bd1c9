import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from featcx_core.measures.neighbours import neighbours


def test_nearest_by_cosine_are_scikit_learns():
    atoms = np.random.default_rng(0).normal(size=(700, 16))  # more than are compared at once
    found = neighbours(atoms, n_neighbours=3)
    distances, wanted = NearestNeighbors(n_neighbors=4, metric="cosine").fit(atoms).kneighbors(atoms)
    np.testing.assert_array_equal(found.concepts, wanted[:, 1:])
    np.testing.assert_allclose(found.cosines, 1 - distances[:, 1:], atol=1e-12)


def test_lengths_do_not_count_and_nobody_is_a_neighbour_of_itself():
    atoms = np.array([[1.0, 0.0], [5.0, 0.0], [0.0, 2.0]])
    found = neighbours(atoms, n_neighbours=1)
    assert found.concepts.tolist() == [[1], [0], [0]]
    assert found.cosines.tolist() == [[1.0], [1.0], [0.0]]


def test_a_zero_atom_has_no_neighbours_and_is_nobodys():
    found = neighbours(np.array([[1.0, 0.0], [0.0, 0.0], [0.6, 0.8]], dtype=np.float32), n_neighbours=4)
    assert found.concepts.tolist() == [[2, -1, -1, -1], [-1, -1, -1, -1], [0, -1, -1, -1]]
    assert found.cosines[1].tolist() == [0, 0, 0, 0]
    with pytest.raises(ValueError, match="wanted at least one neighbour, got 0"):
        neighbours(np.eye(2), n_neighbours=0)
