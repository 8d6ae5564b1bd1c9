import numpy as np
import pytest

from featcx_core.features.by_group import GroupedSums
from featcx_core.features.moments import Moments
from featcx_core.measures.cross_fitted import PENALTIES, cross_fitted_v_information
from featcx_core.measures.dictionary_stability import Refitted, cross_fitted_r2, find_again, stability
from tests.references import stability as reference


def dictionaries(*, n_seeds=4, n_atoms=5, units=8, noise=0.25):
    chance = np.random.default_rng(1)
    atoms = np.abs(chance.normal(size=(n_atoms, units)))
    others = [
        np.abs(atoms[chance.permutation(n_atoms)] + noise * chance.normal(size=atoms.shape)) for _ in range(n_seeds)
    ]
    return atoms, others, chance.uniform(size=n_atoms), [chance.uniform(size=n_atoms) for _ in others]


@pytest.mark.parametrize("least_cosine", [0.5, 0.9, 0.97])
def test_equals_the_definition(least_cosine):
    atoms, others, k, k_of_others = dictionaries()
    result = stability(k, find_again(atoms, others, k_of_others), least_cosine=least_cosine)
    shares, spreads = reference.stability(atoms, k, others, k_of_others, least_cosine)
    np.testing.assert_allclose(result.found_fraction, shares)
    np.testing.assert_allclose(result.complexity_spread, spreads, atol=1e-12)


def test_the_same_dictionary_is_found_in_every_seed_in_any_order():
    atoms, _, k, _ = dictionaries()
    order = np.array([3, 1, 4, 0, 2])
    result = stability(k, find_again(atoms, [atoms[order]] * 3, [k[order]] * 3))
    assert result.found_fraction.tolist() == [1.0] * 5
    np.testing.assert_allclose(result.mean_cosine, 1, atol=1e-6)
    np.testing.assert_allclose(result.complexity_spread, 0, atol=1e-12)


def test_directions_that_are_not_there_are_not_found():
    result = stability(np.array([0.5]), find_again(np.eye(2)[:1], [np.eye(2)[1:]] * 2, [np.array([0.1])] * 2))
    assert result.found_fraction.tolist() == [0.0]
    assert np.isnan(result.complexity_spread).all()


def test_zero_and_dead_atoms_have_no_number():
    atoms = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    again = find_again(atoms, [atoms, atoms], [np.array([0.2, np.nan, 0.4])] * 2)
    result = stability(np.array([0.2, np.nan, np.nan]), again)
    np.testing.assert_array_equal(result.found_fraction, [1, np.nan, 1])
    np.testing.assert_array_equal(result.complexity_spread, [0, np.nan, np.nan])


@pytest.mark.parametrize("units", [6, 60])
def test_v_information_is_that_of_the_cross_fitted_readers(units):
    chance = np.random.default_rng(0)
    x = chance.normal(size=(80, units))
    z = x[:, :3] + np.linspace(0, 3, 3) * chance.normal(size=(80, 3))
    fit, score = (GroupedSums.of(Moments, x[i::2], z[i::2], groups=2) for i in (0, 1))
    expected = cross_fitted_v_information(x[::2], z[::2], x[1::2], z[1::2]).v_information
    np.testing.assert_allclose(cross_fitted_r2(fit, score, penalties=PENALTIES), expected, atol=1e-12)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"wanted dictionaries of other seeds and K of each, got 0 and 0"):
        find_again(np.eye(2), [], [])
    with pytest.raises(ValueError, match=r"wanted a cosine above 0, at most 1, got 1.5; try 0.9"):
        stability(np.ones(1), Refitted(np.ones((2, 1)), np.ones((2, 1))), least_cosine=1.5)
