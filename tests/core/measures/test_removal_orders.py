import numpy as np
import torch

from featcx_core.measures.removal_orders import N_RANDOM_ORDERS, removal_orders


def test_by_hand():
    complexity, importance = np.array([0.5, np.nan, 0.1, 0.9, np.nan]), np.array([3.0, 9.0, 1.0, 1.0, 0.0])
    orders = removal_orders(complexity, importance, seed=0)
    assert orders["complexity_descending"].tolist() == [[1, 4, 3, 0, 2]]
    assert orders["complexity_ascending"].tolist() == [[1, 4, 2, 0, 3]]
    assert orders["importance_descending"].tolist() == [[1, 4, 0, 2, 3]]
    assert orders["random"].shape == (N_RANDOM_ORDERS, 5)
    assert (orders["random"][:, :2] == [1, 4]).all()  # the dead are first here, too
    assert len(np.unique(orders["random"], axis=0)) > 1
    assert (removal_orders(complexity, importance, seed=0)["random"] == orders["random"]).all()


def test_another_seed_changes_the_random_orders_alone():
    chance = np.random.default_rng(0)
    complexity, importance = chance.random(30), chance.random(30)
    first, second = (removal_orders(complexity, importance, seed=seed) for seed in (0, 1))
    assert {name for name in first if (first[name] != second[name]).any()} == {"random"}


def test_ties_go_by_number_and_tensors_are_taken():
    orders = removal_orders(torch.tensor([0.5, 0.5, 0.1]), torch.ones(3), seed=0)
    assert orders["complexity_descending"].tolist() == [[0, 1, 2]]
    assert orders["importance_descending"].tolist() == [[0, 1, 2]]
