import numpy as np
import pytest
from scipy import linalg

from featcx_core.measures.decomposed import decompose
from featcx_core.measures.direction_paths import direction_paths, sorted_correlations

pytestmark = pytest.mark.filterwarnings("ignore:CCA of")


def training(n=2000, signal=3, noise=4, seed=0):
    """A layer whose first directions settle one after the other, while the others are drawn anew at every time."""
    chance = np.random.default_rng(seed)
    kept = chance.normal(size=(n, signal))
    mixing = chance.normal(size=(signal + noise, 9))
    fading = [np.array([4.0, 0.5, 0.0]), np.array([4.0, 1.0, 0.5]), np.array([4.0, 4.0, 4.0])]
    times = []
    for level in fading:
        settled = level * kept + chance.normal(size=(n, signal))
        times.append(np.column_stack([settled, chance.normal(size=(n, noise))]) @ mixing)
    return times, np.column_stack([kept, chance.normal(size=(n, noise))]) @ mixing


def test_correlations_equal_the_principal_angles():
    times, end = training()
    for x in times:
        angles = linalg.subspace_angles((x - x.mean(0)) @ np.eye(9, 7), (end - end.mean(0)) @ np.eye(9, 7))
        np.testing.assert_allclose(sorted_correlations(x, end), np.sort(np.cos(angles))[::-1], atol=1e-7)


def test_signal_is_found_early_and_noise_never():
    times, end = training()
    first, last = sorted_correlations(times[0], end), sorted_correlations(times[2], end)
    assert first[0] > 0.95 > 0.5 > first[1]
    assert (last[:3] > 0.95).all()
    assert (last[3:] < 0.1).all()


def test_paths_of_the_sets_that_were_chosen_early():
    times, end = training()
    paths = direction_paths([decompose(x) for x in times], decompose(end), chosen_at=0, n_directions=1)
    assert paths.signal.shape == paths.noise.shape == (3, 1)
    assert (paths.signal > 0.9).all()
    assert (paths.noise[0] < 0.1).all()
    at_choice = direction_paths([decompose(x) for x in times], decompose(end), chosen_at=2, n_directions=3)
    expected = sorted_correlations(times[2], end)
    np.testing.assert_allclose(at_choice.signal[2], expected[:3])
    np.testing.assert_allclose(at_choice.noise[2], expected[-3:])
    assert at_choice.signal[:, 2].tolist() == sorted(at_choice.signal[:, 2])  # the third direction settles
    assert (np.abs(at_choice.noise - at_choice.noise[2]) < 0.1).all()


def test_chance_is_the_root_mean_square_of_unrelated_directions():
    chance = np.random.default_rng(1)
    layers = [decompose(chance.normal(size=(500, units))) for units in (20, 40)]
    squares = np.zeros(2)
    for _ in range(20):
        end = decompose(chance.normal(size=(500, 10)))
        picked = decompose(chance.normal(size=(500, 20)))
        paths = direction_paths([*layers, picked], end, chosen_at=2, n_directions=5)
        squares += np.square(paths.signal[:2]).mean(1) / 20
    np.testing.assert_allclose(np.sqrt(squares), paths.chance[:2], rtol=0.05)


def test_a_layer_of_fewer_dimensions_has_zeros():
    chance = np.random.default_rng(2)
    end = decompose(chance.normal(size=(200, 6)))
    thin, constant = decompose(chance.normal(size=(200, 2))), decompose(np.ones((200, 6)))
    paths = direction_paths([end, thin, constant], end, chosen_at=0, n_directions=3)
    np.testing.assert_allclose(paths.signal[0], 1)
    assert (paths.signal[1, :2] > 0).all()
    assert paths.signal[1, 2] == 0
    assert (paths.noise[2] == 0).all()
    assert paths.chance[2] == 0


def test_errors():
    times, end = training(n=60)
    layers, last = [decompose(x) for x in times], decompose(end)
    with pytest.raises(ValueError, match="a time from 0 to 2 to choose at, got 3"):
        direction_paths(layers, last, chosen_at=3, n_directions=1)
    for n_directions in (0, 4):
        with pytest.raises(ValueError, match=f"1 to 3 of the 7 directions, got {n_directions}"):
            direction_paths(layers, last, chosen_at=0, n_directions=n_directions)
    with pytest.raises(ValueError, match="got 50 and 60"):
        direction_paths([decompose(times[0][:50])], last, chosen_at=0, n_directions=1)
    with pytest.raises(ValueError, match="got 9 images and 9 units"):
        sorted_correlations(times[0][:9], end[:9])
