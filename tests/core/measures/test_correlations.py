import jaxtyping
import numpy as np
import pytest
import torch
from scipy import stats

from featcx_core.measures import correlations as module
from featcx_core.measures.correlations import correlation, partial_correlations
from featcx_core.measures.over_images import Redrawn
from tests.references import correlations as reference


def concepts(n=80, seed=0, tied=False):
    chance = np.random.default_rng(seed)
    controls = chance.normal(size=(n, 2))
    x = controls @ [1.0, 0.5] + chance.normal(size=n)
    y = np.exp(0.3 * x + controls @ [0.5, -1.0] + chance.normal(size=n))
    return tuple(np.round(v) for v in (x, y, controls)) if tied else (x, y, controls)


def test_by_hand():
    x, y = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([2.0, 1.0, 4.0, 3.0, 50.0])
    assert correlation(x, y, seed=0).value == pytest.approx(1 - 6 * 4 / (5 * 24))  # four ranks off by one
    assert correlation(x, 3 - 2 * x, method="pearson", seed=0)[:3] == pytest.approx((-1, -1, -1))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_raw_values_equal_scipy(seed, tied):
    x, y, _ = concepts(seed=seed, tied=tied)
    assert correlation(x, y, seed=0).value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert correlation(x, y, method="pearson", seed=0).value == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("controlled", [False, True])
@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_value_and_interval_equal_the_loop(method, controlled, tied):
    x, y, controls = concepts(tied=tied)
    controls = controls if controlled else None
    result = correlation(x, y, method=method, controls=controls, n_bootstrap=100, seed=7)
    assert result.value == pytest.approx(reference.correlation(x, y, controls, method), abs=1e-10)
    expected = reference.interval(x, y, controls, method, 100, seed=7)
    assert (result.low, result.high) == pytest.approx(tuple(expected), abs=1e-10)
    assert result.n == 80


def test_invariances():
    x, y, controls = concepts()
    base = correlation(x, y, controls=controls, seed=0)
    assert correlation(np.exp(x), y**3, controls=np.tanh(controls), seed=0) == pytest.approx(base, nan_ok=True)
    assert correlation(y, x, controls=controls[:, ::-1], seed=0) == pytest.approx(base, nan_ok=True)
    mirrored = correlation(-x, y, controls=controls, seed=0)
    assert (mirrored.value, mirrored.low, mirrored.high) == pytest.approx((-base.value, -base.high, -base.low))
    pearson = correlation(x, y, method="pearson", controls=controls, seed=0)
    mixed = controls @ np.array([[2.0, 1.0], [0.0, 3.0]]) + 5
    assert correlation(9 * x + 1e3, y, method="pearson", controls=mixed, seed=0) == pytest.approx(pearson, nan_ok=True)


def test_a_common_cause_is_taken_out():
    chance = np.random.default_rng(1)
    cause = chance.normal(size=2000)
    x, y = cause + 0.5 * chance.normal(size=2000), cause + 0.5 * chance.normal(size=2000)
    assert correlation(x, y, seed=0).value > 0.7
    partial = correlation(x, y, method="pearson", controls=cause[:, None], seed=0)
    assert partial.low < 0 < partial.high


def test_intervals_of_independent_data_hold_zero_as_often_as_they_say():
    chance = np.random.default_rng(2)
    results = [correlation(*chance.normal(size=(2, 60)), n_bootstrap=300, seed=0) for _ in range(200)]
    assert np.mean([r.low <= 0 <= r.high for r in results]) == pytest.approx(0.95, abs=0.05)
    assert np.mean([r.value for r in results]) == pytest.approx(0, abs=0.03)


def test_nan_is_dropped_in_pairs():
    x, y, controls = concepts()
    x[3], y[5], controls[9, 1] = np.nan, np.nan, np.nan
    kept = np.delete(np.arange(80), [3, 5, 9])
    expected = correlation(x[kept], y[kept], controls=controls[kept], seed=0)
    assert correlation(x, y, controls=controls, seed=0) == expected
    assert expected.n == 77


@pytest.mark.parametrize(("n", "n_controls", "defined"), [(3, 0, False), (4, 0, True), (5, 2, False), (6, 2, True)])
def test_too_few_concepts(n, n_controls, defined):
    x, y, controls = concepts(n=n)
    result = correlation(x, y, controls=controls[:, :n_controls] if n_controls else None, seed=0)
    assert result.n == n
    assert np.isnan([result.value, result.low, result.high]).tolist() == [not defined] * 3


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_nothing_left_to_correlate(method):
    x, y, controls = concepts()
    constant = np.full(80, 0.1)
    assert np.isnan(correlation(constant, y, method=method, seed=0).value)
    assert np.isnan(correlation(x, x, method=method, controls=np.stack([x, y], 1), seed=0).value)
    useless = np.column_stack([controls, constant, controls[:, 0]])  # constant and doubled controls change nothing
    expected = correlation(x, y, method=method, controls=controls, seed=0)
    assert correlation(x, y, method=method, controls=useless, seed=0) == pytest.approx(expected, nan_ok=True)


def test_a_code_that_is_nearly_always_zero_still_has_an_interval():
    _, y, _ = concepts()
    rare = np.zeros(80)
    rare[:2] = [1.0, 2.0]
    result = correlation(rare, y, n_bootstrap=200, seed=0)
    assert -1 <= result.low <= result.value <= result.high <= 1


def test_same_seed_same_interval_whatever_the_blocks(monkeypatch):
    x, y, controls = concepts()
    first = correlation(x, y, controls=controls, seed=3)
    assert correlation(*(torch.from_numpy(v) for v in (x, y)), controls=torch.from_numpy(controls), seed=3) == first
    assert correlation(x, y, controls=controls, seed=4) != first
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", 5000)
    assert correlation(x, y, controls=controls, seed=3) == pytest.approx(first, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_sets_of_controls_together_are_those_by_themselves(method):
    x, y, controls = concepts(tied=True)
    controls = np.column_stack([controls, np.full(80, 2.0)])
    controls[4, 1] = np.nan  # drops a concept from the sets that hold it fixed
    chance = np.random.default_rng(3)
    redrawn = [Redrawn(v + chance.normal(size=(50, 80)), v, groups=20) for v in (x, y)]
    held = [[], [0], [1], [2], [0, 1], [1, 2, 0]]
    options = {"method": method, "n_bootstrap": 100, "seed": 5, "over_images": redrawn}
    together = partial_correlations(x, y, controls, held=held, **options)
    for each, result in zip(held, together, strict=True):
        alone = correlation(x, y, controls=controls[:, each] if each else None, **options)
        assert result == pytest.approx(alone, abs=1e-12)
        assert result.n == (79 if 1 in each else 80)
        kept = ~np.isnan(controls[:, each]).any(axis=1)
        wanted = reference.correlation(x[kept], y[kept], controls[kept][:, each] if each else None, method)
        assert result.value == pytest.approx(wanted, abs=1e-10)


def test_controls_vary_with_the_images_where_their_resamples_are_given():
    x, y, controls = concepts()
    chance = np.random.default_rng(3)
    shared = chance.normal(size=(200, 80))  # what moves y moves the control alike
    given = [
        Redrawn(x + 0.1 * chance.normal(size=(200, 80)), x, groups=20),
        Redrawn(y + shared, y, groups=20),
        Redrawn(controls[:, 0] + shared, controls[:, 0], groups=20),
    ]
    held, moving = (
        correlation(x, y, controls=controls[:, :1], over_images=given[:n], seed=0, n_bootstrap=20) for n in (2, 3)
    )
    assert held.value == moving.value
    assert held.low_images != moving.low_images


def test_too_few_for_one_set_only():
    x, y, controls = concepts(n=5)
    raw, both = partial_correlations(x, y, controls, held=[[], [0, 1]], seed=0)
    assert not np.isnan(raw.value)
    assert np.isnan(both.value)


def test_an_unknown_method(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match="spearman or pearson, got 'kendall'"):
        correlation(*concepts()[:2], method="kendall", seed=0)
