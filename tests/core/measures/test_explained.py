"""How much of a property the groups of concepts explain: ε² and its interval."""

import numpy as np
import pytest

from featcx_core.measures.explained import explained


def test_by_hand():
    found = explained(np.array([0.0, 2.0, 4.0, 6.0]), ["a", "a", "b", "b"])
    assert found.value == pytest.approx(1 - (4 / 2) / (20 / 3))  # squares within: 1 + 1 + 1 + 1; of all: 9 + 1 + 1 + 9
    assert found.low <= found.value <= found.high
    assert found.n == 4


def test_names_and_order_of_groups_do_not_count_and_the_seed_decides():
    chance = np.random.default_rng(0)
    values, groups = chance.random(30), chance.integers(4, size=30)
    found = explained(values, groups.tolist(), seed=1)
    assert explained(3 * values - 7, [f"group {9 - g}" for g in groups], seed=1) == pytest.approx(found, nan_ok=True)
    assert explained(values, groups.tolist(), seed=2)[1:3] != found[1:3]


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]])
def test_nothing_to_explain_is_nan(values):
    groups = ["a", "a", "b"] if values[1] == 1 else ["a", "b", "c"]
    assert np.isnan(explained(np.array(values), groups)[:3]).all()


@pytest.mark.parametrize("truth", [0.0, 0.5])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(truth):
    """Fifteen groups whose means have the variance `truth`, 100 concepts: as in the default study."""
    chance, n_studies, held = np.random.default_rng(3), 60, 0
    for _ in range(n_studies):
        means = chance.normal(size=15)
        means = (means - means.mean()) / means.std() * np.sqrt(truth)
        groups = chance.integers(15, size=100)
        values = means[groups] + np.sqrt(1 - truth) * chance.normal(size=100)
        found = explained(values, groups.tolist(), n_bootstrap=200)
        held += found.low <= truth <= found.high
    assert held >= 0.85 * n_studies
