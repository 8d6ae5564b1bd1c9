"""Importance of single units: how much the loss rises, and the accuracy falls, when a unit alone is ablated."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int
from torch import Tensor

from featcx_core.arrays import Array
from featcx_core.features.losses import losses_of


class UnitImportance(NamedTuple):
    """Loss and accuracy of the network without each unit."""

    loss_rise: Float64[np.ndarray, "unit"]
    """Mean loss with the unit ablated less that of the whole network, in nats; below 0 = better without it."""
    accuracy_lost: Float64[np.ndarray, "unit"]
    """Accuracy of the whole network less that with the unit ablated."""
    left_out: Float64[np.ndarray, "unit group"]
    """Rise of the loss without each group of images."""


class UnitLosses:
    """Sums of the loss and of right answers, ablation by ablation; images come in batches.

    Image i is in group i modulo groups. Memory is O(ablations · groups).

    Args:
        n_edits: ablations; the first is none, the others of one unit each.
        groups: of images.

    Raises:
        ValueError: fewer than two groups, or no ablation but none.

    >>> import torch
    >>> losses = UnitLosses(2, groups=2)
    >>> losses.add(torch.tensor([[[0.0, 50.0], [0.0, 50.0]], [[0.0, 0.0], [0.0, 0.0]]]), np.array([1, 1]))
    >>> losses.result().loss_rise.round(4), losses.result().accuracy_lost   # log 2; a tie goes to the first class
    (array([0.6931]), array([1.]))
    """

    def __init__(self, n_edits: int, *, groups: int = 20) -> None:
        if groups < 2 or n_edits < 2:
            raise ValueError(f"wanted at least 2 groups and 2 ablations, got {groups} and {n_edits}; try groups=20")
        self._n_images = np.zeros(groups, dtype=np.int64)
        self._losses = np.zeros((n_edits, groups))
        self._right = np.zeros(n_edits, dtype=np.int64)

    def add(self, logits: Float[Tensor, "edit image class"], targets: Int[Array, "image *output"]) -> None:
        """Add images that follow the last ones; `targets` as in `image_losses`.

        Raises:
            ValueError: logits of other ablations than wanted, or as `losses_of`.
        """
        if len(logits) != len(self._losses):
            raise ValueError(f"wanted logits of {len(self._losses)} ablations, got {len(logits)}; try the same edits")
        groups = len(self._n_images)
        group_of = (int(self._n_images.sum()) + np.arange(len(targets))) % groups
        member = (group_of[:, None] == np.arange(groups)).astype(np.float64)
        each = [losses_of(part, targets) for part in logits]
        self._losses += np.stack([part.loss for part in each]) @ member
        self._right += np.array([part.is_correct.sum() for part in each])
        self._n_images += member.sum(axis=0).astype(np.int64)

    def result(self) -> UnitImportance:
        """Return what came of all images.

        Raises:
            ValueError: fewer images than groups.
        """
        if not self._n_images.all():
            n_images, groups = int(self._n_images.sum()), len(self._n_images)
            raise ValueError(f"wanted at least {groups} images, one a group, got {n_images}; try more images")
        n, total = self._n_images.sum(), self._losses.sum(axis=1)
        mean, left_out = total / n, (total[:, None] - self._losses) / (n - self._n_images)
        right = self._right / n
        return UnitImportance(mean[1:] - mean[0], right[0] - right[1:], left_out[1:] - left_out[0])
