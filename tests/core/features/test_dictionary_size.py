import numpy as np
import pytest
import torch

from featcx_core.features.dictionary import encode, random_atoms
from featcx_core.features.dictionary_size import Grown, grow, held_out, predictions_kept
from tests.references import dictionary as reference


def test_doubles_until_enough_is_kept_and_not_further():
    tried: list[int] = []

    def keeps(n_atoms: int) -> float:
        tried.append(n_atoms)
        return {10: 0.5, 20: 0.9, 40: 0.993}[n_atoms]

    assert grow(keeps, most=1000) == Grown(40, "predictions kept", 0.993)
    assert tried == [10, 20, 40]


def test_stops_where_the_samples_end_with_the_best_of_those_tried():
    shares = {10: 0.5, 20: 0.9, 25: 0.7}
    assert grow(shares.__getitem__, most=25) == Grown(20, "samples used up", 0.9)
    assert grow({4: 0.2}.__getitem__, most=4) == Grown(4, "samples used up", 0.2)
    with pytest.raises(ValueError, match="wanted at least one sample and one unit, got 0; try more images"):
        grow(shares.__getitem__, most=0)


def test_every_fifth_image_is_held_out():
    assert np.flatnonzero(held_out(12)).tolist() == [4, 9]
    assert not held_out(4).any()


def test_predictions_kept_are_those_of_the_definition():
    chance = np.random.default_rng(0)
    acts, head, bias = (
        np.abs(chance.normal(size=(60, 9))).astype(np.float32),
        chance.normal(size=(9, 4)),
        chance.normal(size=4),
    )
    atoms = random_atoms(3, 9, seed=0)
    found = predictions_kept(acts, atoms, head, bias, l1=1e-3, l2=1e-6, device=torch.device("cpu"))
    expected = reference.kept(acts, encode(acts, atoms), atoms, head, bias, outputs=[0])["predictions_kept_fraction"]
    assert found == pytest.approx(expected)
    assert 0 < found < 1
