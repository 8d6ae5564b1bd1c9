"""Division of images into parts: seeded, stratified, disjoint."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int, Int64

from featcx_core.study.fields import StudyError

HELD_OUT = ("fit", "score", "test")
"""Parts that the network is not trained on."""


def divided(
    labels: Int[np.ndarray, "image"], *, n_train: int | None, sizes: Mapping[str, int | float], seed: int
) -> dict[str, Int64[np.ndarray, "_"]]:
    """Return the indices of `train`, `fit`, `score` and `test`.

    If the first `n_train` images of the source are its training images, `train` is drawn from them and the other parts
    from the rest; a share is then a share of these. Raises as `stratified_split`.
    """
    if n_train is None:
        return stratified_split(labels, sizes=sizes, seed=seed)
    held_out = {part: sizes[part] for part in HELD_OUT}
    train = stratified_split(labels[:n_train], sizes={"train": sizes["train"]}, seed=seed)
    rest = stratified_split(labels[n_train:], sizes=held_out, seed=seed)
    return train | {part: rows + n_train for part, rows in rest.items()}


def stratified_split(
    labels: Int[np.ndarray, "image"], *, sizes: Mapping[str, int | float], seed: int
) -> dict[str, Int64[np.ndarray, "_"]]:
    """Divide images into disjoint parts that hold every class in its share, each part in a seeded order.

    The images of a class are spread evenly over [0, 1) in a seeded order; consecutive stretches are the parts.
    `sizes` are counts (integers) or shares (floats).

    >>> parts = stratified_split(np.array([0, 1] * 5), sizes={"a": 6, "b": 0.4}, seed=0)
    >>> {part: len(rows) for part, rows in parts.items()}
    {'a': 6, 'b': 4}

    Raises StudyError if the parts add up to more than all images, or one of them is empty.
    """
    counts = [size * len(labels) if isinstance(size, float) else size for size in sizes.values()]
    ends = np.round(np.cumsum(counts)).astype(int)
    asked = " + ".join(f"{part} {size}" for part, size in sizes.items())
    if ends[-1] > len(labels):
        raise StudyError(f"data.split: wanted {ends[-1]} images ({asked}), got {len(labels)}; lower the sizes")
    starts = np.concatenate([[0], ends[:-1]])
    if (ends == starts).any():
        raise StudyError(f"data.split: wanted at least one image in each part, got {asked} of {len(labels)} images")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    ranked = order[np.argsort(place[order], kind="stable")]
    return {part: rng.permutation(ranked[a:b]) for part, a, b in zip(sizes, starts, ends, strict=True)}
