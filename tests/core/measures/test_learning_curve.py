import math

import numpy as np
import pytest

from featcx_core.measures.learning_curve import forecast
from tests.references import learning_curve as reference

SIZES = np.array([50.0, 100.0, 200.0])


@pytest.mark.parametrize("kept", [[0.5, 0.6, 0.65], [0.2, 0.5, 0.7], [0.5, 0.67, 0.702], [0.1, 0.5, 0.8]])
def test_equals_a_power_law_with_a_floor_through_the_points(kept):
    found = forecast(SIZES, np.array(kept))
    assert found.twice == pytest.approx(reference.twice(kept), abs=1e-9)
    assert 1 - found.floor >= found.four_times >= found.twice >= kept[-1]


@pytest.mark.parametrize("floor", [0.0, 0.15])
def test_a_power_law_is_foretold_exactly(floor):
    sizes = np.array([25.0, 50, 100, 200, 400])
    kept = 1 - floor - 0.6 * (sizes / 25) ** -0.7
    found = forecast(sizes[:3], kept[:3])
    assert found.floor == pytest.approx(floor, abs=1e-9)
    assert (found.twice, found.four_times) == pytest.approx((kept[3], kept[4]))
    if floor:
        assert found.needed == math.inf
    else:
        assert 0.6 * (found.needed / 25) ** -0.7 == pytest.approx(0.01)


def test_photographs_on_a_network_of_imagenet():
    """Shares kept by 40, 20 and 10 atoms on 38, 75 and 150 photographs' crops; on 300 .705, .439 and .245."""
    sizes = np.array([38.0, 75.0, 150.0])
    for kept, found_later in (
        ((0.498, 0.673, 0.702), 0.705),
        ((0.382, 0.423, 0.443), 0.439),
        ((0.191, 0.255, 0.23), 0.245),
    ):
        assert forecast(sizes, np.array(kept)).twice == pytest.approx(found_later, abs=0.05)


def test_what_does_not_grow_is_foretold_as_it_is():
    found = forecast(SIZES, np.array([0.6, 0.75, 0.7]))
    assert (found.twice, found.four_times, found.needed) == (pytest.approx(0.7), pytest.approx(0.7), math.inf)
    assert forecast(SIZES, np.array([0.9, 0.95, 0.995])).needed == 200
    assert forecast(SIZES, np.ones(3)).twice == 1
    one = forecast(SIZES[:1], np.array([0.5]))
    assert np.isnan([one.floor, one.twice, one.needed]).all()


def test_after_a_fall_or_of_two_points_there_is_no_floor():
    assert forecast(SIZES[:2], np.array([0.6, 0.8])).twice == pytest.approx(0.9)
    assert forecast(SIZES, np.array([0.7, 0.6, 0.8])).floor == pytest.approx(0)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"wanted shares at rising sizes, got 2 at \[2.0, 1.0\]; try sorting them"):
        forecast(np.array([2.0, 1.0]), np.array([0.5, 0.6]))
