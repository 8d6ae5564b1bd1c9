"""The whole range of a concept's codes: how many images lie where in it, and an image of each part."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

N_BINS = 10
"""Bins of equal width between 0 and the highest code; images without the concept are a bin of their own."""
N_EXAMPLES = 4
"""Images of the middle of the range and of its lower end."""
N_STRONGEST = 8
"""Images at its upper end, which have a place of their own."""


class ActiveCodes(NamedTuple):
    """Codes above zero, concept after concept, of each the strongest first."""

    images: Int64[np.ndarray, "pair"]
    """Row of the image."""
    codes: Float[np.ndarray, "pair"]
    """The code."""
    starts: Int64[np.ndarray, "concept_and_end"]
    """First pair of each concept, and the number of pairs."""

    def of(self, concept: int) -> tuple[Int64[np.ndarray, "_"], Float[np.ndarray, "_"]]:
        """Return the images and codes of one concept."""
        rows = slice(self.starts[concept], self.starts[concept + 1])
        return self.images[rows], self.codes[rows]


class Bins(NamedTuple):
    """A histogram of one concept's codes over all images."""

    low: Float[np.ndarray, "bin"]
    """Code above which a bin begins; 0 of the first, which holds the code 0 alone."""
    high: Float[np.ndarray, "bin"]
    """Code at which it ends, included."""
    n_images: Int64[np.ndarray, "bin"]
    """Images in it."""
    image: Int64[np.ndarray, "bin"]
    """Row of the image nearest to its middle; -1 for an empty bin."""


def active_codes(chunks: Iterable[Float[np.ndarray, "_ concept"]]) -> ActiveCodes:
    """Return the codes above zero of all images, from chunks of codes; of equal codes the earlier image comes first.

    Memory holds the codes above zero. Raises ValueError without any chunk.

    >>> found = active_codes([np.array([[0.5, 0.0]]), np.array([[2.0, 1.0]])])
    >>> found.images.tolist(), found.starts.tolist(), found.of(0)[1].tolist()
    ([1, 0, 1], [0, 2, 3], [2.0, 0.5])
    """
    parts, n_images, n_concepts = [], 0, None
    for codes in chunks:
        rows, concepts = np.nonzero(codes > 0)
        parts.append((concepts, rows + n_images, codes[rows, concepts].astype(np.float64)))
        n_images, n_concepts = n_images + len(codes), codes.shape[1]
    if n_concepts is None:
        raise ValueError("wanted codes of at least one image, got none")
    concepts, images, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((images, -values, concepts))
    starts = np.searchsorted(concepts[order], np.arange(n_concepts + 1))
    return ActiveCodes(images[order], values[order], starts)


def middle_and_least(n_active: int) -> tuple[list[int], list[int]]:
    """Return the ranks of images in the middle of the range and at its lower end, below the strongest ones.

    >>> middle_and_least(100)
    ([50, 51, 52, 53], [96, 97, 98, 99])
    >>> middle_and_least(14), middle_and_least(9)
    (([8, 9], [10, 11, 12, 13]), ([], [8]))
    """
    below = range(min(N_STRONGEST, n_active), n_active)
    least = list(below[-N_EXAMPLES:])
    between = below[: len(below) - len(least)]
    start = (len(between) - N_EXAMPLES + 1) // 2
    return list(between[max(0, start) : max(0, start) + N_EXAMPLES]), least


def histogram(
    images: Int64[np.ndarray, "active"], codes: Float[np.ndarray, "active"], *, n_images: int, n_bins: int = N_BINS
) -> Bins:
    """Return the histogram of a concept's codes: the code 0, then bins of equal width up to the highest code.

    images, codes: those above zero, the strongest first, as `ActiveCodes.of` gives them.

    >>> found = histogram(np.array([2, 0, 1]), np.array([1.0, 0.6, 0.4]), n_images=5, n_bins=2)
    >>> found.n_images.tolist(), found.image.tolist(), found.high.tolist()
    ([2, 1, 2], [3, 1, 0], [0.0, 0.5, 1.0])
    """
    edges = np.linspace(0.0, codes[0] if len(codes) else 0.0, n_bins + 1)
    low, high = np.concatenate([[0.0], edges[:-1]]), edges
    place = np.clip(np.searchsorted(edges, codes, side="left"), 1, n_bins)
    counts = np.bincount(place, minlength=n_bins + 1)
    counts[0] = n_images - len(codes)
    example = np.full(n_bins + 1, -1)
    if counts[0]:
        missing = np.setdiff1d(np.arange(min(n_images, len(images) + 1)), images, assume_unique=True)
        example[0] = missing[0]
    distance = np.abs(codes - (low + high)[place] / 2)
    order = np.lexsort((distance, place))
    bins, first = np.unique(place[order], return_index=True)
    example[bins] = images[order[first]]
    return Bins(low, high, counts, example)
