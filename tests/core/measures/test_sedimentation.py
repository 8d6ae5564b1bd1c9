import numpy as np
import pytest
import torch
from scipy import stats

from featcx_core.measures.sedimentation import sedimentation
from tests.references import sedimentation as reference


def concepts(n, seed=0):
    chance = np.random.default_rng(seed)
    gamma = chance.exponential(size=n)
    return np.clip(0.7 - 0.1 * gamma + 0.1 * chance.normal(size=n), 0, 1), gamma


def test_by_hand():
    k, gamma = np.array([0.1, 0.2, 0.9, 0.8]), np.array([4.0, 3.0, 2.0, 1.0])
    groups = sedimentation(k, gamma, shares=(0.5,), at_least=1)
    assert [(g.group_name, g.n_concepts) for g in groups] == [("all", 4), ("top_50pct", 2)]
    assert [g.mean_complexity for g in groups] == pytest.approx([0.5, 0.15])
    assert (groups[1].low, groups[1].high) == pytest.approx((0.0, 0.15 + 12.706 * 0.05), abs=1e-4)  # t(1), cut at 0


@pytest.mark.parametrize(
    ("n", "names"),
    [
        (8, ["all"]),
        (10, ["all"]),
        (100, ["all", "top_10pct"]),  # 1, 5 and 10 % are the same ten
        (150, ["all", "top_5pct", "top_10pct"]),
        (10_000, ["all", "top_1pct", "top_5pct", "top_10pct"]),
    ],
)
def test_groups_that_coincide_are_written_once(n, names):
    groups = sedimentation(*concepts(n))
    assert [group.group_name for group in groups] == names


@pytest.mark.parametrize("n", [70, 101, 730, 2001])
def test_members_equal_the_sorted_ones(n):
    k, gamma = concepts(n)
    k[::7] = np.nan
    groups = {g.group_name: g for g in sedimentation(k, gamma, shares=(0.01, 0.1, 0.3))}
    for name, share in {"all": 1, "top_10pct": 0.1, "top_30pct": 0.3}.items():
        expected = reference.members(k, gamma, share, 10)
        assert groups[name].n_concepts == len(expected)
        assert groups[name].mean_complexity == pytest.approx(np.mean(expected))


def test_a_share_is_not_rounded_up_twice():
    assert sedimentation(*concepts(70), shares=(0.1,), at_least=1)[1].n_concepts == 7


def test_the_band_is_students():
    k, gamma = concepts(300)
    for group, share in zip(sedimentation(k, gamma, shares=(0.1,)), (1, 0.1), strict=True):
        expected = stats.ttest_1samp(reference.members(k, gamma, share, 10), 0.0).confidence_interval(0.95)
        assert (group.low, group.high) == pytest.approx(tuple(np.clip(expected, 0, 1)))


def test_independent_importance_makes_no_trend():
    chance = np.random.default_rng(5)
    groups = sedimentation(chance.random(2000), chance.random(2000))
    assert all(group.low < groups[0].mean_complexity < group.high for group in groups)


def test_a_share_changes_no_other_band():
    k, gamma = concepts(1000)
    first = sedimentation(k, gamma)
    assert sedimentation(torch.from_numpy(k), torch.from_numpy(gamma)) == first
    assert sedimentation(k, gamma, shares=(0.1,))[-1] == first[-1]


def test_the_dead_belong_to_no_group():
    assert sedimentation(np.full(20, np.nan), np.ones(20)) == []
    assert sedimentation(np.ones(20), np.full(20, np.nan)) == []


def test_a_share_of_one_is_all():
    assert [group.group_name for group in sedimentation(*concepts(50), shares=(1.0,))] == ["all"]


def test_a_share_that_is_none():
    with pytest.raises(ValueError, match=r"shares between 0 and 1, got \[5.0\]"):
        sedimentation(*concepts(20), shares=(0.01, 5.0))
