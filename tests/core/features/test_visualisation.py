import numpy as np
import pytest
import torch

from featcx_core.features.visualisation import MagnitudeSpectrum, visualise
from featcx_core.figures.pictures import concept_pictures


def images(n=40, channels=3, height=10, width=8):
    """Smooth images whose channels go together."""
    chance = torch.Generator().manual_seed(0)
    shade = torch.rand(n, 1, 3, 3, generator=chance)
    shade = torch.nn.functional.interpolate(shade, size=(height, width), mode="bilinear")
    return (0.7 * shade + 0.3 * torch.rand(n, channels, height, width, generator=chance)).clamp(0, 1)


def spectrum(**given):
    pictures = images(**given)
    return MagnitudeSpectrum.of(lambda: iter(torch.split(pictures, 7)))


@pytest.fixture(scope="module")
def network():
    """Pixels -> activations of 6 units."""
    chance = torch.Generator().manual_seed(1)
    filters = torch.randn(6, 3, 5, 5, generator=chance)
    return lambda pixels: torch.nn.functional.conv2d(pixels, filters).relu().mean((2, 3))


ATOMS = torch.eye(6)[:3]


def test_magnitudes_are_the_mean_over_images_in_uncorrelated_colours():
    found, pictures = spectrum(), images().double().numpy()
    mean = pictures.mean(axis=(0, 2, 3))
    np.testing.assert_allclose(found.mean, mean, atol=1e-6)
    parts = np.einsum("nchw,cd->ndhw", pictures - mean[:, None, None], found.basis.double().numpy())
    np.testing.assert_allclose(np.cov(parts.swapaxes(0, 1).reshape(3, -1)) * (1 - np.eye(3)), 0, atol=1e-6)
    expected = np.abs(np.fft.fft2(parts)).mean(axis=0)
    np.testing.assert_allclose(found.magnitude[:, 1:], expected[:, 1:], rtol=1e-4)
    np.testing.assert_array_equal(found.magnitude[:, 0, 0], 0)


@pytest.mark.parametrize(("height", "width"), [(10, 8), (7, 9)])
def test_pictures_have_the_fixed_spectrum_whatever_their_phases(height, width):
    found = spectrum(height=height, width=width)
    phases = 10 * torch.randn(4, 3, height, width, generator=torch.Generator().manual_seed(3))
    pictures = found.pictures(phases)
    parts = torch.einsum("nchw,cd->ndhw", pictures - found.mean[:, None, None], found.basis)
    sizes = torch.fft.fft2(parts).abs()
    torch.testing.assert_close(sizes, found.magnitude.expand_as(sizes), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(pictures.mean((0, 2, 3)), found.mean, rtol=1e-4, atol=1e-5)


def test_grey_images_have_one_channel():
    found = spectrum(channels=1)
    assert found.pictures(torch.zeros(2, 1, 10, 8)).shape == (2, 1, 10, 8)


def test_the_concept_is_excited_and_the_spectrum_stays(network):
    found = spectrum()
    made = visualise(network, ATOMS, found, steps=60, seeds=[0, 1, 2])
    assert (made.projection > 1.5 * made.start).all()
    parts = torch.einsum("nchw,cd->ndhw", made.images - found.mean[:, None, None], found.basis)
    sizes = torch.fft.fft2(parts).abs()
    torch.testing.assert_close(sizes, found.magnitude.expand_as(sizes), rtol=1e-4, atol=1e-4)


def test_a_picture_follows_from_its_seed_and_not_from_the_others(network):
    found = spectrum()
    together = visualise(network, ATOMS, found, steps=5, seeds=[0, 1, 2])
    alone = visualise(network, ATOMS[1:2], found, steps=5, seeds=[1])
    torch.testing.assert_close(alone.images[0], together.images[1], rtol=1e-3, atol=1e-4)
    again = visualise(network, ATOMS, found, steps=5, seeds=[0, 1, 2])
    torch.testing.assert_close(again.images, together.images, rtol=0, atol=0)
    other = visualise(network, ATOMS[1:2], found, steps=5, seeds=[7])
    assert (other.images - alone.images).abs().max() > 0.01


def test_errors(network):
    with pytest.raises(ValueError, match="one seed an atom, got 1 for 3"):
        visualise(network, ATOMS, spectrum(), steps=1, seeds=[0])


def test_pairs_of_picture_and_image_are_drawn():
    chance = np.random.default_rng(0)
    pictures, strongest = 2 * chance.random((5, 1, 8, 6)) - 0.5, chance.random((5, 1, 8, 6))
    figure = concept_pictures(pictures, strongest, labels=[f"concept {i}" for i in range(5)])
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in shown] == [f"concept {i}" for i in range(5)]
    drawn = np.asarray(shown[3].images[0].get_array())
    np.testing.assert_allclose(drawn[:, :6, 0], pictures[3, 0].clip(0, 1))
    np.testing.assert_allclose(drawn[:, -6:, 2], strongest[3, 0])


def test_no_pictures_say_so_and_uneven_ones_are_refused():
    none = np.zeros((0, 1, 1, 1))
    assert "no concept has a complexity" in concept_pictures(none, none, labels=[]).axes[0].texts[0].get_text()
    with pytest.raises(ValueError, match="an image and a label for each picture, got 2, 2 and 1"):
        concept_pictures(np.zeros((2, 1, 4, 4)), np.zeros((2, 1, 4, 4)), labels=["one"])
