import numpy as np
import pytest
from scipy import stats

from featcx_core.measures.group_means import group_means, range_by_chance
from featcx_core.measures.over_images import Redrawn


def test_by_hand():
    found = group_means(np.array([1.0, np.nan, 2.0, 4.0]), [1, 0, 1, 2])
    assert [(g.group, g.n, g.mean) for g in found[1:]] == [(1, 2, 1.5), (2, 1, 4.0)]
    assert (found[1].low, found[1].high) == pytest.approx((1.5 - 12.706 / 2, 1.5 + 12.706 / 2), abs=1e-3)  # t(1)
    assert found[0].n == 0
    assert np.isnan([found[0].mean, found[0].low, found[2].low, found[2].high]).all()


def test_the_interval_is_that_of_scipy():
    values = np.random.default_rng(0).exponential(size=200)
    [found] = group_means(values, ["all"] * 200)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_five_members_miss_one_time_in_twenty():
    chance = np.random.default_rng(0)
    found = [group_means(chance.normal(size=5), ["a"] * 5)[0] for _ in range(600)]
    assert np.mean([g.low > 0 or g.high < 0 for g in found]) == pytest.approx(0.05, abs=0.02)


def test_over_images_the_members_are_averaged_in_every_draw():
    chance = np.random.default_rng(0)
    values, groups = np.array([1.0, 2.0, 3.0, np.nan, 5.0]), ["a", "a", "a", "b", "b"]
    drawn = values + chance.normal(size=(500, 5))
    drawn[7, 2] = np.nan  # not known in one of them
    redrawn = Redrawn(drawn, values + np.array([0.0, 0.0, 0.0, 0.0, 0.5]), groups=20)
    first, second = group_means(values, groups, over_images=redrawn)
    half = stats.t.ppf(0.975, 19) * drawn[:, :2].mean(1).std()
    assert (first.low_images, first.high_images) == pytest.approx((1.5 - half, 1.5 + half))
    half = stats.t.ppf(0.975, 19) * drawn[:, 4].std()
    assert (second.low_images, second.high_images) == pytest.approx((5 - half, 5.5 + half))  # it was clipped by 0.5
    assert (first.n, second.n) == (3, 1)
    drawn[0, :3] = np.nan
    assert np.isnan(group_means(values, groups, over_images=redrawn)[0].low_images)


def test_the_range_by_chance_is_that_of_single_shuffles():
    values, sizes, chance = np.random.default_rng(0).random(30), [3, 7, 20], np.random.default_rng(1)
    parts = [np.split(chance.permutation(values), np.cumsum(sizes)[:-1]) for _ in range(4000)]
    means = np.array([[part.mean() for part in dealt] for dealt in parts])
    assert range_by_chance(values, sizes) == pytest.approx((means.min(1).mean(), means.max(1).mean()), abs=0.01)
    with pytest.raises(ValueError, match="add up to 30 concepts, got 29"):
        range_by_chance(values, [3, 7, 19])
