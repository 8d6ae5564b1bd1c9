import jaxtyping
import numpy as np
import pytest

from featcx_core.measures.within_group import mean_within


def test_mean_over_pairs_of_both_directions():
    similarities = np.array([[1, 0.5, 0.1], [0.7, 1, 0.3], [0.1, 0.5, 1]])
    within = mean_within(similarities)
    assert within.mean == pytest.approx((0.6 + 0.1 + 0.4) / 3)
    assert within.n_pairs == 3


def test_interval_leaves_out_a_network_with_all_its_pairs():
    chance = np.random.default_rng(0)
    half = chance.uniform(size=(5, 5))
    similarities = (half + half.T) / 2
    left_out = [mean_within(np.delete(np.delete(similarities, i, 0), i, 1)).mean for i in range(5)]
    error = np.sqrt(4 / 5 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    within = mean_within(similarities)
    assert within.low == pytest.approx(within.mean - 2.7764451 * error)  # t of 4 degrees of freedom
    assert within.high == pytest.approx(within.mean + 2.7764451 * error)


def test_few_networks():
    assert np.isnan(mean_within(np.ones((1, 1)))[:3]).all()
    two = mean_within(np.array([[1, 0.25], [0.75, 1]]))
    assert (two.mean, two.n_pairs) == (0.5, 1)
    assert np.isnan([two.low, two.high]).all()


def test_errors(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match=r"every pair of networks, got \(2, 3\)"):
        mean_within(np.zeros((2, 3)))
