import numpy as np

from featcx_core.images.data import load_data
from featcx_core.images.splits import stratified_split
from featcx_core.study.files import load_study


def test_a_part_is_in_random_order_so_that_every_twentieth_image_is_a_fair_group():
    data = load_data(load_study("mnist"))
    labels = data.labels[data.split["score"]]
    for group in range(20):
        assert len(np.unique(labels[group::20])) > 5
    assert abs(np.corrcoef(np.arange(500), labels)[0, 1]) < 0.15


def test_split_is_seeded_disjoint_and_stratified_for_uneven_classes():
    labels = np.repeat([0, 1, 2], [500, 90, 10])
    parts = stratified_split(labels, sizes={"train": 0.5, "fit": 0.2, "score": 0.2, "test": 0.1}, seed=3)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(600))
    for part, share in {"train": 0.5, "fit": 0.2, "score": 0.2, "test": 0.1}.items():
        counts = np.bincount(labels[parts[part]], minlength=3)
        assert (np.abs(counts - share * np.array([500, 90, 10])) <= 1).all(), part
    again = stratified_split(labels, sizes={"train": 0.5, "fit": 0.2, "score": 0.2, "test": 0.1}, seed=3)
    other = stratified_split(labels, sizes={"train": 0.5, "fit": 0.2, "score": 0.2, "test": 0.1}, seed=4)
    assert all((parts[p] == again[p]).all() for p in parts)
    assert any((parts[p] != other[p]).any() for p in parts)


def test_shares_that_sum_to_one_use_every_image():
    parts = stratified_split(np.arange(101) % 2, sizes={"a": 0.7, "b": 0.1, "c": 0.1, "d": 0.1}, seed=0)
    assert sum(map(len, parts.values())) == 101
