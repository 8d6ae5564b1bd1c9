"""Time to decode Λ: how late in training the concepts of the reference epoch become readable.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, §4.
"""

import torch
from jaxtyping import Float, Int

from featcx_core.arrays import Array, as_tensors


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


def _refuse_no_checkpoint(n_epochs: int) -> None:
    if n_epochs == 0:
        raise ValueError("wanted at least one checkpoint, got none; try a study with an epoch after 0")
