import numpy as np
import torch

from featcx_core.measures.decomposed import decompose
from featcx_core.measures.layer_pair import Pair, pair_of


def sides(n=100):
    chance = np.random.default_rng(0)
    x = chance.normal(size=(n, 5))
    return x, x[:, :3] + 0.5 * chance.normal(size=(n, 3))


def test_canonical_variables_are_orthonormal_and_correlate_one_by_one():
    pair = pair_of(*sides())
    correlations, mixing_x, mixing_y = pair.canonical
    h_x, h_y = pair.x.scores @ mixing_x, pair.y.scores @ mixing_y
    np.testing.assert_allclose(h_x.T @ h_x, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(h_y.T @ h_y, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(h_x.T @ h_y, np.diag(correlations), atol=1e-12)
    assert correlations.tolist() == sorted(correlations.tolist(), reverse=True)


def test_canonical_correlations_of_the_leading_directions():
    pair = pair_of(*sides())
    few = pair.canonical_of(2, 1)
    assert few.correlations.shape == (1,)
    cosines = pair.x.scores[:, :2].T @ pair.y.scores[:, 0]
    np.testing.assert_allclose(few.correlations[0], torch.linalg.vector_norm(cosines))


def test_cross_is_the_product_of_the_centred_activations_in_singular_directions():
    x, y = sides()
    pair = pair_of(x, y)
    back = pair.x.loadings @ pair.cross @ pair.y.loadings.T
    np.testing.assert_allclose(back, (x - x.mean(0)).T @ (y - y.mean(0)), atol=1e-10)


def test_an_order_puts_other_images_beside_each_other():
    x, y = sides()
    order = torch.from_numpy(np.random.default_rng(1).permutation(100))
    permuted = Pair(decompose(x), decompose(y), order)
    np.testing.assert_allclose(permuted.overlap, permuted.x.scores.T @ permuted.y.scores[order])


def test_arrays_tensors_and_decomposed_sides_mix():
    x, y = sides()
    expected = pair_of(x, y).canonical.correlations
    for a in (x, torch.from_numpy(x), decompose(x)):
        for b in (y, torch.from_numpy(y), decompose(y)):
            torch.testing.assert_close(pair_of(a, b).canonical.correlations, expected)
