import numpy as np
import pytest

from featcx_core.figures.canvas import png
from featcx_core.figures.concepts import concept_sheet
from tests.core.figures.drawn import is_png, texts


@pytest.mark.parametrize("kind", ["bytes", "grey", "tensor"])
def test_concept_sheet_takes_bytes_floats_and_tensors(kind):
    import torch

    chance = np.random.default_rng(0)
    images = chance.uniform(0, 1, (3, 4, 1 if kind == "grey" else 3, 28, 28)).astype(np.float32)
    heat = chance.uniform(0, 1, (3, 4, 7, 7)).astype(np.float32)
    if kind == "bytes":
        images = (images * 255).astype(np.uint8)
    before = images.copy()
    as_given = (torch.from_numpy(images), torch.from_numpy(heat)) if kind == "tensor" else (images, heat)
    figure = concept_sheet(*as_given, labels=["a", "b", "c"])
    assert len([axes for axes in figure.axes if axes.images]) == 3
    assert is_png(png(figure, dots_per_inch=50))
    np.testing.assert_array_equal(images, before)


def test_concept_sheet_colours_only_where_the_concept_is_active():
    images = np.full((1, 2, 1, 96, 96), 0.5)
    heat = np.zeros((1, 2, 2, 2))
    heat[0, 0, 0, 0] = 3.0
    images[0, 1] = np.nan  # the concept has a single image
    [axes] = [axes for axes in concept_sheet(images, heat, labels=["one"]).axes if axes.images]
    pixels = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(pixels[95, 95], 0.5, atol=1e-6)
    assert np.ptp(pixels[0, 0]) > 0.2  # a colour, not a grey
    np.testing.assert_allclose(pixels[:, 100:], 1.0)


def test_coloured_images_keep_their_colours_and_are_dark_where_the_concept_is_not_active():
    images = np.zeros((1, 2, 3, 96, 96))
    images[0, 0, 2] = 0.8  # blue
    images[0, 1] = np.nan  # the concept has a single image
    heat = np.zeros((1, 2, 2, 2))
    heat[0, 0, 0, 0] = 3.0
    figure = concept_sheet(images, heat, labels=["one"])
    [axes] = [axes for axes in figure.axes if axes.images]
    pixels = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(pixels[0, 0], [0.15, 0.15, 0.15 + 0.85 * 0.8], atol=1e-6)
    np.testing.assert_allclose(pixels[95, 95], [0.0, 0.0, 0.45 * 0.8], atol=1e-6)
    np.testing.assert_allclose(pixels[:, 100:], 1.0)
    assert "Bright: where the concept is active." in texts(figure)


def test_concept_sheet_of_one_position_does_not_say_where():
    images = np.zeros((1, 2, 1, 8, 8))
    with_places = texts(concept_sheet(images, np.ones((1, 2, 2, 2)), labels=["a"]))
    assert "Bright colours: where the concept is active." in with_places
    without = texts(concept_sheet(images, np.ones((1, 2, 1, 1)), labels=["a"]))
    assert "No heat maps: the dictionary is fitted on one vector an image." in without


def test_concept_sheet_carries_its_labels_and_its_remark():
    figure = concept_sheet(
        np.zeros((2, 1, 1, 8, 8)), np.ones((2, 1, 2, 2)), labels=["concept 3", "concept 9"], remark="Shown: 2 of 10."
    )
    assert {"concept 3", "concept 9"} <= set(texts(figure).split("\n"))
    assert "Shown: 2 of 10." in texts(figure)


def test_concept_sheet_without_concepts_says_so():
    assert "nothing to show" in texts(concept_sheet(np.zeros((0, 4, 1, 8, 8)), np.zeros((0, 4, 2, 2)), labels=[]))


def test_concept_sheet_names_what_does_not_fit():
    with pytest.raises(ValueError, match=r"wanted as many heat maps and labels as images, got .* 2 labels"):
        concept_sheet(np.zeros((1, 4, 1, 8, 8)), np.zeros((1, 4, 2, 2)), labels=["a", "b"])


@pytest.mark.parametrize("n_channels", [1, 2, 3, 5])
def test_images_of_any_channels_are_shown(n_channels):
    images = np.full((1, 1, n_channels, 96, 96), 0.5)
    images[:, :, 3:] = 0.9  # beyond the colours
    [axes] = [axes for axes in concept_sheet(images, np.zeros((1, 1, 2, 2)), labels=["a"]).axes if axes.images]
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array())[:96, :96], 0.5)
