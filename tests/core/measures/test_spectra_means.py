import numpy as np
import pytest

from featcx_core.measures.spectra_means import class_mean_weights, left_out_means


def slow(values, class_of, counted):
    """Mean over classes of the classes' means, written out."""
    means = [values[counted & (class_of == c)].mean() for c in np.unique(class_of) if (counted & (class_of == c)).any()]
    return np.mean(means) if means else np.nan


@pytest.mark.parametrize("groups", [2, 5, 12])
def test_means_without_each_group(groups):
    chance = np.random.default_rng(0)
    values, class_of = chance.random((4, 12)), chance.integers(3, size=12)
    values[1, 5] = np.nan
    values[2, class_of == 0] = np.nan
    found = left_out_means(values, class_of, groups=groups)
    for row, expected in zip(values, found, strict=True):
        for group in range(groups):
            counted = ~np.isnan(row) & (np.arange(12) % groups != group)
            assert expected[group] == pytest.approx(slow(row, class_of, counted))


def test_weights_sum_to_one_and_classes_count_the_same():
    class_of = np.array([0, 0, 0, 2])
    weights = class_mean_weights(class_of, np.ones(4, dtype=bool))
    assert weights.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert not class_mean_weights(class_of, np.zeros(4, dtype=bool)).any()


def test_nothing_left_has_no_mean():
    found = left_out_means(np.array([[np.nan, 1.0]]), np.array([0, 0]), groups=2)
    assert found[0, 0] == 1.0
    assert np.isnan(found[0, 1])


def test_errors():
    with pytest.raises(ValueError, match="at least 2 groups and as many images, got 3"):
        left_out_means(np.ones((1, 2)), np.array([0, 1]), groups=3)
