import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.features.by_group import GroupedSums
from featcx_core.features.moments import Moments
from featcx_core.measures.variance_share import cross_fitted_share, reader_directions, variance_share
from featcx_core.study.fields import Penalties
from tests.references import variance_share as reference


def planted(n=500, units=8, seed=0):
    chance = np.random.default_rng(seed)
    acts = chance.normal(size=(n, units)) * np.linspace(3, 0.5, units) + 5
    return acts, chance.normal(size=(units, 4))


def gram(acts):
    moved = acts - acts.mean(axis=0)
    return moved.T @ moved


def test_by_hand():
    # variances 3 and 1: along the first axis 3/4, along the diagonal 1/2
    share = variance_share(np.diag([3.0, 1.0]), np.array([[1.0, 2.0, 0.0], [0.0, 2.0, -4.0]]))
    assert share == pytest.approx([0.75, 0.5, 0.25])


def test_equals_the_variance_of_the_projected_activations():
    acts, directions = planted()
    along = (acts @ (directions / np.linalg.norm(directions, axis=0))).var(axis=0)
    np.testing.assert_allclose(variance_share(gram(acts), directions), along / acts.var(axis=0).sum(), rtol=1e-10)


def test_from_the_sums_that_readers_are_fitted_from():
    acts, directions = planted()
    sums = Moments.of(torch.from_numpy(acts), torch.zeros(len(acts), 1)).centred()
    share = variance_share(sums.xx, torch.from_numpy(directions))
    assert isinstance(share, torch.Tensor)
    np.testing.assert_allclose(share, variance_share(gram(acts), directions), rtol=1e-10)


def test_a_random_direction_has_one_in_units_and_orthonormal_ones_add_up_to_1():
    acts, _ = planted()
    chance = np.random.default_rng(1)
    assert variance_share(gram(acts), chance.normal(size=(8, 4000))).mean() == pytest.approx(1 / 8, abs=0.005)
    basis, _ = np.linalg.qr(chance.normal(size=(8, 8)))
    assert variance_share(gram(acts), basis).sum() == pytest.approx(1)
    values, vectors = np.linalg.eigh(gram(acts))
    assert variance_share(gram(acts), vectors).max() == pytest.approx(values[-1] / values.sum())


def test_free_of_the_length_of_a_direction_and_of_the_activations_scale():
    acts, directions = planted()
    expected = variance_share(gram(acts), directions)
    np.testing.assert_allclose(variance_share(100 * gram(acts), -7 * directions), expected, rtol=1e-12)


def test_undefined_where_there_is_no_direction_or_no_variance():
    share = variance_share(np.eye(2), np.array([[0.0, 1.0], [0.0, 0.0]]))
    assert np.isnan(share).tolist() == [True, False]
    assert np.isnan(variance_share(np.zeros((2, 2)), np.ones((2, 1)))).all()


def test_other_units(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match="of the same units, got 2 and 3 units"):
        variance_share(np.eye(2), np.ones((3, 1)))


@pytest.mark.parametrize("units", [5, 45])
def test_shares_of_readers_equal_scikit_learn(units):
    chance = np.random.default_rng(0)
    x = chance.normal(size=(90, units)) * np.geomspace(1, 0.1, units) + 3
    z = x[:, [0, 2, 4]] + chance.normal(size=(90, 3)) * [0.1, 0.3, 1]
    halves = [GroupedSums.of(Moments, x[part], z[part], groups=2) for part in (slice(40), slice(40, None))]
    found = cross_fitted_share(*halves, penalties=Penalties())
    expected = [reference.share(x[:40], z[:40, i], x[40:], z[40:, i]) for i in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_reader_of_a_constant_code_has_no_direction():
    x = np.random.default_rng(0).normal(size=(20, 3))
    weights = reader_directions(GroupedSums.of(Moments, x, np.ones((20, 1)), groups=2), penalties=Penalties())
    assert (weights == 0).all()
    assert np.isnan(variance_share(np.eye(3), weights.numpy())).all()
