"""Time to decode Λ: how late in training the concepts of the reference epoch become readable.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, §4.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from featcx_core.arrays import Array, as_tensors
from featcx_core.measures.intervals import interval_on_grid
from featcx_core.measures.over_images import Redrawn


class TimesOverImages(NamedTuple):
    """When concepts became readable, in resamples of the images."""

    normalised: Redrawn
    """Normalised Λ of every concept in each resample; NaN where nothing could be read at the reference epoch."""
    first_low: Float[np.ndarray, "concept"]
    """Low end of the interval of the first checkpoint at half; NaN where no resample has one."""
    first_high: Float[np.ndarray, "concept"]
    """High end."""


def decode_time(v_information: Float[Array, "epoch concept"]) -> Float[Array, "concept"]:
    """Return Λ = 1 - mean over checkpoints of I_V(penultimate layer -> concept), in [0, 1]; low = available early.

    The rows are the stored checkpoints 1 … reference epoch, each with weight one. Epoch 0 is a baseline: the caller
    leaves it out. NaN for a dead concept.

    Raises:
        ValueError: There is no checkpoint.

    Source: Fel et al. 2024, §4.

    >>> import numpy as np
    >>> decode_time(np.array([[0.0, 1.0], [1.0, 1.0]]))
    array([0.5, 0. ])
    """
    (information,), restore = as_tensors(v_information)
    _refuse_no_checkpoint(len(information))
    return restore(1 - information.mean(0))


def decode_time_normalised(v_information: Float[Array, "epoch concept"]) -> Float[Array, "concept"]:
    """Return Λ of I_V relative to its value at the reference epoch, the last row: *when*, not *how well in the end*.

    `1 - mean over checkpoints of min(1, I_V / I_V at the reference epoch)`, in [0, 1 - 1/checkpoints]; low = early. A
    concept that is read as well from checkpoint 1 on as in the end has 0, however well that is. NaN for a dead concept,
    and where I_V is 0 at the reference epoch.

    Raises:
        ValueError: There is no checkpoint.

    >>> import numpy as np
    >>> decode_time_normalised(np.array([[0.1, 0.2, 0.0], [0.3, 0.2, 0.0], [0.2, 0.2, 0.0]])).round(3)
    array([0.167, 0.   ,   nan])
    """
    (information,), restore = as_tensors(v_information)
    _refuse_no_checkpoint(len(information))
    at_reference = information[-1].where(information[-1] > 0, torch.nan)
    return restore(1 - (information / at_reference).clamp(max=1).mean(0))


def first_epoch(v_information: Float[Array, "epoch concept"], epochs: Int[Array, "epoch"]) -> Int[Array, "concept"]:
    """Return the first checkpoint at which I_V reaches half of its value at the reference epoch, the last row.

    -1 for a dead concept (NaN), and where I_V is 0 at the reference epoch.

    Raises:
        ValueError: There is no checkpoint, rows and epochs differ in number, or epochs do not rise.

    >>> import numpy as np
    >>> first_epoch(np.array([[0.1, 0.0], [0.4, 0.0], [0.8, 0.0]]), np.array([1, 2, 5]))
    array([ 2, -1])
    """
    (information, epoch), restore = as_tensors(v_information, epochs)
    _refuse_no_checkpoint(len(information))
    if len(epoch) != len(information):
        raise ValueError(f"wanted one row for each epoch, got {len(information)} rows and {len(epoch)} epochs")
    if not (epoch.diff() > 0).all():
        raise ValueError(f"wanted rising epochs, got {epoch.tolist()}; try sorting the rows by epoch")
    reached = information >= information[-1] / 2
    first = epoch[reached.int().argmax(0)]  # argmax returns the first of several
    return restore(torch.where(information[-1] > 0, first, -1))


def times_over_images(
    redrawn: Iterable[Redrawn], epochs: Int[np.ndarray, "epoch"], *, at_reference: Redrawn
) -> TimesOverImages:
    """Return `decode_time_normalised` and the interval of `first_epoch` from I_V in resamples of the images.

    The ends of the interval are checkpoints: the outermost that 95 % of the resamples do not pass.

    Args:
        redrawn: I_V of each checkpoint 1 … reference, in order, each (draw, concept); taken one by one.
        epochs: the checkpoints' numbers.
        at_reference: I_V of the last one.

    >>> from featcx_core.measures.over_images import Redrawn
    >>> early, end = (
    ...     Redrawn(np.array(draws), np.array(draws[0]), groups=20) for draws in ([[0.1], [0.3]], [[0.4], [0.4]])
    ... )
    >>> times = times_over_images([early, end], np.array([1, 7]), at_reference=end)
    >>> times.normalised.draws.tolist(), times.first_low.tolist(), times.first_high.tolist()
    ([[0.375], [0.125]], [1.0], [7.0])
    """
    of_draws, of_value = (np.where(each > 0, each, np.nan) for each in (at_reference.draws, at_reference.unclipped))
    lack, value, first = np.ones(of_draws.shape), np.ones(of_value.shape), np.full(of_draws.shape, np.nan)
    for epoch, information in zip(epochs, redrawn, strict=True):
        share = information.draws / of_draws
        lack -= np.minimum(share, 1) / len(epochs)
        value -= (information.unclipped / of_value).clip(0, 1) / len(epochs)
        first = np.where(np.isnan(first) & (share >= 0.5), epoch, first)
    return TimesOverImages(Redrawn(lack, value, at_reference.groups), *interval_on_grid(first))


def _refuse_no_checkpoint(n_epochs: int) -> None:
    if n_epochs == 0:
        raise ValueError("wanted at least one checkpoint, got none; try a study with an epoch after 0")
