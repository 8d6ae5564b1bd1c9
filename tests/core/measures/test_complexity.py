import numpy as np
import pytest
import torch
from scipy import stats

from featcx_core.measures.complexity import complexity, complexity_interval, complexity_standard_error
from tests.references import complexity as reference


def test_by_hand():
    assert complexity(np.array([[0.0, 1.0], [0.25, 1.0], [0.5, 1.0]])) == pytest.approx([0.75, 0.0])


def test_equals_the_definition():
    values = np.random.default_rng(0).random((17, 40))
    np.testing.assert_allclose(complexity(values), reference.complexity(values), rtol=1e-12)


def test_bounds_order_and_more_information_is_simpler():
    values = np.random.default_rng(1).random((5, 30))
    k = complexity(values)
    assert ((k >= 0) & (k <= 1)).all()
    np.testing.assert_allclose(complexity(values[::-1].copy()), k)
    assert (complexity(np.minimum(values + 0.1, 1)) <= k).all()
    assert complexity(np.zeros((5, 1))) == 1
    assert complexity(np.ones((5, 1))) == 0


def test_a_dead_concept_stays_nan():
    k = complexity(np.array([[0.5, np.nan], [0.5, np.nan]]))
    assert k[0] == 0.5
    assert np.isnan(k[1])


def test_kind_and_dtype_come_back():
    values = torch.rand(3, 4, dtype=torch.float32)
    assert complexity(values).dtype == torch.float32
    assert isinstance(complexity(values.numpy()), np.ndarray)


def test_standard_error_by_hand_and_by_definition():
    # two groups, K = 0.4 without the one and 0.6 without the other: sqrt(1/2 · 2 · 0.01) = 0.1
    assert complexity_standard_error(np.array([[[0.6, 0.4]]])) == pytest.approx([0.1])
    left_out = np.random.default_rng(2).normal(size=(6, 9, 20))
    np.testing.assert_allclose(complexity_standard_error(left_out), reference.standard_error(left_out), rtol=1e-12)


def test_layers_that_err_together_do_not_average_out():
    chance = np.random.default_rng(3)
    one = chance.normal(size=(1, 50, 20))
    together = complexity_standard_error(np.repeat(one, 16, axis=0))
    apart = complexity_standard_error(chance.normal(size=(16, 50, 20)))
    np.testing.assert_allclose(together, complexity_standard_error(one))
    assert apart.mean() == pytest.approx(together.mean() / 4, rel=0.15)


def test_the_interval_is_that_of_what_is_clipped_layer_by_layer():
    jackknife = np.random.default_rng(4).normal(size=(3, 7, 20)) / 50 + np.array([-0.5, 0.4, 0.99])[:, None, None]
    information = jackknife.mean(2).clip(0, 1)
    low, high = complexity_interval(information, jackknife)
    k, error = 1 - information.mean(0), np.array(reference.standard_error(jackknife.clip(0, 1)))
    half = stats.t.ppf(0.975, 19) * error
    np.testing.assert_allclose(low, (k - half).clip(0, 1), rtol=1e-12)
    np.testing.assert_allclose(high, (k + half).clip(0, 1), rtol=1e-12)
    assert (error < complexity_standard_error(jackknife)).all()  # what lies below 0 does not count


def test_no_layer():
    with pytest.raises(ValueError, match="at least one layer, got none"):
        complexity(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="at least one layer, got none"):
        complexity_standard_error(np.zeros((0, 3, 20)))
