import numpy as np
import pytest
from scipy.stats import spearmanr

from featcx_core.measures.layer_choices import chosen_layers, compare_choices

LAYERS = ["stem", "1.0", "1.1", "2.0", "2.1", "3.0"]


def test_choices_are_those_of_their_names():
    assert chosen_layers(LAYERS, [9, 9, 9, 5, 5, 3]) == {
        "all": LAYERS,
        "without_first": LAYERS[1:],
        "without_last": LAYERS[:-1],
        "one_a_stage": ["1.1", "2.1", "3.0"],
    }


def test_a_choice_of_one_layer_is_none():
    assert chosen_layers(["a", "b"], [1, 1]).keys() == {"all"}
    assert chosen_layers(["a"], [1]).keys() == {"all"}


def test_equals_scipy_on_means_of_layers():
    chance = np.random.default_rng(0)
    information = chance.uniform(size=(4, 30))
    information[:, 3] = np.nan
    gamma = chance.uniform(size=30)
    choices = compare_choices({"all": information, "few": information[1:3]}, gamma, n_bootstrap=100, seed=0)
    alive = ~np.isnan(information[0])
    k, of_few = 1 - information.mean(0)[alive], 1 - information[1:3].mean(0)[alive]
    few = choices["few"]
    assert few.n_layers == 2
    assert few.mean_complexity == pytest.approx(of_few.mean())
    assert few.with_complexity.value == pytest.approx(spearmanr(k, of_few).statistic)
    assert few.with_importance.value == pytest.approx(spearmanr(of_few, gamma[alive]).statistic)
    r = np.corrcoef(information[1:3][:, alive])
    assert few.effective_layers == pytest.approx(np.trace(r) ** 2 / np.trace(r @ r))
    assert choices["all"].with_complexity.value == pytest.approx(1)
    assert few.with_complexity.low < few.with_complexity.value < few.with_complexity.high


def test_what_is_not_known_is_nan():
    information = np.full((2, 5), np.nan)
    (none,) = compare_choices({"all": information}, None, n_bootstrap=100, seed=0).values()
    assert np.isnan([none.effective_layers, none.mean_complexity, none.with_complexity.value]).all()
    some = compare_choices({"all": np.random.default_rng(0).uniform(size=(2, 9))}, None, n_bootstrap=100, seed=0)
    assert np.isnan(some["all"].with_importance.value)


def test_k_itself_must_be_there():
    with pytest.raises(ValueError, match="wanted I_V of the choice 'all', got rbf; try all layers in K"):
        compare_choices({"rbf": np.ones((1, 4))}, None, n_bootstrap=100, seed=0)
