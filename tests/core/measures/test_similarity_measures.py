import numpy as np
import pytest
import torch

from featcx_core.measures import similarity
from featcx_core.measures.decomposed import decompose
from featcx_core.measures.layer_pair import Pair
from featcx_core.measures.similarity_measures import chosen, evaluate

NAMES = ("cka", "svcca", "svcca_squared", "pwcca", "pwcca_swapped", "mean_cca", "procrustes", "mutual_knn")


def sides(n=200):
    chance = np.random.default_rng(0)
    shared = chance.normal(size=(n, 3))
    return (shared @ chance.normal(size=(3, units)) + chance.normal(size=(n, units)) for units in (9, 6))


def test_every_name_is_the_function_of_that_name():
    x, y = sides()
    expected = [
        similarity.linear_cka(x, y),
        similarity.svcca(x, y, threshold=0.8),
        similarity.svcca(x, y, threshold=0.8, squared=True),
        similarity.pwcca(x, y),
        similarity.pwcca(y, x),
        similarity.mean_cca(x, y),
        similarity.procrustes(x, y),
        similarity.mutual_knn(x, y, n_neighbours=4),
    ]
    measures = chosen(NAMES, threshold=0.8, n_neighbours=4)
    np.testing.assert_allclose(evaluate(Pair(decompose(x), decompose(y)), measures), expected, rtol=1e-12)


@pytest.mark.parametrize("labels", [None, np.arange(200) % 4])
def test_permuted_images_are_those_of_the_permuted_activations(labels):
    x, y = sides()
    order = np.arange(200)
    for members in [order] if labels is None else [order[labels == label] for label in range(4)]:
        order[members] = np.random.default_rng(1).permutation(members)
    a, b, moved = (decompose(side, labels=labels) for side in (x, y, y[order]))
    permuted = evaluate(Pair(a, b, torch.from_numpy(order)), chosen(NAMES))
    np.testing.assert_allclose(permuted, evaluate(Pair(a, moved), chosen(NAMES)), atol=1e-12)


def test_errors():
    with pytest.raises(ValueError, match=r"wanted measures among cka, .*, got rsa; try cka"):
        chosen(["cka", "rsa"])
    with pytest.raises(ValueError, match=r"threshold above 0, at most 1, got 2\.0"):
        chosen(["cka"], threshold=2.0)
