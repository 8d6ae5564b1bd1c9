"""Ablation curves: accuracy by the share of units or directions of a layer that are ablated.

Morcos, Barrett, Rabinowitz, Botvinick, *On the importance of single directions for generalization*, ICLR 2018: networks
that memorise lose more of their accuracy, at a smaller share, than networks that generalise.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.images.answers import is_right
from featcx_core.measures.intervals import jackknife_interval

N_RANDOM_ORDERS = 10
"""Random orders behind the curve `random`."""


class AblationCurve(NamedTuple):
    """The curve of one kind of order, averaged over its orders."""

    accuracy: Float64[np.ndarray, "step"]
    """Share of images classified rightly."""
    low: Float64[np.ndarray, "step"]
    """Lower end of the 95 % interval over images, of the accuracy."""
    high: Float64[np.ndarray, "step"]
    """Upper end."""
    relative_accuracy: Float64[np.ndarray, "step"]
    """Accuracy over that of the network as it is; may exceed 1; NaN where that is 0."""
    relative_low: Float64[np.ndarray, "step"]
    """Lower end of its interval."""
    relative_high: Float64[np.ndarray, "step"]
    """Upper end."""
    orders_low: Float64[np.ndarray, "step"]
    """Least accuracy that any of the orders leaves."""
    orders_high: Float64[np.ndarray, "step"]
    """Most; both are the curve itself where there is a single order."""
    area: float
    """Area under the relative accuracy over the range of shares; 1 = nothing is lost, less = more depends on what is
    ablated; NaN where the accuracy is 0 to begin with, or for a single share."""
    area_low: float
    """Lower end of its interval."""
    area_high: float
    """Upper end."""
    area_left_out: Float64[np.ndarray, "group"]
    """Area without each group of images: differences of curves on the same images have their own interval from it."""


def ablation_orders(
    values: Mapping[str, Float[Array, "unit"]], *, n_units: int, n_random: int = N_RANDOM_ORDERS, seed: int
) -> dict[str, Int64[np.ndarray, "order unit"]]:
    """Return orders of ablation by name: `random`, seeded, and one by each property, the largest value first.

    A unit without a value (NaN: never active) goes first in the orders by property: ablating it changes nothing. Ties
    go by the units' numbers.

    Raises:
        ValueError: a property of another number of units.

    >>> ablation_orders({"selectivity": np.array([0.1, 0.9, np.nan])}, n_units=3, seed=0)["selectivity"].tolist()
    [[2, 1, 0]]
    """
    chance = np.random.default_rng(seed)
    orders = {"random": np.stack([chance.permutation(n_units) for _ in range(n_random)])} if n_random else {}
    for name, value in values.items():
        keys = as_tensors(value)[0][0].cpu().double().numpy()
        if len(keys) != n_units:
            raise ValueError(f"wanted {name} of {n_units} units, got {len(keys)}; try the same layer")
        orders[name] = np.argsort(np.where(np.isnan(keys), -np.inf, -keys), kind="stable")[None]
    return orders


class AblationCounts:
    """Images that are still classified rightly, ablation by ablation; they come in batches.

    Image i is in group i modulo groups. Memory is O(ablations·groups), whatever the number of images.

    Args:
        n_edits: ablations; the first is none.
        groups: of images, for the intervals.

    Raises:
        ValueError: fewer than two groups, or no ablation.

    >>> counts = AblationCounts(2, groups=2)
    >>> counts.add(np.array([[0, 1, 1, 0], [0, 0, 0, 0]]), np.array([0, 1, 1, 0]))
    >>> counts.curves({"all": np.array([[0, 1]])}, np.array([0.0, 1.0]))["all"].accuracy.tolist()
    [1.0, 0.5]
    """

    def __init__(self, n_edits: int, *, groups: int = 20) -> None:
        if groups < 2 or n_edits < 1:
            raise ValueError(f"wanted at least 2 groups and 1 ablation, got {groups} and {n_edits}; try groups=20")
        self.n_images = np.zeros(groups, dtype=np.int64)
        self.right: Int64[np.ndarray, "edit group"] = np.zeros((n_edits, groups), dtype=np.int64)

    def add(self, predicted: Int[Array, "edit image"], labels: Int[Array, "image *output"]) -> None:
        """Add images that follow the last ones: the output predicted at each ablation, and the right one.

        Where several outputs are right, `labels` has a row of them for each image, filled up with -1.

        Raises:
            ValueError: predictions of other images or ablations than wanted.
        """
        (says, right), _ = as_tensors(predicted, labels)
        if says.shape != (len(self.right), len(right)):
            raise ValueError(
                f"wanted predictions of {len(self.right)} ablations and {len(right)} images, got {tuple(says.shape)}"
            )
        groups = len(self.n_images)
        group_of = (int(self.n_images.sum()) + np.arange(len(right))) % groups
        member = torch.from_numpy(group_of[:, None] == np.arange(groups)).to(says.device)
        self.n_images += member.sum(0).cpu().numpy()
        self.right += _counted(is_right(says, right), member)

    def curves(
        self, places: Mapping[str, Int[np.ndarray, "order step"]], shares: Float[np.ndarray, "step"]
    ) -> dict[str, AblationCurve]:
        """Return the curve of each kind of order: the step's ablation stands at `places`, the share in `shares`.

        Intervals are `value ± t(groups - 1) · SE`, SE by the delete-a-group jackknife over images, cut to what is
        possible. Area: trapezoids, over the range of the shares.

        Raises:
            ValueError: fewer images than groups, or shares that do not rise.
        """
        if not self.n_images.all():
            n_images, groups = int(self.n_images.sum()), len(self.n_images)
            raise ValueError(f"wanted at least {groups} images, one a group, got {n_images}; try more images")
        if not (np.diff(shares) > 0).all():
            raise ValueError(f"wanted shares that rise, got {shares.tolist()}; try np.linspace(0, 1, 11)")
        return {name: self._curve(group, shares) for name, group in places.items()}

    def _curve(self, places: Int[np.ndarray, "order step"], shares: Float[np.ndarray, "step"]) -> AblationCurve:
        n, n_left = self.n_images.sum(), self.n_images.sum() - self.n_images
        each = self.right.sum(axis=1)[places] / n  # (order, step)
        by_group = self.right[places].mean(axis=0)  # (step, group), over the orders
        accuracy, left_out = each.mean(axis=0), (by_group.sum(axis=1, keepdims=True) - by_group) / n_left
        whole = np.array(self.right[0].sum() / n)
        whole_left_out = (self.right[0].sum() - self.right[0]) / n_left
        relative, relative_left_out = _over(accuracy, whole), _over(left_out, whole_left_out)
        area, *area_left_out = _area(np.column_stack([relative, relative_left_out]), shares)
        low, high = jackknife_interval(accuracy, left_out, within=(0.0, 1.0))
        relative_low, relative_high = jackknife_interval(relative, relative_left_out, within=(0.0, np.inf))
        area_low, area_high = jackknife_interval(np.array([area]), np.array([area_left_out]), within=(0.0, np.inf))
        return AblationCurve(
            accuracy=accuracy,
            low=low,
            high=high,
            relative_accuracy=relative,
            relative_low=relative_low,
            relative_high=relative_high,
            orders_low=each.min(axis=0),
            orders_high=each.max(axis=0),
            area=float(area),
            area_low=float(area_low[0]),
            area_high=float(area_high[0]),
            area_left_out=np.array(area_left_out),
        )


def _counted(is_right: Tensor, member: Tensor) -> Int64[np.ndarray, "edit group"]:
    """Counts of up to 2²⁴ images are exact in float32, and a product is the fastest way to them."""
    counts: np.ndarray = (is_right.float() @ member.float()).round().long().cpu().numpy()
    return counts


def _over(accuracy: Float64[np.ndarray, "step *group"], whole: Float64[np.ndarray, "*group"]) -> np.ndarray:
    """NaN over 0."""
    denominator = np.broadcast_to(whole, accuracy.shape)
    undefined = np.full(accuracy.shape, np.nan)
    relative: np.ndarray = np.divide(accuracy, denominator, out=undefined, where=denominator > 0)
    return relative


def _area(curves: Float64[np.ndarray, "step curve"], shares: Float[np.ndarray, "step"]) -> Float64[np.ndarray, "curve"]:
    """Trapezoids, over the range of the shares; NaN for a single one."""
    if len(shares) < 2:
        return np.full(curves.shape[1], np.nan)
    area: np.ndarray = np.trapezoid(curves, shares, axis=0) / (shares[-1] - shares[0])
    return area
