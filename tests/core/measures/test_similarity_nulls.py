import numpy as np
import pytest

from featcx_core.measures.decomposed import decompose
from featcx_core.measures.layer_pair import Pair
from featcx_core.measures.similarity import linear_cka, mean_cca
from featcx_core.measures.similarity_measures import chosen, evaluate
from featcx_core.measures.similarity_nulls import calibrated, gaussian_null, permuted_null

NAMES = ["cka", "svcca", "pwcca", "mean_cca", "procrustes", "mutual_knn"]


def independent(n=600, seed=0):
    """Two layers of decaying spectra that have nothing to do with each other."""
    chance = np.random.default_rng(seed)
    return tuple(decompose(chance.normal(size=(n, units)) * np.geomspace(1, 0.1, units)) for units in (30, 20))


def test_permuted_images_score_what_independent_layers_do():
    null = permuted_null(*independent(), chosen(NAMES), n_permutations=50, seed=0)
    measures = chosen(NAMES)
    fresh = np.array([evaluate(Pair(*independent(seed=seed)), measures) for seed in range(1, 11)])
    np.testing.assert_allclose(null.mean, fresh.mean(0), atol=0.01)
    assert (null.high >= null.mean).all()
    assert ((fresh > null.high).mean(0) <= 0.4).all()
    assert null.mean[0] == pytest.approx(0, abs=0.005)


def test_permutations_are_seeded_and_the_same_for_all_pairs():
    x, y = independent()
    first, again, other = (permuted_null(x, y, chosen(["cka"]), n_permutations=5, seed=seed) for seed in (0, 0, 1))
    assert first.mean == again.mean != other.mean


def test_within_classes_images_are_permuted_within_their_classes():
    chance = np.random.default_rng(1)
    labels = np.arange(600) % 6
    x, y = (3 * chance.normal(size=(6, 20))[labels] + chance.normal(size=(600, 20)) for _ in range(2))
    inside = decompose(x, labels=labels), decompose(y, labels=labels)
    null = permuted_null(*inside, chosen(["cka", "mean_cca"]), n_permutations=50, seed=0)
    assert null.mean[0] == pytest.approx(0, abs=0.003)
    assert null.mean[1] == pytest.approx(mean_cca(x, y, labels=labels), abs=0.02)
    assert linear_cka(x, y) > 0.5


def test_gaussian_null_depends_on_shapes_alone_and_is_close_to_theory():
    x, y = independent()
    other = decompose(np.arange(18000.0).reshape(600, 30) % 7), decompose(np.arange(12000.0).reshape(600, 20) % 11)
    null = gaussian_null(x, y, chosen(NAMES), seed=0)
    np.testing.assert_array_equal(gaussian_null(*other, chosen(NAMES), seed=0).mean, null.mean)
    squares = gaussian_null(x, x, [lambda pair: float(pair.canonical.correlations.square().mean())], n_draws=20, seed=0)
    assert squares.mean[0] == pytest.approx(30 / 599, abs=0.002)  # E of ρ², averaged: units / (images - 1)
    assert null.mean[NAMES.index("cka")] == pytest.approx(0, abs=0.01)
    assert null.mean[NAMES.index("mutual_knn")] == pytest.approx(10 / 599, abs=0.003)


def test_gaussian_null_within_classes_is_centred_so():
    labels = np.arange(600) % 200
    x = decompose(np.random.default_rng(0).normal(size=(600, 30)), labels=labels)
    squares = gaussian_null(x, x, [lambda pair: float(pair.canonical.correlations.square().mean())], n_draws=20, seed=0)
    assert squares.mean[0] == pytest.approx(30 / 400, abs=0.004)  # 200 means are gone


def test_calibrated_by_hand():
    values = calibrated(np.array([0.2, 0.6, 1.0, 0.1, 1.0]), np.array([0.2, 0.2, 0.2, 0.2, 1.0]))
    np.testing.assert_allclose(values, [0, 0.5, 1, -0.125, np.nan])


def test_errors():
    x, y = independent()
    with pytest.raises(ValueError, match="at least 1 permutation, got 0"):
        permuted_null(x, y, chosen(["cka"]), n_permutations=0, seed=0)
    with pytest.raises(ValueError, match="at least 1 draw, got 0"):
        gaussian_null(x, y, chosen(["cka"]), n_draws=0, seed=0)
