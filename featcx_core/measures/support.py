"""Support curves: what is left of the predictions when concepts are removed one after the other.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, App. D.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from featcx_core.arrays import Array, as_tensors

N_RANDOM_ORDERS = 10
"""Random orders behind the control `random`, averaged."""
_IMAGES_AT_ONCE = 1024


class Support(NamedTuple):
    """The curve of one order of removal, from all concepts to none."""

    n_kept: Int64[np.ndarray, "step"]
    """Concepts that still count, round(share · concepts)."""
    accuracy: Float64[np.ndarray, "step"]
    """Share of images classified rightly from the codes that are left; NaN without labels."""
    relative_accuracy: Float64[np.ndarray, "step"]
    """The same over the accuracy of the full reconstruction; NaN where that is 0 or there are no labels."""
    predictions_kept: Float64[np.ndarray, "step"]
    """Share of images whose predicted class is the network's own."""


def removal_orders(
    complexity: Float[Array, "concept"], importance: Float[Array, "concept"], *, seed: int
) -> dict[str, Int64[np.ndarray, "order concept"]]:
    """Orders in which concepts are removed, first to last, by name: one each, and several for `random`.

    `complexity_descending`: the most complex first; `complexity_ascending`: the simplest first; `random`: seeded;
    `importance_descending`: what matters most first. A concept without a complexity (NaN: dead) is removed before all
    others, in every order alike: it is active on too few images to have a place, and taking it away costs next to
    nothing. Ties go by the concepts' numbers.

    >>> import numpy as np
    >>> orders = removal_orders(np.array([0.2, 0.9, np.nan, 0.4]), np.array([3.0, 1.0, 0.0, 2.0]), seed=0)
    >>> orders["complexity_descending"].tolist(), orders["importance_descending"].tolist()
    ([[2, 1, 3, 0]], [[2, 0, 3, 1]])
    """
    (k, gamma), _ = as_tensors(complexity, importance)
    values = {
        "complexity_descending": -k.cpu().double().numpy(),
        "complexity_ascending": k.cpu().double().numpy(),
        "importance_descending": -gamma.cpu().double().numpy(),
    }
    is_dead = np.isnan(values["complexity_ascending"])

    def ranked(keys: Float64[np.ndarray, "concept"]) -> Int64[np.ndarray, "concept"]:
        return np.argsort(np.where(is_dead, -np.inf, keys), kind="stable")

    orders = {name: ranked(keys)[None] for name, keys in values.items()}
    chance = np.random.default_rng(seed).random((N_RANDOM_ORDERS, len(is_dead)))
    return orders | {"random": np.stack([ranked(keys) for keys in chance])}


def support(
    codes: Float[Array, "image concept"],
    atoms: Float[Array, "concept unit"],
    head: Float[Array, "unit class"],
    bias: Float[Array, "class"],
    *,
    orders: Mapping[str, Int[np.ndarray, "order concept"]],
    shares: Float[np.ndarray, "step"],
    predicted: Int[Array, "image"],
    labels: Int[Array, "image"] | None = None,
) -> dict[str, Support]:
    """Accuracy of `z_S D W + b` by the share of concepts in S that are left, for every order of removal.

    Removing a concept sets its code to zero; atoms, head and bias stay. The logits of an order are added up once, from
    no concept to all: what a step keeps beyond the one before is one product, of the codes other than zero alone.
    Several orders of a name are averaged. Arithmetic in float64, on the CPU where the device has none (MPS).

    Args:
        codes: z, (image, concept).
        atoms: D, (concept, unit).
        head: W, (unit, class).
        bias: b, (class,); zeros where the head has none.
        orders: concepts by name of the order, removed from left to right.
        shares: of concepts that are left, in [0, 1].
        predicted: the network's own class of each image.
        labels: the right class of each image, where there are classes.

    Raises:
        ValueError: no image, an order that does not name every concept once, or a share outside [0, 1].

    >>> import numpy as np
    >>> z, d, w = np.array([[1.0, 0.0], [0.0, 1.0]]), np.eye(2), np.eye(2)
    >>> curve = support(z, d, w, np.array([0.0, 0.1]), orders={"second first": np.array([[1, 0]])},
    ...                 shares=np.array([1.0, 0.5, 0.0]), predicted=np.array([0, 1]))["second first"]
    >>> curve.n_kept.tolist(), curve.predictions_kept.tolist()   # without any code, the bias says 1
    ([2, 1, 0], [1.0, 1.0, 0.5])
    """
    counts = SupportCounts(atoms, head, bias, orders=orders, shares=shares)
    for start in range(0, len(codes), _IMAGES_AT_ONCE):
        rows = slice(start, start + _IMAGES_AT_ONCE)
        counts.add(codes[rows], predicted=predicted[rows], labels=None if labels is None else labels[rows])
    return counts.curves()


class SupportCounts:
    """`support` for more images than memory holds: they come in chunks. Arguments and errors as there."""

    def __init__(
        self,
        atoms: Float[Array, "concept unit"],
        head: Float[Array, "unit class"],
        bias: Float[Array, "class"],
        *,
        orders: Mapping[str, Int[np.ndarray, "order concept"]],
        shares: Float[np.ndarray, "step"],
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
        self.orders, self.n_images, self.has_labels = orders, 0, True
        self.right, self.kept = ({name: np.zeros(len(self.sizes)) for name in orders} for _ in range(2))

    def add(
        self,
        codes: Float[Array, "image concept"],
        *,
        predicted: Int[Array, "image"],
        labels: Int[Array, "image"] | None = None,
    ) -> None:
        """Images that follow the last ones."""
        z, own, *given = as_tensors(self.effects, codes, predicted, *([] if labels is None else [labels]))[0][1:]
        right = given[0] if given else None
        places = z.nonzero()
        values = z[places[:, 0], places[:, 1]].double()
        self.has_labels &= right is not None
        self.n_images += len(z)
        for name, group in self.orders.items():
            for order in group:
                for step, says in enumerate(self._predictions(places, values, order, n_images=len(z))):
                    self.kept[name][step] += int((says == own).sum()) / len(group)
                    self.right[name][step] += 0 if right is None else int((says == right).sum()) / len(group)

    def _predictions(
        self,
        places: Int[Tensor, "code 2"],
        values: Float[Tensor, "code"],
        order: Int[np.ndarray, "concept"],
        *,
        n_images: int,
    ) -> Iterator[Int[Tensor, "image"]]:
        """Predicted classes from the fewest concepts to all of them: the last that are removed count first.

        places: image and concept of each code other than zero, image after image.
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

    def curves(self) -> dict[str, Support]:
        """The curve of each order."""
        if self.n_images == 0:
            raise ValueError("wanted at least one image, got none; try a larger probe split")
        step, found = np.searchsorted(self.sizes, self.n_kept), {}
        for name in self.orders:
            accuracy = self.right[name] / self.n_images if self.has_labels else np.full(len(self.sizes), np.nan)
            relative = accuracy / accuracy[-1] if accuracy[-1] > 0 else np.full_like(accuracy, np.nan)
            kept = self.kept[name] / self.n_images
            found[name] = Support(self.n_kept, accuracy[step], relative[step], kept[step])
        return found
