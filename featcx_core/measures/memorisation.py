"""Memorised images: what an image's loss and correctness over the checkpoints say of how it was learned.

Cumulative loss: Ravikumar, Soufleri, Roy, *Towards memorization estimation: fast, formal and free*, ICML 2025.
Forgetting events: Toneva et al., *An empirical study of example forgetting during deep neural network learning*, ICLR
2019. Mislabelled images are learned late, forgotten often and keep a large loss.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from featcx_core.arrays import Array, as_tensors
from featcx_core.measures.roc import RocAuc, roc_auc

DETECTORS = ("cumulative_loss", "n_forgotten", "epoch_learned", "final_loss", "margin")
"""The scores of an image that `detection` compares."""


class Memorisation(NamedTuple):
    """Course of learning of each image."""

    cumulative_loss: Float64[np.ndarray, "image"]
    """Σ of the loss over the checkpoints, in nats; larger = rather memorised."""
    n_forgotten: Int64[np.ndarray, "image"]
    """Forgetting events: right at a checkpoint and wrong at the next. 0 for an image that was never right, too."""
    is_ever_right: Bool[np.ndarray, "image"]
    """Whether it was right at any checkpoint."""
    epoch_learned: Float64[np.ndarray, "image"]
    """The first checkpoint's epoch from which on it stays right; NaN where it is wrong at the last one."""
    final_loss: Float64[np.ndarray, "image"]
    """Loss at the last checkpoint, in nats."""
    margin: Float64[np.ndarray, "image"]
    """Margin at the last checkpoint, in logits; smaller = rather memorised."""


def memorisation(
    loss: Float[Array, "epoch image"],
    is_correct: Bool[Array, "epoch image"],
    margin: Float[Array, "image"],
    *,
    epochs: Sequence[int],
) -> Memorisation:
    """Return how each image was learned, from its losses over the checkpoints. Sums in float64.

    Args:
        loss: cross-entropy at each checkpoint, in nats. The untrained network's (epoch 0) says nothing: leave it out.
        is_correct: whether the image was classified rightly at each.
        margin: at the last checkpoint, logit of the right class less the largest of the others.
        epochs: of the checkpoints, rising.

    Raises:
        ValueError: no checkpoint, epochs that do not rise, or losses, correctness and margins of other checkpoints or
            images.

    >>> right = np.array([[True, False], [False, False], [True, True]])
    >>> image = memorisation(np.ones((3, 2)), right, np.array([2.0, 1.0]), epochs=[1, 2, 3])
    >>> image.n_forgotten.tolist(), image.epoch_learned.tolist()
    ([1, 0], [3.0, 3.0])
    """
    tensors, _ = as_tensors(loss, is_correct, margin)
    losses, right, last = (tensor.cpu().numpy() for tensor in tensors)
    losses, last = losses.astype(np.float64), last.astype(np.float64)
    if losses.shape != right.shape or losses.shape != (len(epochs), len(last)):
        raise ValueError(
            f"wanted losses and correctness of {len(epochs)} checkpoints and {len(last)} images, got {losses.shape} "
            f"and {right.shape}; try the same images at every checkpoint"
        )
    if len(epochs) == 0 or not (np.diff(epochs) > 0).all():
        raise ValueError(f"wanted epochs that rise, at least one, got {list(epochs)}; try sorted(epochs)")
    n_forgotten = (right[:-1] & ~right[1:]).sum(axis=0)
    is_ever_right = np.asarray(right.any(axis=0))
    stays = np.logical_and.accumulate(right[::-1], axis=0)[::-1]  # right here and at all later ones
    learned = np.where(stays[-1], np.asarray(epochs, dtype=np.float64)[stays.argmax(axis=0)], np.nan)
    return Memorisation(losses.sum(axis=0), n_forgotten, is_ever_right, learned, losses[-1], last)


def detection(learned: Memorisation, is_noisy: Bool[Array, "image"]) -> dict[str, RocAuc]:
    """Return how well each score tells images with planted wrong labels from the others, by the score's name.

    Area under the receiver operating characteristic, 0.5 by chance. Larger counts as mislabelled, but for the margin,
    where smaller does. An image that was never learned counts as learned after all others, and one that was never right
    as forgotten more often than all others [Toneva et al. 2019].

    Args:
        learned: of each image.
        is_noisy: whether its label is another than its true one.

    Raises:
        ValueError: no noisy image, none but noisy ones, or a score that is NaN.

    >>> image = Memorisation(np.array([1.0, 9.0]), np.array([0, 1]), np.array([True, True]), np.array([1.0, np.nan]),
    ...                      np.array([0.0, 2.0]), np.array([3.0, -1.0]))
    >>> [score.value for score in detection(image, np.array([False, True])).values()]
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    scores = {
        "cumulative_loss": learned.cumulative_loss,
        "n_forgotten": np.where(learned.is_ever_right, learned.n_forgotten, np.inf),
        "epoch_learned": np.where(np.isnan(learned.epoch_learned), np.inf, learned.epoch_learned),
        "final_loss": learned.final_loss,
        "margin": -learned.margin,
    }
    return {name: roc_auc(scores[name], is_noisy) for name in DETECTORS}
