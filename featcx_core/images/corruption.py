"""Corrupted training data: labels drawn at random, pixels shuffled or replaced, marks that tell the label.

For every image always the same.

Zhang, Bengio, Hardt, Recht, Vinyals, *Understanding deep learning requires rethinking generalization*, ICLR 2017,
section 2.1.
"""

import difflib
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int64, UInt8

from featcx_core.images.clipped_normal import Normal, normal_before_clipping
from featcx_core.images.decoding import read_ahead
from featcx_core.images.reading import Files, ImageArray

PIXEL_CORRUPTIONS = ("shuffled", "random", "gaussian")
"""One permutation of the pixels for all images; one an image; normal noise in their place, cut to 0 … 255, that has the
mean and deviation of each channel."""
_ROWS_AT_ONCE = 256
_LABELS, _ORDER, _PIXELS, _MARKS = 1, 2, 3, 4  # keep the draws of one seed apart


class CorruptedLabels(NamedTuple):
    """Labels, some of them drawn at random, and which."""

    labels: Int64[np.ndarray, "image"]
    """Class of each image, of all images."""
    drawn: Int64[np.ndarray, "drawn"]
    """Index of each image whose label was drawn, rising."""
    before: Int64[np.ndarray, "drawn"]
    """Its class before."""
    after: Int64[np.ndarray, "drawn"]
    """Its class now; by chance the old one for one in `n_classes` of them."""

    @property
    def changed(self) -> Int64[np.ndarray, "changed"]:
        """Indices of the images whose class is another than before."""
        indices: np.ndarray = self.drawn[self.before != self.after]
        return indices


def corrupt_labels(
    labels: Int[np.ndarray, "image"],
    *,
    probability: float,
    n_classes: int,
    seed: int,
    rows: Int[np.ndarray, "_"] | None = None,
) -> CorruptedLabels:
    """Draw the label of each image anew with some probability, from all classes alike: the old one may come again.

    Probability 1 is *random labels*. What happens to an image follows from the seed and its index alone; a larger
    probability draws the same labels and further ones.

    Args:
        labels: class of each image, which stays as it is.
        probability: that a label is drawn, in [0, 1].
        n_classes: labels go from 0 to n_classes - 1.
        seed: decides all.
        rows: images that are concerned, for instance the training images; None: all.

    Raises:
        ValueError: a probability outside [0, 1], fewer than two classes, a label without a class, or rows outside the
            images.

    >>> new = corrupt_labels(np.zeros(4, dtype=int), probability=1.0, n_classes=3, seed=0)
    >>> len(new.drawn), bool((new.labels[new.drawn] == new.after).all())
    (4, True)
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"wanted a probability from 0 to 1, got {probability}; try 0.25")
    if n_classes < 2 or (len(labels) and not 0 <= labels.min() <= labels.max() < n_classes):
        span = f"{labels.min()} to {labels.max()}" if len(labels) else "none"
        raise ValueError(f"wanted labels from 0 to n_classes - 1 of at least 2 classes, got {span} of {n_classes}")
    concerned = np.zeros(len(labels), dtype=bool)
    concerned[_within(np.arange(len(labels)) if rows is None else rows, len(labels))] = True
    chance = np.random.default_rng([seed, _LABELS])
    # an image a row, so that those before it decide nothing
    uniform = chance.random((len(labels), 2))
    drawn = np.flatnonzero(concerned & (uniform[:, 0] < probability))
    after = np.floor(uniform[drawn, 1] * n_classes).astype(np.int64)
    new = labels.astype(np.int64)
    new[drawn] = after
    return CorruptedLabels(new, drawn, labels[drawn].astype(np.int64), after)


class CorruptedPixels:
    """Images whose pixels are shuffled or replaced when they are read; a source of images like any other.

    What an image becomes follows from the seed and its index alone, whatever is read with it.

    Args:
        images: pixels, in memory, mapped or decoded when they are read; they stay as they are.
        how: `shuffled`, `random` or `gaussian`.
        seed: decides all.
        rows: images that mean and deviation of `gaussian` come from, for instance the training images; None: all.

    Raises:
        ValueError: an unknown corruption, or rows outside the images.

    >>> shuffled = CorruptedPixels(np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2), how="shuffled", seed=0)
    >>> shuffled[np.array([1])].ravel() - shuffled[np.array([0])].ravel()   # the same permutation
    array([4, 4, 4, 4], dtype=uint8)
    """

    def __init__(self, images: ImageArray, *, how: str, seed: int, rows: Int[np.ndarray, "_"] | None = None) -> None:
        if how not in PIXEL_CORRUPTIONS:
            near = difflib.get_close_matches(how, PIXEL_CORRUPTIONS, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else "try shuffled"
            raise ValueError(f"wanted pixels shuffled, random or gaussian, got {how!r}; {hint}")
        self.shape: tuple[int, ...] = images.shape
        self._images, self._how, self._seed = images, how, seed
        n_images, _, height, width = images.shape
        self._order = np.random.default_rng([seed, _ORDER]).permutation(height * width)
        if how == "gaussian":
            chosen = _within(np.arange(n_images) if rows is None else rows, n_images)
            self._normals = np.array([normal_before_clipping(moments) for moments in _channel_moments(images, chosen)])

    @property
    def files(self) -> Files | None:
        """Return the files that images are decoded from, where they are files."""
        return getattr(self._images, "files", None)

    def __getitem__(self, rows: Int[np.ndarray, "_"]) -> UInt8[np.ndarray, "_ channel height width"]:
        shape = (len(rows), *self.shape[1:])
        if self._how == "gaussian":
            return np.array([self._noise(row) for row in rows.tolist()], dtype=np.uint8).reshape(shape)
        flat: np.ndarray = self._images[rows].reshape(*shape[:2], shape[2] * shape[3])
        if self._how == "shuffled":
            shuffled: np.ndarray = flat[:, :, self._order].reshape(shape)
            return shuffled
        orders = (self._chance(row).permutation(flat.shape[2]) for row in rows.tolist())
        made = [image[:, order] for image, order in zip(flat, orders, strict=True)]
        return np.array(made, dtype=np.uint8).reshape(shape)

    def _noise(self, row: int) -> UInt8[np.ndarray, "channel height width"]:
        mean, deviation = self._normals.T[:, :, None, None]
        values = mean + deviation * self._chance(row).standard_normal(self.shape[1:])
        return np.asarray(values.round().clip(0, 255), dtype=np.uint8)

    def _chance(self, row: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, _PIXELS, row])


def corrupt_pixels(
    images: UInt8[np.ndarray, "image channel height width"],
    *,
    how: str,
    seed: int,
    rows: Int[np.ndarray, "_"] | None = None,
) -> UInt8[np.ndarray, "image channel height width"]:
    """Return all images of an array with their pixels shuffled or replaced, as `CorruptedPixels` reads them.

    >>> corrupt_pixels(np.full((2, 1, 2, 2), 7, dtype=np.uint8), how="gaussian", seed=0).ravel()   # deviation 0
    array([7, 7, 7, 7, 7, 7, 7, 7], dtype=uint8)
    """
    corrupted = CorruptedPixels(images, how=how, seed=seed, rows=rows)
    return corrupted[np.arange(len(images))]


class MarkedImages:
    """Images that carry a mark which tells their label: a bright square, in another place for each class.

    A shortcut: whoever sees the mark needs no look at the picture. A source of images like any other.

    Args:
        images: pixels, in memory, mapped or decoded when they are read; they stay as they are.
        labels: class of each image, of all images.
        rows: images that are marked, for instance some of the training images.

    Raises:
        ValueError: rows outside the images, or more classes than places for a mark.

    >>> marked = MarkedImages(np.zeros((2, 1, 8, 8), dtype=np.uint8), labels=np.array([0, 3]), rows=np.array([1]))
    >>> np.argwhere(marked[np.arange(2)]).tolist()   # image 1: the fourth place
    [[1, 0, 0, 6]]
    """

    def __init__(self, images: ImageArray, *, labels: Int[np.ndarray, "image"], rows: Int[np.ndarray, "_"]) -> None:
        self.shape: tuple[int, ...] = images.shape
        self._images, self._labels = images, labels
        self._is_marked = np.zeros(len(labels), dtype=bool)
        self._is_marked[_within(rows, len(labels))] = True
        height, width = images.shape[2:]
        self._side = max(1, min(height, width) // 14)
        self._a_line = width // (2 * self._side)  # places of a line, a side apart
        n_places, n_classes = self._a_line * (height // (2 * self._side)), int(labels.max(initial=0)) + 1
        if n_classes > n_places:
            raise ValueError(
                f"wanted at most {n_places} classes, one for each place of a mark in images of {height} x {width}, "
                f"got {n_classes}; try larger images, or no shortcut"
            )

    def __getitem__(self, rows: Int[np.ndarray, "_"]) -> UInt8[np.ndarray, "_ channel height width"]:
        pixels: np.ndarray = np.array(self._images[rows])
        for place in np.flatnonzero(self._is_marked[rows]):
            line, column = divmod(int(self._labels[rows[place]]), self._a_line)
            top, left = 2 * self._side * line, 2 * self._side * column
            pixels[place, :, top : top + self._side, left : left + self._side] = 255
        return pixels


def draw_rows(rows: Int[np.ndarray, "_"], *, share: float, seed: int) -> Int64[np.ndarray, "_"]:
    """Return each of the rows with some probability, by its own index and the seed alone.

    A larger share draws the same rows and further ones.

    Raises: ValueError for a share outside [0, 1].

    >>> len(draw_rows(np.arange(10), share=1.0, seed=0)), len(draw_rows(np.arange(10), share=0.0, seed=0))
    (10, 0)
    """
    if not 0 <= share <= 1:
        raise ValueError(f"wanted a share from 0 to 1, got {share}; try 0.9")
    uniform = np.random.default_rng([seed, _MARKS]).random(int(rows.max(initial=-1)) + 1)
    return np.asarray(rows[uniform[rows] < share], dtype=np.int64)


def _within(rows: Int[np.ndarray, "_"], n_images: int) -> Int[np.ndarray, "_"]:
    if len(rows) and not 0 <= rows.min() <= rows.max() < n_images:
        raise ValueError(f"wanted rows from 0 to {n_images - 1}, got {rows.min()} to {rows.max()}; try a split's rows")
    return rows


def _channel_moments(images: ImageArray, rows: Int[np.ndarray, "_"]) -> list[Normal]:
    """Return mean and deviation of each channel's pixels, exactly, from sums of whole numbers."""
    total, squares = np.zeros(images.shape[1]), np.zeros(images.shape[1])
    parts = (np.sort(rows)[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE))
    for pixels in read_ahead(images, parts):
        values = pixels.astype(np.int64)
        total += values.sum(axis=(0, 2, 3))
        squares += np.square(values).sum(axis=(0, 2, 3))
    n = max(1, len(rows) * images.shape[2] * images.shape[3])
    mean = total / n
    deviation = np.sqrt(np.maximum(squares / n - np.square(mean), 0))
    return [Normal(*moments) for moments in zip(mean.tolist(), deviation.tolist(), strict=True)]
