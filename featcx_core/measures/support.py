"""Support curves: predictions that remain when concepts are removed one after the other.

Intervals are over images, by the jackknife over groups of images (`over_images`). Fel et al., *Understanding Visual
Feature Reliance through the Lens of Complexity*, NeurIPS 2024, App. D.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.images.answers import is_right
from featcx_core.measures.intervals import jackknife_interval

_IMAGES_AT_ONCE = 1024


class SupportCurve(NamedTuple):
    """Curve of one order of removal, from all concepts to none."""

    n_kept: Int64[np.ndarray, "step"]
    """Concepts that are kept, round(share · concepts)."""
    accuracy: Float64[np.ndarray, "step"]
    """Share of images classified correctly from the kept codes; NaN without labels."""
    relative_accuracy: Float64[np.ndarray, "step"]
    """Accuracy over that of the full reconstruction; NaN where the latter is 0 or there are no labels."""
    predictions_kept: Float64[np.ndarray, "step"]
    """Share of images whose predicted class is the network's own."""
    low: Float64[np.ndarray, "step"]
    """2.5 % point over images of the relative accuracy; without labels, of the predictions kept."""
    high: Float64[np.ndarray, "step"]
    """97.5 % point."""
    beyond_random: Float64[np.ndarray, "step"]
    """The same quantity minus its mean over random orders; negative = costs more than chance; NaN without these."""
    beyond_random_low: Float64[np.ndarray, "step"]
    """2.5 % point over images, drawn for both alike."""
    beyond_random_high: Float64[np.ndarray, "step"]
    """97.5 % point."""
    orders_low: Float64[np.ndarray, "step"]
    """Smallest value of any order of this name, of the quantity that `low` bounds."""
    orders_high: Float64[np.ndarray, "step"]
    """Largest value of any order of this name; where there is one order, both are the curve itself."""


_Left: TypeAlias = tuple[Float64[np.ndarray, "... step"], Float64[np.ndarray, "... step group"]]
"""The same quantity at each step, over all images and over those outside each group."""


def support(
    codes: Float[Array, "image concept"],
    atoms: Float[Array, "concept unit"],
    head: Float[Array, "unit class"],
    bias: Float[Array, "class"],
    *,
    orders: Mapping[str, Int[np.ndarray, "order concept"]],
    shares: Float[np.ndarray, "step"],
    predicted: Int[Array, "image"],
    labels: Int[Array, "image *output"] | None = None,
    groups: int = 20,
) -> dict[str, SupportCurve]:
    """Return the accuracy of `z_S D W + b` by the share of concepts in S, the kept ones, for every order of removal.

    Removing a concept sets its code to zero; atoms, head and bias stay. The logits of an order are added up once, from
    no concept to all: each step adds one product, over the codes other than zero alone. Several orders of a name are
    averaged, and their range is kept. Arithmetic in float64, on the CPU where the device has none (MPS).

    Args:
        codes: z, (image, concept).
        atoms: D, (concept, unit).
        head: W, (unit, class).
        bias: b, (class,); zeros where the head has none.
        orders: Concepts by name of the order, removed from left to right.
        shares: Shares of concepts that are kept, in [0, 1].
        predicted: Class that the network predicts for each image.
        labels: Right output of each image, where there are classes, or a row of several, filled up with -1.
        groups: Number of groups of images, for the intervals: image i is in group i modulo groups.

    Raises:
        ValueError: There are fewer images than groups, an order does not name every concept once, or a share lies
            outside [0, 1].

    Source: Fel et al. 2024, App. D.

    >>> import numpy as np
    >>> z, d, w = np.array([[1.0, 0.0], [0.0, 1.0]]), np.eye(2), np.eye(2)
    >>> curve = support(z, d, w, np.array([0.0, 0.1]), orders={"second first": np.array([[1, 0]])},
    ...                 shares=np.array([1.0, 0.5, 0.0]), predicted=np.array([0, 1]), groups=2)["second first"]
    >>> curve.n_kept.tolist(), curve.predictions_kept.tolist()   # without any code, the bias says 1
    ([2, 1, 0], [1.0, 1.0, 0.5])
    """
    counts = SupportCounts(atoms, head, bias, orders=orders, shares=shares, groups=groups)
    for start in range(0, len(codes), _IMAGES_AT_ONCE):
        rows = slice(start, start + _IMAGES_AT_ONCE)
        counts.add(codes[rows], predicted=predicted[rows], labels=None if labels is None else labels[rows])
    return counts.curves()


class SupportCounts:
    """Accumulator of `support` for more images than memory holds, chunk by chunk; arguments and errors as there."""

    def __init__(
        self,
        atoms: Float[Array, "concept unit"],
        head: Float[Array, "unit class"],
        bias: Float[Array, "class"],
        *,
        orders: Mapping[str, Int[np.ndarray, "order concept"]],
        shares: Float[np.ndarray, "step"],
        groups: int = 20,
    ) -> None:
        (d, w, b), _ = as_tensors(atoms, head, bias)
        d, w, b = (part.to("cpu" if part.device.type == "mps" else part.device).double() for part in (d, w, b))
        self.effects, self.bias = d @ w, b  # (concept, class): what a concept adds to each logit
        n_concepts = len(d)
        for name, group in orders.items():
            if not (np.sort(group, axis=1) == np.arange(n_concepts)).all():
                raise ValueError(f"wanted order {name} to name each of {n_concepts} concepts once; try argsort")
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(
                f"wanted shares from 0 to 1, got {shares.min()} to {shares.max()}; try np.linspace(1, 0, 21)"
            )
        self.n_kept = np.round(shares * n_concepts).astype(np.int64)
        self.sizes = np.unique([*self.n_kept, n_concepts])  # the full reconstruction is what accuracy is relative to
        self.orders, self.n_images, self.has_labels = orders, np.zeros(groups), True
        self.right, self.kept = (
            {name: np.zeros((len(group), len(self.sizes), groups)) for name, group in orders.items()} for _ in range(2)
        )

    def add(
        self,
        codes: Float[Array, "image concept"],
        *,
        predicted: Int[Array, "image"],
        labels: Int[Array, "image *output"] | None = None,
    ) -> None:
        """Images that follow the last ones."""
        z, predicted_class, *given = as_tensors(self.effects, codes, predicted, *([] if labels is None else [labels]))[
            0
        ][1:]
        right = given[0] if given else None
        places = z.nonzero()
        values = z[places[:, 0], places[:, 1]].double()
        self.has_labels &= right is not None
        groups = len(self.n_images)
        group_of = (int(self.n_images.sum()) + torch.arange(len(z), device=z.device)) % groups
        self.n_images += _counted(group_of, groups)
        for name, group in self.orders.items():
            for number, order in enumerate(group):
                for step, says in enumerate(self._predictions(places, values, order, n_images=len(z))):
                    self.kept[name][number, step] += _counted(group_of[says == predicted_class], groups)
                    if right is not None:
                        self.right[name][number, step] += _counted(group_of[is_right(says, right)], groups)

    def _predictions(
        self,
        places: Int[Tensor, "code 2"],
        values: Float[Tensor, "code"],
        order: Int[np.ndarray, "concept"],
        *,
        n_images: int,
    ) -> Iterator[Int[Tensor, "image"]]:
        """Yield predicted classes from the fewest concepts to all of them: the concepts removed last count first.

        `places` are image and concept of each code other than zero, image after image.
        """
        step_of = np.empty(len(order), dtype=np.int64)  # the first step that keeps a concept
        step_of[order[::-1]] = np.searchsorted(self.sizes, np.arange(len(order)), side="right")
        steps = torch.from_numpy(step_of).to(places.device)[places[:, 1]]
        logits, shape = self.bias.repeat(n_images, 1), (n_images, len(order))
        for step in range(len(self.sizes)):
            here = steps == step
            where = places[here].T.contiguous()  # torch's way to compressed rows misreads others
            added = torch.sparse_coo_tensor(where, values[here], shape, is_coalesced=True, check_invariants=False)
            logits = torch.sparse.addmm(logits, added, self.effects)
            yield logits.argmax(1)

    def curves(self) -> dict[str, SupportCurve]:
        """Return the curve of each order."""
        if not self.n_images.all():
            n_images, groups = int(self.n_images.sum()), len(self.n_images)
            raise ValueError(f"wanted at least {groups} images, one a group, got {n_images}; try a larger probe split")
        step = np.searchsorted(self.sizes, self.n_kept)
        counts = self.right if self.has_labels else self.kept
        left = {name: self._left(counts[name].mean(0)) for name in self.orders}
        results = {}
        for name, (value, left_out) in left.items():
            accuracy, kept = (part[name].mean(0).sum(1) / self.n_images.sum() for part in (self.right, self.kept))
            relative = value
            if not self.has_labels:
                accuracy, relative = (np.full_like(value, np.nan) for _ in range(2))
            by_chance = left.get("random", (np.full_like(value, np.nan), np.full_like(left_out, np.nan)))
            beyond = (value - by_chance[0], left_out - by_chance[1])
            ends = jackknife_interval(value, left_out, within=(0.0, np.inf)), jackknife_interval(*beyond)
            each_order, _ = self._left(counts[name])
            spread = each_order.min(0), each_order.max(0)
            curves = (accuracy, relative, kept, *ends[0], beyond[0], *ends[1], *spread)
            results[name] = SupportCurve(self.n_kept, *(curve[step] for curve in curves))
        return results

    def _left(self, counts: Float64[np.ndarray, "... step group"]) -> _Left:
        """Return the relative accuracy, or without classes the predictions kept, from counts of images."""
        whole, without = counts.sum(-1), counts.sum(-1, keepdims=True) - counts
        if not self.has_labels:
            return whole / self.n_images.sum(), without / (self.n_images.sum() - self.n_images)
        return _over(whole, whole[..., -1:]), _over(without, without[..., -1:, :])


def _over(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Divide; NaN where the divisor is 0."""
    shares: np.ndarray = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    return shares


def _counted(group_of: Int[Tensor, "image"], groups: int) -> Int64[np.ndarray, "group"]:
    counts: np.ndarray = group_of.bincount(minlength=groups).cpu().numpy()
    return counts
