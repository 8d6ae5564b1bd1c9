import numpy as np
import pytest
import torch
from scipy import stats

from featcx_core.measures import intervals as module
from featcx_core.measures.intervals import (
    all_or_none_interval,
    bootstrap_means,
    counts_of,
    draw_groups,
    draw_members,
    interval,
    jackknife_error,
    logit_interval,
    mean_interval,
    percentiles,
    t_half_width,
)


@pytest.mark.parametrize("at_once", [1, 100, 10**9])
def test_the_size_of_blocks_changes_no_draw(at_once, monkeypatch):
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", at_once)
    drawn = np.concatenate(list(draw_members(7, n_bootstrap=30, seed=3)))
    assert np.array_equal(drawn, np.random.default_rng(3).integers(7, size=(30, 7)))


def test_counts_by_hand():
    assert counts_of(np.array([[0, 0, 2], [1, 1, 1]])).tolist() == [[2, 0, 1], [0, 3, 0]]


def test_weights_of_groups_have_the_variance_of_a_mean_over_groups():
    weights = draw_groups(20, n_bootstrap=20_000, seed=0)
    assert weights.sum(axis=1) == pytest.approx(0, abs=1e-12)
    assert weights.var(axis=0) == pytest.approx(np.full(20, 1 / 400), rel=0.05)


def test_draws_that_leave_a_statistic_undefined_do_not_count():
    assert interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert np.isnan(interval(np.array([np.nan]))).all()


def test_percentiles_of_every_column():
    drawn = np.random.default_rng(0).normal(size=(100, 3))
    low, high = percentiles(drawn)
    assert [interval(column) for column in drawn.T] == list(zip(low, high, strict=True))


def test_the_interval_of_a_mean_is_scipys():
    members = np.random.default_rng(0).gamma(1, size=40)
    expected = stats.bootstrap((members,), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(1))
    found = mean_interval(members, n_bootstrap=9999, seed=2)
    width = found[1] - found[0]
    assert found == pytest.approx(tuple(expected.confidence_interval), abs=0.03 * width)


def test_jackknife_error_of_two_groups():
    assert float(jackknife_error(torch.tensor([0.0, 1.0]))) == pytest.approx(0.5)
    assert jackknife_error(np.array([[0.0, 1.0]])) == pytest.approx([0.5])


def test_jackknife_error_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=15)
    left_out = (values.sum() - values) / 14
    assert jackknife_error(left_out) == pytest.approx(stats.sem(values))


def test_t_half_width_is_scipys_interval():
    low, high = stats.t.interval(0.95, 4, loc=2.0, scale=3.0)
    half = t_half_width(np.array([3.0, 3.0]), freedom=np.array([4, 4]))
    assert 2 - half == pytest.approx([low, low])
    assert 2 + half == pytest.approx([high, high])


@pytest.mark.parametrize("n", [1, 10, 50])
def test_an_interval_of_all_or_none_is_scipys_exact_one(n):
    for k, share in ((n, 1.0), (0, 0.0)):
        expected = stats.binomtest(k, n).proportion_ci(method="exact")
        assert all_or_none_interval(share, n=n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_an_interval_on_the_logit_scale_stays_within_bounds():
    for share, error in ((0.01, 0.5), (0.99, 0.5), (0.5, 100.0)):
        low, high = logit_interval(share, error=error)
        assert 0 <= low < share < high <= 1
    assert logit_interval(0.5, error=1e-4) == pytest.approx((0.5 - 1.96e-4, 0.5 + 1.96e-4), abs=1e-8)


def test_errors():
    with pytest.raises(ValueError, match="at least 2 groups of images, got 1"):
        draw_groups(1, seed=0)


def test_bands_are_those_of_the_standard_error():
    values = np.random.default_rng(0).normal(size=(400, 3)) + np.arange(3)
    band = bootstrap_means(values, n_bootstrap=4000, seed=1)
    half = 1.96 * values.std(axis=0) / 20
    np.testing.assert_allclose(band.mean, values.mean(axis=0))
    np.testing.assert_allclose(band.high - band.mean, half, rtol=0.1)
    np.testing.assert_allclose(band.mean - band.low, half, rtol=0.1)


def test_the_same_concepts_are_drawn_for_all_curves():
    values = np.random.default_rng(0).normal(size=(30, 2))
    both = np.stack([values, values + 1], axis=2)
    band = bootstrap_means(both, seed=3)
    np.testing.assert_allclose(band.low[:, 1], band.low[:, 0] + 1)
    again = bootstrap_means(both, seed=3)
    assert all(np.array_equal(one, other) for one, other in zip(band, again, strict=True))
