import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.features.class_sums import ClassSums


def planted(n=60, columns=5, classes=4, seed=0):
    chance = np.random.default_rng(seed)
    return chance.normal(size=(n, columns)) + 100, chance.integers(0, classes, n)


def summed(values, labels, *, size=1000, groups=1, classes=4):
    sums = ClassSums(n_classes=classes, groups=groups)
    for start in range(0, len(values), size):
        sums.add(values[start : start + size], labels[start : start + size])
    return sums


def test_means_are_those_of_each_class():
    values, labels = planted()
    means = summed(values, labels).means()
    for c in range(4):
        np.testing.assert_allclose(means[c], values[labels == c].mean(axis=0), rtol=1e-12)


def test_sums_by_group_are_those_of_every_so_manieth_image():
    values, labels = planted()
    sums = summed(values, labels, groups=7)
    moved = values - sums.offset.numpy()
    group = np.arange(60) % 7
    for g in range(7):
        np.testing.assert_allclose(sums.squares[g], np.square(moved[group == g]).sum(axis=0), rtol=1e-12)
        for c in range(4):
            members = moved[(group == g) & (labels == c)]
            assert sums.counts[g, c] == len(members)
            np.testing.assert_allclose(sums.sums[g, c], members.sum(axis=0), atol=1e-12)


@pytest.mark.parametrize("size", [1, 7, 59])
def test_independent_of_the_chunk_size(size):
    values, labels = planted()
    whole, cut = summed(values, labels, groups=7), summed(values, labels, groups=7, size=size)
    np.testing.assert_array_equal(cut.counts, whole.counts)
    np.testing.assert_allclose(cut.means(), whole.means(), rtol=1e-12)


def test_a_class_without_an_image_has_no_mean_and_an_empty_chunk_adds_nothing():
    sums = ClassSums(n_classes=3)
    sums.add(np.zeros((0, 2)), np.zeros(0, dtype=int))
    sums.add(np.ones((2, 2)), np.array([0, 2]))
    means = sums.means()
    assert torch.isnan(means[1]).all()
    assert (means[[0, 2]] == 1).all()


def test_float32_is_summed_in_float64_and_left_as_it_is():
    values = np.full((1000, 1), 0.1, dtype=np.float32)
    before = values.copy()
    sums = summed(values, np.arange(1000) % 4)
    assert sums.means().dtype == torch.float64
    np.testing.assert_allclose(sums.means(), float(np.float32(0.1)), rtol=1e-12)
    np.testing.assert_array_equal(values, before)


def test_errors(monkeypatch):
    values, labels = planted()
    with pytest.raises(ValueError, match="at least 2 classes and 1 group, got 1 and 1"):
        ClassSums(n_classes=1)
    with pytest.raises(ValueError, match=r"labels from 0 to 2, got 0 to 3; try n_classes = largest label \+ 1"):
        summed(values, labels, classes=3)
    with pytest.raises(ValueError, match=r"finite values, got 1 values .* the first at image 60, column 2"):
        summed(values, labels).add(np.array([[0.0, 0.0, np.nan, 0.0, 0.0]]), labels[:1])
    with pytest.raises(ValueError, match="at least one image, got none"):
        ClassSums(n_classes=2).means()
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match="a label for each of 60 images, got 59"):
        summed(values, labels).add(values, labels[1:])
