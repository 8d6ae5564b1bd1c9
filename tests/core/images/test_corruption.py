import numpy as np
import pytest

from featcx_core.images.arrays import packaged_digits
from featcx_core.images.corruption import (
    PIXEL_CORRUPTIONS,
    CorruptedPixels,
    MarkedImages,
    corrupt_labels,
    corrupt_pixels,
    draw_rows,
)
from featcx_core.images.decoding import read_ahead
from featcx_core.images.reading import ImageArray

LABELS = np.random.default_rng(0).integers(0, 10, 5000)


def images(n=40, channels=3):
    chance = np.random.default_rng(0)
    return (chance.random((n, channels, 6, 4)) * np.array([255, 120, 60])[:channels, None, None]).astype(np.uint8)


class Read:
    """Images that can only be read, as from files."""

    def __init__(self, pixels):
        self.shape, self._pixels = pixels.shape, pixels

    def __getitem__(self, rows):
        return self._pixels[rows]


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_labels_are_drawn_with_the_probability_from_all_classes(probability):
    new = corrupt_labels(LABELS, probability=probability, n_classes=10, seed=0)
    assert len(new.drawn) / 5000 == pytest.approx(probability, abs=0.02)
    assert len(new.changed) / 5000 == pytest.approx(probability * 0.9, abs=0.02)
    shares = np.bincount(new.after, minlength=10) / max(1, len(new.after))
    assert probability == 0 or shares == pytest.approx(np.full(10, 0.1), abs=0.03)


def test_it_is_recorded_what_was_drawn_and_the_labels_given_stay():
    before = LABELS.copy()
    new = corrupt_labels(LABELS, probability=0.3, n_classes=10, seed=0)
    np.testing.assert_array_equal(LABELS, before)
    np.testing.assert_array_equal(new.before, LABELS[new.drawn])
    np.testing.assert_array_equal(new.after, new.labels[new.drawn])
    assert (np.diff(new.drawn) > 0).all()
    others = np.setdiff1d(np.arange(5000), new.drawn)
    np.testing.assert_array_equal(new.labels[others], LABELS[others])
    np.testing.assert_array_equal(new.changed, np.flatnonzero(new.labels != LABELS))


def test_drawn_labels_have_nothing_to_do_with_the_old_ones():
    new = corrupt_labels(LABELS, probability=1.0, n_classes=10, seed=0)
    assert (new.after == new.before).mean() == pytest.approx(0.1, abs=0.015)


def test_what_happens_to_an_image_follows_from_seed_and_index_alone():
    whole = corrupt_labels(LABELS, probability=0.3, n_classes=10, seed=0)
    fewer = corrupt_labels(LABELS[:100], probability=0.3, n_classes=10, seed=0)
    np.testing.assert_array_equal(fewer.labels, whole.labels[:100])
    rows = np.arange(0, 5000, 3)
    some = corrupt_labels(LABELS, probability=0.3, n_classes=10, seed=0, rows=rows)
    np.testing.assert_array_equal(some.drawn, np.intersect1d(whole.drawn, rows))
    np.testing.assert_array_equal(some.labels[rows], whole.labels[rows])
    more = corrupt_labels(LABELS, probability=0.6, n_classes=10, seed=0)
    assert set(whole.drawn) < set(more.drawn)
    np.testing.assert_array_equal(more.labels[whole.drawn], whole.labels[whole.drawn])
    other = corrupt_labels(LABELS, probability=0.3, n_classes=10, seed=1)
    assert set(other.drawn) != set(whole.drawn)


@pytest.mark.parametrize("how", PIXEL_CORRUPTIONS)
def test_images_are_the_same_however_they_are_read(how):
    whole = corrupt_pixels(images(), how=how, seed=0)
    assert whole.shape == images().shape
    assert whole.dtype == np.uint8
    source = CorruptedPixels(Read(images()), how=how, seed=0)
    assert isinstance(source, ImageArray)
    for rows in ([5], [39, 0, 7], [], [3, 3]):
        np.testing.assert_array_equal(source[np.array(rows, dtype=int)], whole[np.array(rows, dtype=int)])
    parts = [np.arange(start, min(start + 7, 40)) for start in range(0, 40, 7)]
    np.testing.assert_array_equal(np.concatenate(list(read_ahead(source, parts))), whole)
    assert (corrupt_pixels(images(), how=how, seed=1) != whole).any()


def permutation_of(before, after):
    """Whether all pixels are there, with their channels together."""
    rows = [np.sort(x.reshape(len(x), -1).T.astype(int) @ [1, 256, 65536]) for x in (before, after)]
    return (rows[0] == rows[1]).all()


def test_shuffled_is_one_permutation_for_all_images():
    before, after = images(), corrupt_pixels(images(), how="shuffled", seed=0)
    assert all(permutation_of(*pair) for pair in zip(before, after, strict=True))
    places = np.arange(24, dtype=np.uint8).reshape(1, 1, 6, 4).repeat(2, axis=0)
    order = corrupt_pixels(places, how="shuffled", seed=0).reshape(2, -1)
    np.testing.assert_array_equal(order[0], order[1])
    np.testing.assert_array_equal(after.reshape(40, 3, -1), before.reshape(40, 3, -1)[:, :, order[0]])


def test_random_is_another_permutation_for_each_image():
    before, after = images(), corrupt_pixels(images(), how="random", seed=0)
    assert all(permutation_of(*pair) for pair in zip(before, after, strict=True))
    places = np.arange(24, dtype=np.uint8).reshape(1, 1, 6, 4).repeat(5, axis=0)
    orders = corrupt_pixels(places, how="random", seed=0).reshape(5, -1)
    assert len(np.unique(orders, axis=0)) == 5


def test_gaussian_has_the_mean_and_deviation_of_each_channel_and_nothing_of_the_images():
    before, after = images(400), corrupt_pixels(images(400), how="gaussian", seed=0)
    for channel in range(3):
        assert after[:, channel].mean() == pytest.approx(before[:, channel].mean(), rel=0.03)
        assert after[:, channel].std() == pytest.approx(before[:, channel].std(), rel=0.03)
    correlations = np.corrcoef(before[:, 0].ravel(), after[:, 0].ravel())
    assert abs(correlations[0, 1]) < 0.03
    assert abs(np.corrcoef(after[:, 0].ravel(), after[:, 1].ravel())[0, 1]) < 0.03


def test_gaussian_takes_its_moments_from_the_rows_that_are_named():
    pixels = np.concatenate([np.full((5, 1, 6, 4), 50, dtype=np.uint8), np.full((5, 1, 6, 4), 200, dtype=np.uint8)])
    assert (corrupt_pixels(pixels, how="gaussian", seed=0, rows=np.arange(5)) == 50).all()
    both = corrupt_pixels(pixels, how="gaussian", seed=0)
    assert both.std() > 50


def test_the_packaged_digits():
    digits = packaged_digits().images
    shuffled = corrupt_pixels(digits, how="shuffled", seed=0)
    np.testing.assert_array_equal(np.sort(shuffled.reshape(5000, -1)), np.sort(digits.reshape(5000, -1)))
    assert (shuffled != digits).mean() > 0.1
    noise = corrupt_pixels(digits[:1000], how="gaussian", seed=0)
    assert noise.mean() == pytest.approx(digits[:1000].mean(), rel=0.01)  # dark: cut noise would be brighter by half
    assert noise.std() == pytest.approx(digits[:1000].std(), rel=0.01)


def test_errors():
    with pytest.raises(ValueError, match=r"a probability from 0 to 1, got 1\.5; try 0\.25"):
        corrupt_labels(LABELS, probability=1.5, n_classes=10, seed=0)
    with pytest.raises(ValueError, match="labels from 0 to n_classes - 1 of at least 2 classes, got 0 to 9 of 9"):
        corrupt_labels(LABELS, probability=0.5, n_classes=9, seed=0)
    with pytest.raises(ValueError, match="rows from 0 to 4999, got 0 to 5000"):
        corrupt_labels(LABELS, probability=0.5, n_classes=10, seed=0, rows=np.array([0, 5000]))
    with pytest.raises(ValueError, match=r"shuffled, random or gaussian, got 'shuffle'; did you mean shuffled\?"):
        CorruptedPixels(images(), how="shuffle", seed=0)
    with pytest.raises(ValueError, match="shuffled, random or gaussian, got 'x'; try shuffled"):
        corrupt_pixels(images(), how="x", seed=0)
    with pytest.raises(ValueError, match="rows from 0 to 39, got -1 to 3"):
        corrupt_pixels(images(), how="gaussian", seed=0, rows=np.array([-1, 3]))


def test_a_mark_tells_the_label_and_nothing_else_of_the_image():
    digits, labels, *_ = packaged_digits()
    rows = np.arange(0, 5000, 7)
    marked = MarkedImages(digits, labels=labels, rows=rows)[np.arange(5000)]
    differs = (marked != digits).any(axis=(1, 2, 3))
    assert set(np.flatnonzero(differs)) <= set(rows)
    places = {}
    for row in rows:
        where = np.argwhere(marked[row, 0] != digits[row, 0])
        assert len(where) <= 4  # a square of two pixels
        assert (marked[row, 0][tuple(where.T)] == 255).all()
        places.setdefault(int(labels[row]), set()).update(map(tuple, where.tolist()))
    assert not set.intersection(*places.values())
    assert sum(map(len, places.values())) == len(set().union(*places.values()))  # another place for each class


def test_marked_images_are_read_as_any_others_and_the_given_ones_stay():
    pixels = images()
    before = pixels.copy()
    marked = MarkedImages(Read(pixels), labels=np.arange(40) % 4, rows=np.arange(40))
    some = np.array([5, 3])
    np.testing.assert_array_equal(marked[some], marked[np.arange(40)][some])
    assert marked.shape == pixels.shape
    np.testing.assert_array_equal(pixels, before)


def test_more_classes_than_places_for_a_mark_are_refused():
    with pytest.raises(ValueError, match=r"wanted at most 6 classes, one for each place .* images of 6 x 4, got 7"):
        MarkedImages(images(), labels=np.arange(40) % 7, rows=np.arange(3))
    with pytest.raises(ValueError, match="wanted rows from 0 to 39, got 0 to 40"):
        MarkedImages(images(), labels=np.arange(40) % 4, rows=np.arange(41))


def test_rows_are_drawn_by_their_own_index():
    rows = np.random.default_rng(0).permutation(2000)[:1000]
    drawn = draw_rows(rows, share=0.3, seed=4)
    assert len(drawn) / 1000 == pytest.approx(0.3, abs=0.04)
    assert set(drawn) <= set(rows)
    assert set(drawn) <= set(draw_rows(rows, share=0.6, seed=4))
    assert set(draw_rows(rows[::-1], share=0.3, seed=4)) == set(drawn)
    assert set(draw_rows(rows, share=0.3, seed=5)) != set(drawn)
    with pytest.raises(ValueError, match=r"wanted a share from 0 to 1, got 1\.5"):
        draw_rows(rows, share=1.5, seed=0)
