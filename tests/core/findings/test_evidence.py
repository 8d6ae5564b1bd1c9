import numpy as np
import pytest

from featcx_core.findings.evidence import NOT_MEASURED, Estimate, difference, number
from featcx_core.findings.rule import mark


def test_numbers_are_written_with_a_real_minus_and_a_dash():
    assert str(Estimate(-0.5, -0.75, 0.001, 9)) == "−0.50 (95 %: −0.75 to 0.001)"
    assert str(NOT_MEASURED) == "–"
    assert number(float("inf")) == "–"


@pytest.mark.parametrize(
    ("estimate", "interval"),
    [
        (Estimate(-0.6, -0.7, -0.5, 9, -0.8, -0.4), "95 %: −0.80 to −0.40"),
        (Estimate(-0.6, -0.7, -0.5, 9, np.nan, np.nan), "95 %: −0.70 to −0.50"),
        (Estimate(-0.6, -0.7, -0.5, 9, -0.65, -0.5, -0.9, -0.5), "95 %: −0.90 to −0.50"),
        (NOT_MEASURED, ""),
    ],
)
def test_the_interval_that_decides_is_the_widest(estimate, interval):
    assert estimate.interval() == interval
    assert str(estimate).endswith(f"({interval})" if interval else "–")


def test_all_intervals_are_written_where_asked():
    every = Estimate(-0.6, -0.7, -0.5, 9, -0.65, -0.5, -0.9, -0.5)
    assert (
        every.full
        == "−0.60 (95 % over concepts: −0.70 to −0.50, over images: −0.65 to −0.50, over dictionaries: −0.90 to −0.50)"
    )
    assert Estimate(0.5, np.nan, np.nan, 9).full == "0.50"


@pytest.mark.parametrize(("low", "answer"), [(0.45, "open"), (0.5, "yes")])
def test_bands_that_overlap_widely_leave_a_difference_undecided(low, answer):
    change = difference(Estimate(0.6, low, 0.7, 10), Estimate(0.45, 0.4, 0.55, 10))
    assert mark(change.intervals, expected="negative") == answer


def test_a_difference_has_the_interval_of_simulated_independent_means():
    chance = np.random.default_rng(0)
    first, last = chance.normal(0.0, 0.3, 200_000), chance.normal(1.0, 0.4, 200_000)
    ends = [np.quantile(draws, [0.025, 0.975]) for draws in (first, last)]
    change = difference(Estimate(0.0, *ends[0], 9), Estimate(1.0, *ends[1], 9))
    np.testing.assert_allclose(change[1:3], np.quantile(last - first, [0.025, 0.975]), atol=0.01)


def test_a_difference_has_an_interval_over_images_where_both_have_one():
    with_images, without = Estimate(0.6, 0.5, 0.7, 10, 0.55, 0.65), Estimate(0.4, 0.3, 0.5, 10)
    assert np.isfinite(difference(with_images, with_images).low_images)
    assert np.isnan(difference(without, with_images).low_images)
    assert np.isnan(difference(with_images, without).high_images)
