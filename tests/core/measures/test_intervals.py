import numpy as np
import pytest
import torch
from scipy import stats

from featcx_core.measures import intervals as module
from featcx_core.measures.intervals import (
    all_or_none_interval,
    correlation_interval,
    counts_of,
    draw_groups,
    draw_members,
    draws_interval,
    interval,
    jackknife_error,
    jackknife_interval,
    logit_interval,
    mean_bands,
    mean_interval,
    percentiles,
    share_interval,
    t_half_width,
    t_interval,
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


@pytest.mark.parametrize("n", [2, 40])
def test_the_interval_of_a_mean_is_scipys(n):
    members = np.random.default_rng(0).gamma(1, size=n)
    expected = stats.ttest_1samp(members, 0.0).confidence_interval(0.95)
    assert mean_interval(members) == pytest.approx(tuple(expected))
    assert mean_interval(members, within=(0.0, 0.1)) == pytest.approx(tuple(np.clip(expected, 0, 0.1)))
    assert np.isnan(mean_interval(members[:1])).all()


def test_a_correlation_has_fishers_interval():
    # of normal variables the deviation of z is known: 1 / sqrt(n - 3)
    drawn = np.tanh(np.arctanh(0.6) + np.random.default_rng(0).normal(size=4000) / np.sqrt(97))
    low, high = correlation_interval(0.6, drawn, groups=100)
    half = stats.t.ppf(0.975, 99) / np.sqrt(97)
    assert (low, high) == pytest.approx((np.tanh(np.arctanh(0.6) - half), np.tanh(np.arctanh(0.6) + half)), abs=0.01)
    assert correlation_interval(1.0, np.array([1.0, 1.0, np.nan]), groups=5) == (1.0, 1.0)


def test_t_intervals_start_from_the_least_and_the_largest_value():
    drawn = np.array([[0.4, 1.0], [0.6, np.nan], [np.nan, np.nan]])
    low, high = t_interval(np.array([[0.5, 0.2], [0.7, 0.3]]), drawn, groups=3, within=(0.0, 2.0))
    half = stats.t.ppf(0.975, 2) * 0.1
    assert (low[0], high[0]) == pytest.approx((0.5 - half, 0.7 + half))
    assert np.isnan([low[1], high[1]]).all()  # one draw alone tells nothing


def test_jackknife_error_of_two_groups():
    assert float(jackknife_error(torch.tensor([0.0, 1.0]))) == pytest.approx(0.5)
    assert jackknife_error(np.array([[0.0, 1.0]])) == pytest.approx([0.5])


def test_jackknife_interval_of_a_mean_is_students():
    values = np.random.default_rng(0).uniform(size=20)
    left_out = (values.sum() - values) / 19
    low, high = jackknife_interval(values.mean(keepdims=True), left_out[None])
    expected = stats.t.interval(0.95, 19, values.mean(), values.std(ddof=1) / 20**0.5)
    np.testing.assert_allclose([low[0], high[0]], expected)


def test_jackknife_interval_is_cut_to_the_range():
    low, high = jackknife_interval(np.array([0.5]), np.array([[0.5, 0.75, 0.25, 0.5]]), within=(0.0, 1.0))
    assert (low.tolist(), high.tolist()) == ([0], [1])


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


def test_bands_are_the_intervals_of_every_curve():
    values = np.random.default_rng(0).normal(size=(12, 3)) + np.arange(3)
    band = mean_bands(values, within=(0.0, 2.0))
    np.testing.assert_allclose(band.mean, values.mean(axis=0))
    expected = [mean_interval(column, within=(0.0, 2.0)) for column in values.T]
    np.testing.assert_allclose(np.transpose([band.low, band.high]), expected)


def test_an_interval_over_draws_covers_the_mean_of_all_draws():
    chance = np.random.default_rng(0)
    drawn = 0.3 + 0.1 * chance.normal(size=(4000, 6))
    ends = np.array([draws_interval(float(row[0]), row[1:]) for row in drawn])
    covered = ((ends[:, 0] <= 0.3) & (ends[:, 1] >= 0.3)).mean()
    assert covered == pytest.approx(0.95, abs=0.012)


def test_an_interval_over_draws_needs_two_others_and_stays_in_its_range():
    assert all(np.isnan(draws_interval(0.5, np.array([0.5, np.nan]))))
    assert all(np.isnan(draws_interval(np.nan, np.array([0.5, 0.6]))))
    assert draws_interval(0.9, np.array([-0.9, 0.9]), within=(-1.0, 1.0)) == (-1, 1)


@pytest.mark.parametrize(("members", "n"), [(0, 10), (3, 10), (99, 100), (1000, 1000)])
def test_the_interval_of_a_share_is_wilsons(members, n):
    expected = stats.binomtest(members, n).proportion_ci(method="wilson")
    assert share_interval(members, n) == pytest.approx((expected.low, expected.high))


def test_a_share_is_of_trials():
    with pytest.raises(ValueError, match="wanted 0 to n members of at least 1 trial, got 3 of 2; try more images"):
        share_interval(3, 2)
