import numpy as np
import pytest

from featcx_core.images.clipped_normal import Normal, clipped_moments, normal_before_clipping


@pytest.mark.parametrize(
    "normal", [Normal(30.0, 80.0), Normal(-200.0, 150.0), Normal(128.0, 20.0), Normal(300.0, 60.0)]
)
def test_moments_are_those_of_cut_numbers(normal):
    numbers = np.random.default_rng(0).normal(*normal, size=1_000_000).clip(0, 255)
    moments = clipped_moments(normal)
    assert moments.mean == pytest.approx(numbers.mean(), abs=0.3)
    assert moments.deviation == pytest.approx(numbers.std(), abs=0.3)


@pytest.mark.parametrize("wanted", [(33.0, 79.0), (127.0, 60.0), (1.0, 2.0), (250.0, 20.0), (10.0, 0.5), (33.0, 85.0)])
def test_cut_noise_has_the_wanted_moments(wanted):
    assert clipped_moments(normal_before_clipping(Normal(*wanted))) == pytest.approx(wanted, rel=1e-6)


def test_a_normal_that_is_never_cut_is_itself():
    assert normal_before_clipping(Normal(128.0, 10.0)) == pytest.approx((128.0, 10.0), rel=1e-6)


def test_pixels_that_never_vary_and_those_of_black_and_white_alone():
    assert normal_before_clipping(Normal(7.0, 0.0)) == (7.0, 0.0)
    assert clipped_moments(Normal(-3.0, 0.0)) == (0.0, 0.0)
    wanted = (51.0, 255 * np.sqrt(0.2 * 0.8))  # a fifth white
    assert clipped_moments(normal_before_clipping(Normal(*wanted))) == pytest.approx(wanted, rel=1e-2)


def test_moments_that_no_pixels_have():
    with pytest.raises(ValueError, match="pixels from 0 to 255, got 33 and 90"):
        normal_before_clipping(Normal(33.0, 90.0))
    with pytest.raises(ValueError, match="pixels from 0 to 255, got -1 and 1"):
        normal_before_clipping(Normal(-1.0, 1.0))
