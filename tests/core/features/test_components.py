import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from featcx_core.features.components import principal_components
from featcx_core.features.moments import Moments


def acts(n=60, units=8, seed=0):
    chance = np.random.default_rng(seed)
    return chance.normal(size=(n, units)) @ chance.normal(size=(units, units)) + 20


@pytest.mark.parametrize("n", [60, 6])
def test_equals_scikit_learn(n):
    x = acts(n)
    found = principal_components(Moments.of(x, x), n_components=5)
    expected = PCA(5).fit(x)
    np.testing.assert_allclose(found.mean, expected.mean_)
    np.testing.assert_allclose(np.abs(np.sum(found.directions * expected.components_.T, axis=0)), 1, atol=1e-9)
    assert (found.directions[np.abs(found.directions).argmax(0), range(5)] > 0).all()


def test_directions_that_do_not_vary_are_none():
    x = acts()
    x[:, 3] = 0.7
    assert principal_components(Moments.of(x, x), n_components=20).directions.shape == (8, 7)
    assert principal_components(Moments.of(x[:4], x[:4]), n_components=20).directions.shape == (8, 3)
    constant = np.full((5, 3), 0.1)
    assert principal_components(Moments.of(constant, constant), n_components=3).directions.shape == (3, 0)


def test_the_kind_of_array_comes_back():
    x = acts()
    assert isinstance(principal_components(Moments.of(x, x), n_components=2).mean, np.ndarray)
    tensor = torch.from_numpy(x)
    assert isinstance(principal_components(Moments.of(tensor, tensor), n_components=2).mean, torch.Tensor)
