import jaxtyping
import numpy as np
import pytest

from featcx_core.measures.separation import separation
from tests.references import similarity as reference

GROUPS = np.repeat(["true labels", "random labels", "shortcut"], 4)


def similarities(strength, seed=0):
    """Networks of a group share a part of what they are."""
    chance = np.random.default_rng(seed)
    within = strength * (GROUPS[:, None] == GROUPS)
    return within + chance.normal(size=(12, 12))


@pytest.mark.parametrize("strength", [0.0, 1.0, 3.0])
def test_equals_counting(strength):
    values = similarities(strength)
    auprc, violation_rate = reference.separation(values, GROUPS.tolist())
    result = separation(values, GROUPS)
    assert result.auprc == pytest.approx(auprc)
    assert result.violation_rate == pytest.approx(violation_rate)


def test_groups_that_are_apart_and_groups_that_are_the_wrong_way_round():
    is_within = (GROUPS[:, None] == GROUPS).astype(float)
    apart = separation(is_within, GROUPS)
    assert (apart.auprc, apart.violation_rate) == (1, 0)
    reversed_ = separation(-is_within, GROUPS)
    assert reversed_.violation_rate == 1
    assert reversed_.auprc < apart.auprc


def test_a_measure_that_knows_nothing_scores_chance():
    results = [separation(similarities(0.0, seed), GROUPS) for seed in range(200)]
    assert results[0].auprc_chance == pytest.approx(6 / 38)
    assert np.mean([result.violation_rate for result in results]) == pytest.approx(0.5, abs=0.01)
    # average precision is above the share in small samples
    assert 6 / 38 < np.mean([result.auprc for result in results]) < 6 / 38 + 0.08
    constant = separation(np.ones((12, 12)), GROUPS)
    assert constant.violation_rate == 1  # a pair that is no more similar is a violation
    assert constant.auprc == pytest.approx(constant.auprc_chance)


def test_only_ranks_the_mean_of_both_directions_and_pairs_of_different_networks_count():
    values = similarities(1.0)
    base = separation(values, GROUPS)
    assert separation(5 * values - 2, GROUPS) == base
    assert separation(values.T, GROUPS) == base
    assert separation((values + values.T) / 2, GROUPS) == base
    assert separation(values + np.diag(np.full(12, np.nan)), GROUPS) == base
    order = np.random.default_rng(1).permutation(12)
    assert separation(values[order][:, order], GROUPS[order]) == pytest.approx(base)


def test_missing_pairs_are_left_out_and_a_missing_group_is_nan():
    values = similarities(1.0)
    values[0, 11] = np.nan
    assert not np.isnan(separation(values, GROUPS)).any()
    values[:4, :4] = np.nan
    assert np.isnan(separation(values, GROUPS)).all()


def test_errors(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match=r"every pair of 12 networks, got \(11, 11\)"):
        separation(np.ones((11, 11)), GROUPS)
    with pytest.raises(ValueError, match="at least 2 groups of at least 2 networks, got a: 3"):
        separation(np.ones((3, 3)), np.array(["a"] * 3))
    with pytest.raises(ValueError, match="at least 2 groups of at least 2 networks, got a: 2, b: 1"):
        separation(np.ones((3, 3)), np.array(["a", "a", "b"]))
