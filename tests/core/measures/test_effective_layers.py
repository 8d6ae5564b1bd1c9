import math

import numpy as np
import pytest
import torch

from featcx_core.measures.effective_layers import effective_layers


def test_by_hand():
    # correlation 0.5 of two layers: tr(R)² = 4, tr(R²) = 2 + 2 · 0.25
    x = np.array([1.0, -1.0, 0.0, 0.0])
    y = np.array([0.5, -0.5, math.sqrt(0.75), -math.sqrt(0.75)])
    assert effective_layers(np.stack([x, y])) == pytest.approx(4 / 2.5)


def test_equals_the_participation_ratio_of_the_correlations_eigenvalues():
    chance = np.random.default_rng(0)
    information = chance.random((6, 40)) + 2 * chance.random(40)
    values = np.linalg.eigvalsh(np.corrcoef(information))
    assert effective_layers(information) == pytest.approx(values.sum() ** 2 / (values**2).sum())
    assert effective_layers(torch.from_numpy(information)) == pytest.approx(effective_layers(information))


def test_between_1_and_the_number_of_layers():
    chance = np.random.default_rng(0)
    row = chance.random(50)
    assert effective_layers(np.stack([row, 3 * row, 0.2 - row])) == pytest.approx(1)
    many = effective_layers(chance.random((5, 20_000)))
    assert many == pytest.approx(5, abs=0.01)
    few = [effective_layers(chance.random((5, 30))) for _ in range(200)]
    assert np.mean([25 / value for value in few]) == pytest.approx(5 + 20 / 29, abs=0.05)


def test_dead_concepts_are_left_out_and_a_constant_layer_has_no_number():
    chance = np.random.default_rng(0)
    information = chance.random((3, 10))
    expected = effective_layers(information[:, 2:])
    information[1, :2] = np.nan
    assert effective_layers(information) == expected
    information[0] = 0.3
    assert math.isnan(effective_layers(information))
    assert effective_layers(information[1:2]) == 1


def test_errors():
    with pytest.raises(ValueError, match="at least 1 layer and 3 concepts with a value at each, got 2 and 2"):
        effective_layers(np.array([[0.1, 0.2, np.nan], [0.1, 0.2, 0.3]]))
