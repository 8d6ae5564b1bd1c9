import numpy as np
import pytest
import torch

from featcx_core.features.by_group import GroupedSums
from featcx_core.features.moments import Moments
from featcx_core.measures import cross_fitted as module
from featcx_core.measures.cross_fitted import cross_fitted_of_parts, cross_fitted_of_sums, cross_fitted_v_information
from featcx_core.measures.readers import LEAST_FREEDOM
from featcx_core.measures.v_information import v_information
from tests.references import v_information as reference


def planted(n_fit=150, n_score=90, units=12, concepts=6, dtype=np.float64, seed=0):
    """Codes from linear in the acts to pure noise."""
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(n_fit + n_score, units)) * np.geomspace(1, 0.05, units) + 2
    signal = x @ chance.normal(size=(units, concepts))
    z = signal + chance.normal(size=signal.shape) * np.linspace(0, 5, concepts) * signal.std(0)
    z[:, -1] = chance.normal(size=len(x))
    x, z = x.astype(dtype), z.astype(dtype)
    return x[:n_fit], z[:n_fit], x[n_fit:], z[n_fit:]


def summed(x, z, *, size, groups=20):
    return GroupedSums.of(Moments, x, z, groups=groups, at_once=size)


def test_half_of_the_variance_by_hand():
    # z = x + noise that the probe cannot see, both with variance 1, each pair of values once in every group: R² = 1/2
    x, noise = (
        np.repeat(np.tile(values, 5), 20)[:, None] for values in ([-1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, -1.0, 1.0])
    )
    result = cross_fitted_v_information(x, x + noise, x, x + noise)
    assert result.r2 == pytest.approx([0.5], abs=1e-5)
    assert result.r2_swapped == pytest.approx([0.5], abs=1e-5)
    assert result.v_information_half == pytest.approx([0.5], abs=1e-4)
    assert result.standard_error == pytest.approx([0], abs=1e-9)


@pytest.mark.parametrize(("n_fit", "n_score", "units"), [(150, 90, 12), (40, 45, 12), (30, 24, 40)])
def test_equals_scikit_learn_refitted_without_each_group(n_fit, n_score, units):
    halves = planted(n_fit=n_fit, n_score=n_score, units=units, concepts=4)
    result = cross_fitted_v_information(*halves, groups=5)
    for i in range(halves[1].shape[1]):
        expected = reference.cross_fitted(halves[0], halves[1][:, i], halves[2], halves[3][:, i], 5)
        for name, value in expected.items():
            tolerance = {"rtol": 1e-9} if name.startswith("penalty") else {"atol": 1e-6}
            np.testing.assert_allclose(getattr(result, name)[i], value, err_msg=name, **tolerance)


def test_one_way_is_v_information():
    halves = planted()
    both, there, back = (
        cross_fitted_v_information(*halves),
        v_information(*halves),
        v_information(*halves[2:], *halves[:2]),
    )
    np.testing.assert_allclose(both.jackknife, (there.jackknife + back.jackknife) / 2)
    np.testing.assert_array_equal(both.penalty, there.penalty)
    np.testing.assert_array_equal(both.penalty_swapped, back.penalty)
    np.testing.assert_allclose(np.maximum(both.r2, 0), there.v_information)


def test_swapping_the_halves_swaps_what_is_stored_of_them():
    halves = planted()
    one, other = cross_fitted_v_information(*halves), cross_fitted_v_information(*halves[2:], *halves[:2])
    np.testing.assert_allclose(one.v_information, other.v_information)
    np.testing.assert_allclose(one.v_information_half, other.v_information_half)
    np.testing.assert_array_equal(one.r2, other.r2_swapped)
    np.testing.assert_array_equal(one.penalty, other.penalty_swapped)


@pytest.mark.parametrize("size", [1, 7, 32, 500])
def test_chunks_of_any_size_give_the_same_numbers(size):
    halves = planted(dtype=np.float32)
    whole = cross_fitted_v_information(*halves)
    streamed = cross_fitted_of_sums(summed(*halves[:2], size=size), summed(*halves[2:], size=size))
    for name, a, b in zip(whole._fields, streamed, whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7, rtol=1e-7, err_msg=name)


@pytest.mark.parametrize("at_once", [1, 200, 10**9])
def test_sets_read_together_do_not_influence_each_other(at_once, monkeypatch):
    halves = planted()
    expected = cross_fitted_v_information(*halves)
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", at_once)
    for a, b in zip(cross_fitted_v_information(*halves), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_codes_do_not_influence_each_other():
    halves = planted()
    alone = cross_fitted_v_information(halves[0], halves[1][:, 2:3], halves[2], halves[3][:, 2:3])
    for a, b in zip(alone, cross_fitted_v_information(*halves), strict=True):
        np.testing.assert_allclose(a, b[2:3], rtol=1e-9)


@pytest.mark.parametrize("as_given", [np.asarray, torch.from_numpy])
def test_concepts_in_parts_share_the_eigendecompositions(as_given, monkeypatch):
    x, z, x_score, z_score = (as_given(half) for half in planted())
    whole, calls, eigh = cross_fitted_v_information(x, z, x_score, z_score), [], torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda xx: (calls.append(len(xx)), eigh(xx))[1])
    sums = ((summed(x, z[:, a:b], size=50), summed(x_score, z_score[:, a:b], size=50)) for a, b in ((0, 2), (2, 6)))
    for name, a, b in zip(whole._fields, cross_fitted_of_parts(sums), whole, strict=True):
        assert type(a) is type(b)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=name)
    assert sum(calls) == 2 * (20 + 3)


@pytest.mark.parametrize("change", ["scale codes", "shift codes", "shift acts", "scale acts", "rotate acts"])
def test_invariances(change):
    halves = planted()
    fit, score = list(halves[:2]), list(halves[2:])
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0]
    for half in (fit, score):
        half[0] = {"shift acts": half[0] + 3, "scale acts": half[0] * 7, "rotate acts": half[0] @ rotation}.get(
            change, half[0]
        )
        half[1] = {"scale codes": half[1] * 1e-3, "shift codes": half[1] + 50}.get(change, half[1])
    changed, same = cross_fitted_v_information(*fit, *score), cross_fitted_v_information(*halves)
    np.testing.assert_allclose(changed.jackknife, same.jackknife, atol=1e-7)
    np.testing.assert_allclose(changed.v_information_half, same.v_information_half, atol=1e-7)


def test_independent_codes_score_about_zero():
    chance = np.random.default_rng(2)
    x, z = chance.normal(size=(1000, 64)), chance.normal(size=(1000, 200))
    result = cross_fitted_v_information(x[:500], z[:500], x[500:], z[500:])
    assert result.v_information.mean() < 0.005
    assert result.v_information_extrapolated.mean() < 0.01
    assert np.mean(result.low_images > 0) < 0.05


def test_more_images_find_more_and_the_extrapolation_goes_on():
    chance = np.random.default_rng(0)
    x = chance.normal(size=(8000, 30))
    z = x @ chance.normal(size=(30, 40)) / 30**0.5 + chance.normal(size=(8000, 40))
    small, large = (cross_fitted_v_information(x[:n], z[:n], x[n : 2 * n], z[n : 2 * n]) for n in (200, 4000))
    true = large.v_information.mean()
    assert small.v_information_half.mean() < small.v_information.mean() < true
    assert abs(small.v_information_extrapolated.mean() - true) < 0.5 * (true - small.v_information.mean())


def test_interpolating_penalties_are_left_out_of_the_grid():
    chance = np.random.default_rng(0)
    n = units = 60
    x = chance.normal(size=(2 * n, units)) / np.arange(1, units + 1) ** 0.5
    z = x @ chance.normal(size=(units, 30)) + 0.05 * chance.normal(size=(2 * n, 30))
    result = cross_fitted_v_information(x[:n], z[:n], x[n:], z[n:])
    for half, penalties in ((x[:n], result.penalty), (x[n:], result.penalty_swapped)):
        for alpha in np.unique(penalties):
            assert np.trace(reference.residual_maker(half, alpha)) >= LEAST_FREEDOM * n
    assert (result.v_information > 0.8).all()


def test_a_concept_on_images_of_a_single_group_is_undefined_without_it():
    halves = planted()
    for half in (halves[1], halves[3]):
        half[:, 2] = np.where(np.arange(len(half)) % 20 == 3, 1 + np.arange(len(half)), 0)
    result = cross_fitted_v_information(*halves)
    assert np.isfinite(result.v_information[2])
    assert np.isnan(result.jackknife[2]).tolist() == [group == 3 for group in range(20)]
    assert np.isnan(result.standard_error[2])
    assert np.isfinite(np.delete(result.jackknife, 2, axis=0)).all()


@pytest.mark.parametrize("value", [0.0, 0.1])
@pytest.mark.parametrize("half", [1, 3])
def test_a_constant_code_has_no_score(half, value):
    halves = planted()
    halves[half][:, 2] = value
    for name, column in cross_fitted_v_information(*halves)._asdict().items():
        assert np.isnan(column[2]).all(), name
        assert np.isfinite(np.delete(column, 2, axis=0)).all()


def test_a_dead_layer_holds_nothing():
    _, z, _, z_score = planted()
    x, x_score = np.full((len(z), 3), 0.7), np.full((len(z_score), 3), 0.7)
    result = cross_fitted_v_information(x, z, x_score, z_score)
    assert result.v_information == pytest.approx(0, abs=1e-12)
    assert np.isfinite(result.standard_error).all()


def test_the_kind_of_array_comes_back():
    halves = planted(dtype=np.float32)
    arrays = cross_fitted_v_information(*halves)
    tensors = cross_fitted_v_information(*(torch.from_numpy(half) for half in halves))
    for a, b in zip(arrays, tensors, strict=True):
        assert isinstance(a, np.ndarray)
        assert isinstance(b, torch.Tensor)
        assert a.dtype == np.float64
        np.testing.assert_array_equal(a, b)


def test_errors():
    x, z, x_score, z_score = planted()
    with pytest.raises(ValueError, match="one image for each of 20 groups, got 19 images"):
        cross_fitted_v_information(x, z, x_score[:19], z_score[:19])
    with pytest.raises(ValueError, match="one image for each of 20 groups, got 0 images"):
        cross_fitted_of_sums(GroupedSums(Moments, groups=20), summed(x, z, size=32))
    with pytest.raises(ValueError, match="at least one part of the concepts, got none"):
        cross_fitted_of_parts([])
    x_score[31, 4] = np.nan
    with pytest.raises(ValueError, match=r"finite activations, got 1 values .* image 31, unit 4"):
        cross_fitted_v_information(x, z, x_score, z_score)
