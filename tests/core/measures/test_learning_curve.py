import math

import numpy as np
import pytest

from featcx_core.measures.learning_curve import forecast
from tests.references import learning_curve as reference

SIZES = np.array([50.0, 100.0, 200.0])


@pytest.mark.parametrize("kept", [[0.5, 0.6, 0.75], [0.2, 0.9, 0.85], [0.9, 0.8, 0.7], [0.1, 0.5, 0.999], [1, 1, 1]])
def test_equals_a_straight_line_through_logarithms(kept):
    found = forecast(SIZES, np.array(kept, dtype=float), n_scored=400)
    assert found.twice == pytest.approx(reference.twice(SIZES, kept, 400))
    assert found.four_times >= found.twice >= kept[-1] - 1e-12


def test_a_power_law_is_foretold_exactly():
    sizes = np.array([25.0, 50, 100, 200, 400, 6400])
    kept = 1 - 0.8 * (sizes / 25) ** -0.7
    found = forecast(sizes[:3], kept[:3], n_scored=10_000)
    assert found.power == pytest.approx(0.7)
    assert (found.twice, found.four_times) == pytest.approx((kept[3], kept[4]))
    assert 1 - 0.8 * (found.needed / 25) ** -0.7 == pytest.approx(0.99)


def test_what_does_not_grow_is_foretold_as_it_is():
    found = forecast(SIZES, np.array([0.7, 0.7, 0.7]), n_scored=100)
    assert (found.power, found.twice, found.needed) == (0, 0.7, math.inf)
    assert forecast(SIZES, np.array([0.9, 0.95, 0.995]), n_scored=1000).needed == 200
    one = forecast(SIZES[:1], np.array([0.5]), n_scored=100)
    assert np.isnan([one.power, one.twice, one.needed]).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"wanted shares at rising sizes, got 2 at \[2.0, 1.0\]; try sorting them"):
        forecast(np.array([2.0, 1.0]), np.array([0.5, 0.6]), n_scored=10)
