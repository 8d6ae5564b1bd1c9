import numpy as np
import pytest

from featcx_core.figures.pictures import concept_pictures


@pytest.mark.parametrize("n_channels", [1, 2, 3, 5])
def test_pictures_of_any_channels_are_shown(n_channels):
    images = np.full((1, n_channels, 96, 96), 0.5)
    images[:, 3:] = 0.9  # beyond the colours
    [axes] = [axes for axes in concept_pictures(images, images, labels=["a"]).axes if axes.images]
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array())[:96, :96], 0.5)
