"""The range of a concept's codes: active codes, examples, histogram."""

import numpy as np
import pytest

from featcx_core.features.code_range import N_BINS, active_codes, histogram, middle_and_least


def some_codes() -> np.ndarray:
    codes = np.random.default_rng(0).random((50, 6))
    codes[codes < 0.6] = 0
    codes[:, 2] = 0
    codes[3, 0] = codes[1, 0] = 0.999  # equal ones
    return codes


def test_active_codes_are_sorted_and_do_not_depend_on_chunks():
    codes = some_codes()
    whole, parts = active_codes([codes]), active_codes(np.split(codes, [7, 8, 31]))
    assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))
    for concept in range(6):
        images, values = whole.of(concept)
        assert sorted(images) == np.flatnonzero(codes[:, concept]).tolist()
        np.testing.assert_array_equal(values, codes[images, concept])
        assert (np.diff(values) <= 0).all()
    assert whole.of(0)[0][:2].tolist() == [1, 3]  # of equal ones the earlier
    with pytest.raises(ValueError, match="wanted codes of at least one image, got none"):
        active_codes([])


@pytest.mark.parametrize("n_active", range(40))
def test_middle_and_least_lie_below_the_strongest_and_apart(n_active: int):
    middle, least = middle_and_least(n_active)
    assert len(middle) <= 4
    assert least == list(range(max(8, n_active - 4), n_active))
    assert all(8 <= rank < n_active - len(least) for rank in middle)
    assert len(middle) == min(4, max(0, n_active - 12))
    between = range(8, max(8, n_active - 4))
    if middle:
        assert abs(np.mean(middle) - np.mean(between)) <= 0.5


def test_the_histogram_counts_every_image_once_and_shows_one_of_each_bin():
    codes = some_codes()
    found = active_codes([codes])
    for concept in range(6):
        images, values = found.of(concept)
        bins = histogram(images, values, n_images=50)
        assert bins.n_images.sum() == 50
        assert bins.n_images[0] == 50 - len(images)
        for low, high, n, image in list(zip(*bins, strict=True))[1:]:
            inside = np.flatnonzero((codes[:, concept] > low) & (codes[:, concept] <= high))
            assert n == len(inside)
            assert (image in inside) if n else image == -1
        assert codes[bins.image[0], concept] == 0
    assert histogram(np.arange(3), np.ones(3), n_images=3).image.tolist() == [-1] * N_BINS + [0]
