import numpy as np
import pytest
import torch

from featcx_core.images.data import StudyImages, normalised
from featcx_core.images.noise import noisy_batches, white_noise


def images(n=5, channels=3):
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (n, channels, 6, 4), dtype=np.uint8)
    mean, std = np.linspace(0.2, 0.6, channels, dtype=np.float32), np.linspace(0.1, 0.3, channels, dtype=np.float32)
    return StudyImages(pixels, np.zeros(n, dtype=np.int64), ("a",), {"train": np.arange(n)}, mean, std)


def noisy(data, *, batch_size, sigmas=(0.1, 0.5), n_draws=3, seed=0, rows=(4, 0, 2)):
    """(sigma, row, channel, height, width)"""
    batches = noisy_batches(
        data,
        np.array(rows),
        n_draws=n_draws,
        sigmas=sigmas,
        seed=seed,
        batch_size=batch_size,
        device=torch.device("cpu"),
    )
    parts = list(batches)
    return torch.stack([torch.cat(parts[level :: len(sigmas)]) for level in range(len(sigmas))])


def test_noise_is_added_to_pixels_in_0_to_1_before_they_are_normalised_and_not_clipped():
    data = images()
    noise = white_noise(np.repeat([4, 0, 2], 3), np.tile(np.arange(3), 3), shape=(3, 6, 4), seed=0)
    pixels = data.images[[4, 0, 2]].repeat(3, axis=0) / 255 + 0.5 * noise
    expected = (pixels - data.mean[:, None, None]) / data.std[:, None, None]
    assert pixels.min() < 0
    assert pixels.max() > 1
    np.testing.assert_allclose(noisy(data, batch_size=4)[1].numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 4, 9, 100])
def test_the_same_noise_in_batches_of_any_size(batch_size):
    data = images()
    torch.testing.assert_close(noisy(data, batch_size=batch_size), noisy(data, batch_size=5), rtol=0, atol=0)


def test_noise_follows_from_seed_image_and_draw_alone():
    data = images()
    whole = noisy(data, batch_size=4)
    alone = noisy(data, batch_size=4, rows=(0,), n_draws=2)
    torch.testing.assert_close(alone, whole[:, 3:5], rtol=0, atol=0)
    assert (noisy(data, batch_size=4, seed=1) != whole).any()
    one_level = noisy(data, batch_size=4, sigmas=(0.5,))
    torch.testing.assert_close(one_level[0], whole[1], rtol=0, atol=0)


def test_noise_is_white_and_no_two_draws_share_it():
    noise = white_noise(np.array([0, 0, 1]), np.array([0, 1, 0]), shape=(1, 200, 200), seed=0).reshape(3, -1)
    np.testing.assert_allclose(np.cov(noise), np.eye(3), atol=0.02)
    assert abs(noise.mean()) < 0.01


def test_no_noise_is_the_image():
    data = images()
    expected = normalised(torch.from_numpy(data.images[[4, 0, 2]]), data).repeat_interleave(3, dim=0)
    torch.testing.assert_close(noisy(data, batch_size=4, sigmas=(0.0,))[0], expected, rtol=0, atol=0)
