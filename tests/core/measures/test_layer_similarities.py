import warnings

import numpy as np
import pytest
from scipy.stats import t

from featcx_core.measures import layer_similarities, similarity
from featcx_core.measures.decomposed import Decomposed, decompose
from featcx_core.measures.layer_pair import Pair
from featcx_core.measures.layer_similarities import compare_layers, similarities
from featcx_core.measures.similarity_measures import chosen
from featcx_core.measures.similarity_nulls import gaussian_null, permuted_null

MEASURES = ("cka", "svcca", "pwcca", "procrustes")
FUNCTIONS = (similarity.linear_cka, similarity.svcca, similarity.pwcca, similarity.procrustes)


def acts(n=200, widths=(4, 9, 6), seed=0):
    chance = np.random.default_rng(seed)
    shared = chance.normal(size=(n, 3))
    return [shared @ chance.normal(size=(3, units)) + chance.normal(size=(n, units)) for units in widths]


def decomposed(layers, labels=None):
    return [decompose(layer, labels=labels) for layer in layers]


@pytest.mark.parametrize("labels", [None, np.arange(200) % 5])
def test_all_pairs_equal_the_functions_of_two_arrays(labels):
    layers = acts()
    expected = [[[f(x, y, labels=labels) for y in layers] for x in layers] for f in FUNCTIONS]
    values = similarities(decomposed(layers, labels), measures=MEASURES)
    np.testing.assert_allclose(values, expected, atol=1e-10)


def test_other_layers_on_the_second_side():
    layers, others = acts(), acts(widths=(5, 8), seed=1)
    expected = [[[f(x, y) for y in others] for x in layers] for f in FUNCTIONS]
    values = similarities(decomposed(layers), decomposed(others), measures=MEASURES)
    np.testing.assert_allclose(values, expected, atol=1e-10)
    swapped = similarities(decomposed(layers), decomposed(others), measures=["pwcca_swapped"])
    backwards = similarities(decomposed(others), decomposed(layers), measures=["pwcca"])
    np.testing.assert_allclose(swapped[0], backwards[0].T, atol=1e-12)


def test_a_pair_is_measured_once(monkeypatch):
    pairs = []
    monkeypatch.setattr(layer_similarities, "Pair", lambda x, y: pairs.append(1) or Pair(x, y))
    similarities(decomposed(acts()))
    assert len(pairs) == 6


def test_a_constant_layer_is_nan_and_only_it():
    layers = decomposed([*acts(), np.full((200, 3), 0.7)])
    compared = compare_layers(layers, measures=MEASURES, n_permutations=3, n_draws=1, groups=4, seed=0)
    for part in (compared.value, compared.low, compared.high, compared.null_permuted, compared.calibrated):
        assert np.isnan(part[:, 3]).all()
        assert np.isnan(part[:, :, 3]).all()
        assert not np.isnan(part[:, :3, :3]).any()


def test_what_stands_beside_the_values():
    layers = decomposed(acts())
    compared = compare_layers(layers, measures=("cka", "pwcca"), n_permutations=10, groups=10, seed=3)
    np.testing.assert_array_equal(compared.value, similarities(layers, measures=("cka", "pwcca")))
    works = chosen(("cka", "pwcca"))
    permuted = permuted_null(layers[2], layers[1], works, n_permutations=10, seed=3)
    np.testing.assert_allclose(compared.null_permuted[:, 2, 1], permuted.mean)
    np.testing.assert_allclose(compared.null_permuted_high[:, 2, 1], permuted.high)
    backwards = permuted_null(layers[2], layers[1], chosen(["pwcca_swapped"]), n_permutations=10, seed=3)
    np.testing.assert_allclose(compared.null_permuted[1, 1, 2], backwards.mean[0])
    gaussian = gaussian_null(layers[2], layers[1], works, seed=3)
    np.testing.assert_allclose(compared.null_gaussian[:, 2, 1], gaussian.mean)
    expected = (compared.value - compared.null_permuted) / (1 - compared.null_permuted)
    np.testing.assert_allclose(compared.calibrated, expected)
    np.testing.assert_allclose(np.diagonal(compared.calibrated, axis1=1, axis2=2), 1)


@pytest.mark.parametrize("others", [None, (5, 8)])
def test_intervals_leave_every_tenth_image_out(others):
    layers = acts()
    second = layers if others is None else acts(widths=others, seed=1)
    compared = compare_layers(
        decomposed(layers),
        None if others is None else decomposed(second),
        groups=10,
        n_permutations=0,
        n_draws=0,
        seed=0,
    )
    kept = [np.arange(200) % 10 != group for group in range(10)]
    left_out = np.array([[[[f(x[k], y[k]) for k in kept] for y in second] for x in layers] for f in FUNCTIONS[:3]])
    np.testing.assert_allclose(compared.left_out, left_out, atol=1e-9)
    half = t.ppf(0.975, 9) * left_out.std(-1) * 3  # the root of groups - 1
    lowest = np.array([-1.0, 0.0, 0.0])[:, None, None]
    np.testing.assert_allclose(compared.low, (compared.value - half).clip(lowest, 1), atol=1e-9)
    np.testing.assert_allclose(compared.high, (compared.value + half).clip(lowest, 1), atol=1e-9)


def test_layers_of_one_shape_share_their_gaussian_draws(monkeypatch):
    shapes = []

    def counted(x, y, works, **options):
        shapes.append((x.n_units, y.n_units))
        return gaussian_null(x, y, works, **options)

    monkeypatch.setattr(layer_similarities, "gaussian_null", counted)
    compare_layers(decomposed(acts(widths=(4, 4, 6, 4))), groups=0, n_permutations=0, seed=0)
    assert sorted(shapes) == [(4, 4), (4, 6), (6, 4), (6, 6)]


def test_a_layer_on_both_sides_is_decomposed_once_a_group(monkeypatch):
    calls, without_each = [], Decomposed.without_each
    monkeypatch.setattr(Decomposed, "without_each", lambda self, groups: calls.append(1) or without_each(self, groups))
    layers = decomposed(acts())
    compare_layers(layers, layers[:1], groups=4, n_permutations=0, n_draws=0, seed=0)
    assert len(calls) == 3


def test_what_is_not_asked_for_is_nan():
    compared = compare_layers(decomposed(acts()), groups=0, n_permutations=0, n_draws=0, seed=0)
    assert not np.isnan(compared.value).any()
    assert all(np.isnan(part).all() for part in compared[1:])


def test_few_images_warn_once_and_fewer_raise():
    layers = decomposed(acts(n=40))
    with pytest.warns(UserWarning, match="40 images and 9 units") as caught:
        compare_layers(layers, groups=4, n_permutations=2, n_draws=1, seed=0)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        similarities(layers, measures=["cka", "procrustes", "mutual_knn"])
    few = decomposed(acts(n=10))
    with pytest.raises(ValueError, match=r"got 10 images \(1 of them left out in turn\) and 9 units"):
        compare_layers(few, groups=10, seed=0)
    with pytest.raises(ValueError, match="got 9 images and 9 units"):
        similarities(decomposed(acts(n=9)))


def test_errors():
    layers = decomposed(acts())
    for sides in (([], None), ([], layers), (layers, [])):
        with pytest.raises(ValueError, match="at least one layer on either side"):
            similarities(*sides)
    with pytest.raises(ValueError, match="got 200 and 100"):
        similarities(layers, decomposed(acts(n=100)))
    with pytest.raises(ValueError, match="centred alike"):
        similarities([layers[0], decompose(acts()[1], labels=np.arange(200) % 2)])
    with pytest.raises(ValueError, match="at least 2 groups of images, or 0 for no interval, got 1"):
        compare_layers(layers, groups=1, seed=0)
    with pytest.raises(ValueError, match="got nothing_such"):
        similarities(layers, measures=["nothing_such"])
