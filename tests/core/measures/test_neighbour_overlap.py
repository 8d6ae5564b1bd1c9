import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from featcx_core.measures import neighbour_overlap
from featcx_core.measures.decomposed import decompose
from featcx_core.measures.layer_pair import Pair
from featcx_core.measures.neighbour_overlap import mutual_knn, nearest_images


def acts(n=80, units=6, seed=0):
    return np.maximum(np.random.default_rng(seed).normal(size=(n, units)) + 0.5, 0)


def test_lists_equal_scikit_learn():
    x = acts() + 0.1
    lists = NearestNeighbors(n_neighbors=6, metric="cosine").fit(x).kneighbors(x, return_distance=False)
    np.testing.assert_array_equal(nearest_images(torch.from_numpy(x), n_neighbours=5), lists[:, 1:])


def test_the_size_of_blocks_does_not_matter(monkeypatch):
    x = torch.from_numpy(acts())
    whole = nearest_images(x)
    monkeypatch.setattr(neighbour_overlap, "_ROWS", 7)
    torch.testing.assert_close(nearest_images(x), whole)


def test_a_silent_image_has_no_neighbours_and_is_nobodys():
    x = acts(n=12)
    x[4] = 0
    lists = nearest_images(torch.from_numpy(x), n_neighbours=10)
    assert (lists[4] == -1).all()
    assert not (lists == 4).any()
    layer = decompose(x)
    assert mutual_knn(Pair(layer, layer)) == pytest.approx(11 / 12)


@pytest.mark.parametrize("silent", [[], [3, 11]])
def test_permuted_images_are_those_of_the_permuted_activations(silent):
    x, y = acts(), acts(seed=1)
    y[silent] = 0
    order = np.random.default_rng(2).permutation(80)
    permuted = mutual_knn(Pair(decompose(x), decompose(y), torch.from_numpy(order)))
    assert permuted == mutual_knn(Pair(decompose(x), decompose(y[order])))


def test_units_that_never_change_count_in_the_cosine():
    x = acts()
    lifted = np.column_stack([x, np.full(80, 5.0)])
    base, other = decompose(x), decompose(lifted)
    expected = nearest_images(torch.from_numpy(lifted))
    shared = (nearest_images(torch.from_numpy(x))[:, :, None] == expected[:, None, :]).sum() / 800
    assert mutual_knn(Pair(base, other)) == pytest.approx(float(shared))
    assert shared < 1
