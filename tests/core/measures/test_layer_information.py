import numpy as np
import pytest
from scipy import stats

from featcx_core.measures.intervals import draw_groups
from featcx_core.measures.layer_information import layer_information
from featcx_core.measures.over_images import redraw_information

WEIGHTS = draw_groups(5, n_bootstrap=2000, seed=0)


def scores(concepts: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """I_V of three layers, which rise by 0.2 each, and the same without each of five groups of images."""
    chance = np.random.default_rng(0)
    information = np.array([[0.2], [0.4], [0.6]]) + 0.1 * chance.normal(size=concepts).clip(-1, 1)
    return information, information[..., None] + 0.01 * chance.normal(size=(3, concepts, 5))


def test_means_and_what_has_come_since_the_first_layer():
    information, jackknife = scores()
    found = layer_information(information, jackknife, WEIGHTS)
    assert found.n_concepts == 200
    np.testing.assert_allclose(found.v_information, information.mean(1))
    np.testing.assert_allclose(found.gain, [0, 0.2, 0.4], atol=1e-12)
    error = information.std(1) / np.sqrt(200)
    np.testing.assert_allclose(found.high - found.low, 2 * 1.96 * error, rtol=0.1)
    # every concept rises by the same: which are drawn does not matter, and a layer is drawn with the first
    np.testing.assert_allclose([found.gain_low, found.gain_high], [[0, 0.2, 0.4]] * 2, atol=1e-12)
    drawn, first = (redraw_information(information[i], jackknife[i], WEIGHTS).draws.mean(1) for i in (2, 0))
    t = stats.t.ppf(0.975, 4)
    for name, value, draws in (("", information[2].mean(), drawn), ("gain_", 0.4, drawn - first)):
        ends = getattr(found, f"{name}low_images")[2], getattr(found, f"{name}high_images")[2]
        assert ends == pytest.approx((value - t * draws.std(), value + t * draws.std()))


def test_a_mean_of_clipped_values_is_only_known_to_lie_between_it_and_the_mean_of_those_that_were_not():
    jackknife = np.full((2, 40, 5), -0.1) + 0.01 * np.random.default_rng(0).normal(size=(2, 40, 5))
    jackknife[:, :20] += 0.5
    information = jackknife.mean(2).clip(0)
    found = layer_information(information, jackknife, WEIGHTS)
    assert found.v_information[0] == pytest.approx(0.2, abs=0.01)
    assert found.low_images[0] < 0.15 < 0.2 < found.high_images[0]


def test_the_gain_is_counted_from_the_layer_that_is_named():
    found = layer_information(*scores(), WEIGHTS, first=1)
    np.testing.assert_allclose(found.gain, [-0.2, 0, 0.2], atol=1e-12)


def test_concepts_that_lack_a_layer_count_for_nothing():
    information, jackknife = scores()
    information[1, 50:] = np.nan
    found = layer_information(information, jackknife, WEIGHTS)
    wanted = layer_information(information[:, :50], jackknife[:, :50], WEIGHTS)
    for value, expected in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("concepts", [0, 1])
def test_of_one_concept_there_is_an_interval_over_images_only(concepts: int):
    information, jackknife = scores(concepts)
    found = layer_information(information, jackknife, WEIGHTS)
    assert found.n_concepts == concepts
    assert np.isnan([found.low, found.high, found.gain_low, found.gain_high]).all()
    assert np.isnan([found.low_images, found.high_images, found.v_information]).all() == (concepts == 0)
