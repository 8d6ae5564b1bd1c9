import numpy as np
import pytest
import torch

from featcx_core.measures.cross_fitted import cross_fitted_v_information
from featcx_core.measures.random_features import median_distance, radial_features, random_projection
from tests.references import random_features as reference


def images(n=40, units=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, units)) + 5


def test_equals_the_definition():
    acts = images()
    found = radial_features(acts, n_features=7, seed=3)
    assert found.width == pytest.approx(reference.median_distance(acts))
    np.testing.assert_allclose(found(acts), reference.features(acts, found.frequencies, found.phases), atol=1e-12)


def test_products_of_features_are_the_kernel_on_average():
    acts = images(n=12)
    features = radial_features(acts, n_features=40_000, seed=0)
    np.testing.assert_allclose(features(acts) @ features(acts).T, reference.kernel(acts, features.width), atol=0.03)


def test_scale_and_place_of_the_activations_change_only_the_width():
    acts = images()
    once, scaled = (radial_features(x, n_features=3, seed=0) for x in (acts, 100 * acts - 7))
    assert scaled.width == pytest.approx(100 * once.width)
    np.testing.assert_allclose(scaled.frequencies * 100, once.frequencies)


def test_the_width_is_that_of_a_thousand_images_and_never_zero():
    acts = images(n=3000)
    assert median_distance(acts) == pytest.approx(reference.median_distance(acts[::10]), rel=0.05)
    assert radial_features(np.ones((5, 2)), n_features=3, seed=0).width == 1.0


def test_tensors_come_back_as_tensors():
    acts = images()
    features = radial_features(acts, n_features=3, seed=0)
    found = features(torch.from_numpy(acts).float())
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, features(acts.astype(np.float32)))


def test_a_radial_reader_finds_what_no_linear_one_can():
    x = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    z = (np.hypot(*x.T) < 0.7).astype(float)[:, None]
    halves = [slice(200), slice(200, None)]
    features = radial_features(x, n_features=100, seed=0)(x)
    linear, radial = (
        cross_fitted_v_information(a[halves[0]], z[halves[0]], a[halves[1]], z[halves[1]]).v_information.item()
        for a in (x, features)
    )
    assert linear < 0.05
    assert radial > 0.6


def test_a_projection_is_orthonormal_and_the_same_for_the_same_seed():
    basis = random_projection(9, 4, seed=1)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-12)
    np.testing.assert_array_equal(basis, random_projection(9, 4, seed=1))
    assert not np.allclose(basis, random_projection(9, 4, seed=2))
    np.testing.assert_array_equal(random_projection(4, 9, seed=0), np.eye(4))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"wanted a feature and 2 images, got 0 and 40; try readers.features = 256"):
        radial_features(images(), n_features=0, seed=0)
    with pytest.raises(ValueError, match=r"wanted a width of at least 1, got 0; try readers.width = 16"):
        random_projection(4, 0, seed=0)
