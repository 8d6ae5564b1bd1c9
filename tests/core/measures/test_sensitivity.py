import numpy as np
import pytest
import torch

from featcx_core.measures.sensitivity import Responses, sensitivity
from tests.references import sensitivity as reference


def planted(n_images=30, n_draws=5, concepts=6):
    """Codes with noise of a different strength for every concept, and the variance of the clean ones."""
    chance = np.random.default_rng(0)
    clean = chance.normal(size=(n_images, 1, concepts))
    noise = chance.normal(size=(n_images, n_draws, concepts)) * np.linspace(0.1, 2, concepts)
    return clean + noise, clean.var(axis=(0, 1))


def test_by_hand():
    codes = np.array([[[1.0, 5.0], [3.0, 5.0]], [[4.0, 1.0], [0.0, 1.0]]])
    result = sensitivity(codes, np.array([2.5, 4.0]), seed=0)
    # concept 0: variances 2 and 8 over two draws, mean 5; concept 1 never changes
    assert result.as_printed == pytest.approx([5.0, 0.0])
    assert result.sensitivity == pytest.approx([2.0, 0.0])
    assert (result.low[0], result.high[0]) == (pytest.approx(0.8), pytest.approx(3.2))


def test_equals_the_definition():
    codes, variance = planted()
    relative, printed = reference.sensitivity(codes, variance)
    result = sensitivity(codes, variance, seed=0)
    np.testing.assert_allclose(result.sensitivity, relative, rtol=1e-12)
    np.testing.assert_allclose(result.as_printed, printed, rtol=1e-12)


def test_stronger_noise_scores_higher_and_the_number_of_draws_has_no_bias():
    codes, variance = planted(n_images=2000)
    result = sensitivity(codes, variance, seed=0)
    assert (np.diff(result.as_printed) > 0).all()
    few = sensitivity(codes[:, :2], variance, seed=0)
    np.testing.assert_allclose(few.as_printed, np.linspace(0.1, 2, 6) ** 2, rtol=0.1)
    np.testing.assert_allclose(result.as_printed, np.linspace(0.1, 2, 6) ** 2, rtol=0.1)


def test_free_of_the_codes_scale_and_offset():
    codes, variance = planted()
    expected = sensitivity(codes, variance, seed=0)
    moved = sensitivity(3 * codes + 1000, 9 * variance, seed=0)
    np.testing.assert_allclose(moved.sensitivity, expected.sensitivity, rtol=1e-9)


def test_interval_is_that_of_resampled_images():
    codes, variance = planted(n_images=100)
    result = sensitivity(codes, variance, n_bootstrap=4000, seed=0)
    spreads = codes.var(axis=1, ddof=1)
    error = spreads.std(axis=0) / 10 / variance
    assert ((result.low < result.sensitivity) & (result.sensitivity < result.high)).all()
    np.testing.assert_allclose((result.high - result.low) / (2 * 1.96 * error), 1, atol=0.1)
    again = sensitivity(codes, variance, n_bootstrap=4000, seed=0)
    np.testing.assert_array_equal(again.low, result.low)


def test_without_a_group_is_the_definition_on_the_images_that_are_left():
    codes, variance = planted()
    left_out = sensitivity(codes, variance, groups=4, seed=0).jackknife
    for group in range(4):
        expected, _ = reference.sensitivity(codes[np.arange(len(codes)) % 4 != group], variance)
        np.testing.assert_allclose(left_out[:, group], expected, rtol=1e-12)
    few = sensitivity(codes[:3], variance, groups=4, seed=0)
    np.testing.assert_allclose(few.jackknife[:, 3], few.sensitivity)  # no image is in the last group
    assert np.isnan(sensitivity(codes[:1], variance, groups=1, seed=0).jackknife).all()  # nothing is left


@pytest.mark.parametrize("size", [1, 3, 7, 150])
def test_independent_of_how_the_codes_are_cut(size):
    codes, variance = planted()
    whole = sensitivity(codes, variance, seed=4)
    responses = Responses(n_draws=5, group=np.arange(30) % 20, groups=20, seed=4)
    rows = codes.reshape(-1, codes.shape[2])
    for start in range(0, len(rows), size):
        responses.add(rows[start : start + size])
    for cut, expected in zip(responses.result(variance), whole, strict=True):
        np.testing.assert_allclose(cut, expected, rtol=1e-12)


def test_no_noise_is_zero_and_no_variance_is_undefined():
    codes, variance = planted()
    still = np.repeat(codes[:, :1], 4, axis=1)
    result = sensitivity(still, variance, seed=0)
    np.testing.assert_array_equal(result.sensitivity, 0)
    variance[2] = 0
    result = sensitivity(codes, variance, seed=0)
    assert np.isnan(result.sensitivity).tolist() == [False, False, True, False, False, False]
    assert np.isnan(result.low[2])
    assert np.isfinite(result.as_printed).all()


def test_kind_comes_back():
    codes, variance = planted()
    assert isinstance(sensitivity(torch.from_numpy(codes), torch.from_numpy(variance), seed=0).low, torch.Tensor)
    assert isinstance(sensitivity(codes, variance, seed=0).low, np.ndarray)


def test_errors():
    codes, variance = planted()
    with pytest.raises(ValueError, match="1 image and 2 draws, got 30 and 1"):
        sensitivity(codes[:, :1], variance, seed=0)
    codes[3, 1, 2] = np.nan
    with pytest.raises(ValueError, match="finite codes of noisy images, got 1 values that are NaN"):
        sensitivity(codes, variance, seed=0)
    responses = Responses(n_draws=2, group=np.zeros(2, dtype=int), groups=1, seed=0)
    responses.add(np.zeros((3, 1)))
    with pytest.raises(ValueError, match="wanted 2 images of 2 draws, got 1"):
        responses.result(np.ones(1))
    with pytest.raises(ValueError, match="wanted 2 images of 2 draws, got more"):
        responses.add(np.zeros((3, 1)))
