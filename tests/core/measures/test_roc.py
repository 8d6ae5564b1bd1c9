import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from featcx_core.measures.roc import roc_auc


def planted(n=200, shift=1.0, share=0.3, seed=0):
    chance = np.random.default_rng(seed)
    is_case = chance.random(n) < share
    return chance.normal(size=n) + shift * is_case, is_case


def test_by_hand():
    # cases 3 and 1 against controls 2 and 1: above both, a tie and below
    area = roc_auc(np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, True, False, False]))
    assert area.value == (1 + 1 + 0 + 0.5) / 4
    assert (area.n_cases, area.n_controls) == (2, 2)


@pytest.mark.parametrize("rounded", [0, 1, 8])
def test_equals_scikit_learn(rounded):
    scores, is_case = planted()
    scores = scores.round(rounded)
    assert roc_auc(scores, is_case).value == pytest.approx(roc_auc_score(is_case, scores), rel=1e-12)


def test_standard_error_is_delongs():
    scores, is_case = planted()
    cases, controls = scores[is_case], scores[~is_case]
    wins = (cases[:, None] > controls) + 0.5 * (cases[:, None] == controls)
    variance = wins.mean(axis=1).var(ddof=1) / len(cases) + wins.mean(axis=0).var(ddof=1) / len(controls)
    area = roc_auc(scores, is_case)
    centre = np.log(area.value / (1 - area.value))
    low = np.log(area.low / (1 - area.low))
    assert centre - low == pytest.approx(1.959964 * np.sqrt(variance) / (area.value * (1 - area.value)), rel=1e-6)


@pytest.mark.parametrize(("shift", "n"), [(0.0, 60), (1.0, 60), (2.0, 200)])
def test_interval_covers_the_true_area(shift, n):
    from scipy.stats import norm

    truth, areas = norm.cdf(shift / np.sqrt(2)), [roc_auc(*planted(n, shift, seed=seed)) for seed in range(400)]
    assert 0.92 <= np.mean([area.low <= truth <= area.high for area in areas]) <= 0.985


def test_bounds_and_invariances():
    scores, is_case = planted()
    area = roc_auc(scores, is_case)
    assert 0 <= area.low < area.value < area.high <= 1
    assert roc_auc(np.exp(3 * scores), is_case) == area
    other = roc_auc(-scores, is_case)
    assert other.value == pytest.approx(1 - area.value)
    assert other.low == pytest.approx(1 - area.high)
    assert roc_auc(torch.from_numpy(scores), torch.from_numpy(is_case)) == area
    assert roc_auc(np.where(is_case, np.inf, scores), is_case).value == 1


def test_sides_that_do_not_overlap_leave_some_doubt():
    is_case = np.arange(40) < 10
    area = roc_auc(is_case.astype(float), is_case)
    assert (area.value, area.high) == (1, 1)
    assert area.low == pytest.approx(0.025 ** (1 / 10))
    assert roc_auc(-is_case.astype(float), is_case)[:3] == (0, 0, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert roc_auc(np.arange(3.0), np.array([False, False, True]))[:3] == (1, 0, 1)


def test_errors():
    scores, is_case = planted()
    with pytest.raises(ValueError, match="at least 1 case and 1 control, got 200 and 0"):
        roc_auc(scores, np.ones(200, dtype=bool))
    scores[:2] = np.nan
    with pytest.raises(ValueError, match="scores that are numbers, got 2 that are NaN"):
        roc_auc(scores, is_case)
