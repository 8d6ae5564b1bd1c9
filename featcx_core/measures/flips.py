"""Predictions that change when one concept's part is taken out of the last layer.

The head reads the activations linearly: without the part z_i d_i of concept i the logits of an image are y − z_i v_i,
with v_i = d_i W. This is exact for the network as it is: only what lies before the head is left as it was.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

_VALUES_AT_ONCE = 4_000_000


class Flips(NamedTuple):
    """Pairs of an image and a concept without which the image's largest logit is another."""

    images: Int64[np.ndarray, "flip"]
    """Row of the image."""
    concepts: Int64[np.ndarray, "flip"]
    """The concept."""
    codes: Float[np.ndarray, "flip"]
    """Its code on the image."""
    before: Int64[np.ndarray, "flip"]
    """Output with the largest logit."""
    after: Int64[np.ndarray, "flip"]
    """Output with the largest logit without the concept."""


def flips(
    codes: Float[np.ndarray, "image concept"],
    logits: Float[np.ndarray, "image output"],
    effects: Float[np.ndarray, "concept output"],
) -> Flips:
    """Return the predictions that change without a concept, in the order of the images, then of the concepts.

    `argmax_k (y_k − z_i v_ik) ≠ argmax_k y_k`, in float64; of equal logits the first output counts.

    Args:
        codes: z, (image, concept).
        logits: y of the network, from its own activations.
        effects: v = D W, what a code of 1 adds to each logit.

    >>> codes, logits = np.array([[2.0, 0.0], [0.5, 1.0]]), np.array([[2.0, 1.0], [2.0, 1.0]])
    >>> found = flips(codes, logits, np.array([[1.0, 0.0], [0.0, -3.0]]))   # image 1 without concept 1: 2 against 4
    >>> found.images.tolist(), found.concepts.tolist(), found.after.tolist()
    ([0, 1], [0, 1], [1, 1])
    """
    y, v = logits.astype(np.float64), effects.astype(np.float64)
    images, concepts = np.nonzero(codes)
    before, after = y.argmax(axis=1)[images], np.empty(len(images), dtype=np.int64)
    at_once = max(1, _VALUES_AT_ONCE // y.shape[1])
    for start in range(0, len(images), at_once):
        rows, active = images[start : start + at_once], concepts[start : start + at_once]
        removed = codes[rows, active].astype(np.float64)[:, None] * v[active]
        after[start : start + at_once] = (y[rows] - removed).argmax(axis=1)
    changed = before != after
    removed_codes = codes[images[changed], concepts[changed]].astype(np.float64)
    return Flips(images[changed], concepts[changed], removed_codes, before[changed], after[changed])
