"""Sums by class: class means and the variance that labels explain follow from them, chunk by chunk.

One pass over values (image, column), activations or codes, serves all columns; memory is O(groups·classes·columns),
whatever the number of images.
"""

from typing import Any

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor
from torch.nn.functional import embedding_bag

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.moments import refuse_non_finite


class ClassSums:
    """Counts n, sums Σx and sums of squares Σx² of the images of each class and group, counted from an offset.

    The offset is the mean of the first chunk, so that large means cancel before anything is squared; a constant column
    becomes exact zeros. Sums are in float64 (on MPS, which has none, on the CPU). The result does not depend on how the
    images were cut into chunks, but for rounding.

    Args:
        n_classes: labels go from 0 to n_classes - 1.
        groups: image i is in group i modulo groups; 1: no jackknife is wanted.

    Raises:
        ValueError: fewer than two classes, or no group.

    >>> sums = ClassSums(n_classes=2)
    >>> sums.add(torch.tensor([[1.0], [3.0], [8.0]]), torch.tensor([0, 0, 1]))
    >>> sums.means().tolist()
    [[2.0], [8.0]]
    """

    counts: Int64[Tensor, "group class"]
    """Images."""
    offset: Float[Tensor, "column"]
    """Subtracted from the values before they are summed."""
    sums: Float[Tensor, "group class column"]
    """Σx, counted from the offset."""
    squares: Float[Tensor, "group column"]
    """Σx² over all classes, counted from the offset."""
    is_numpy: bool
    """Whether the values were NumPy arrays, and so results are."""

    def __init__(self, *, n_classes: int, groups: int = 1) -> None:
        if n_classes < 2 or groups < 1:
            raise ValueError(
                f"wanted at least 2 classes and 1 group, got {n_classes} and {groups}; try groups=1 and all classes"
            )
        self.n_classes, self.groups, self.n = n_classes, groups, 0

    def add(
        self, values: Float[Array, "image column"], labels: Int[Array, "image"], *, first_image: int | None = None
    ) -> None:
        """Add images that follow the last ones; `first_image`, which else goes on counting, decides their groups.

        Raises:
            ValueError: values and labels count different images, a label without a class, or NaN or infinity.
        """
        (x, label), _ = as_tensors(values, labels)
        self._refuse(x, label)
        if len(x) == 0:
            return
        x, label = (part.cpu() if part.device.type == "mps" else part for part in (x, label))
        x = x.double()
        if self.n == 0:
            self._begin(x, is_numpy=not isinstance(values, Tensor))
        x = x - self.offset
        first = self.n if first_image is None else first_image
        group = (first + torch.arange(len(x), device=x.device)) % self.groups
        key, n_keys = group * self.n_classes + label, self.groups * self.n_classes
        self.counts += key.bincount(minlength=n_keys).reshape(self.counts.shape)
        self.sums += _summed(x, key, n_keys=n_keys).reshape(self.sums.shape)
        self.squares += _summed(x.square(), group, n_keys=self.groups)
        self.n += len(x)

    def without_each_group(self) -> tuple[Float[Array, "column group"], Float[Array, "column group"]]:
        """Mean and population variance of each column over the images outside each group.

        Raises:
            ValueError: no image was added.
        """
        self.refuse_empty()
        by_group, n = self.sums.sum(1), self.counts.sum(1)[:, None]
        left = n.sum(0) - n
        mean, square = ((part.sum(0) - part) / left for part in (by_group, self.squares))
        variance = (square - mean.square()).clamp(min=0)
        return self.restored((mean + self.offset).T), self.restored(variance.T)

    def means(self) -> Float[Tensor, "class column"]:
        """Mean of each class; NaN for a class without an image.

        Raises:
            ValueError: no image was added.
        """
        self.refuse_empty()
        return self.sums.sum(0) / self.counts.sum(0)[:, None] + self.offset

    def refuse_empty(self) -> None:
        """Raise a ValueError unless an image was added."""
        if self.n == 0:
            raise ValueError("wanted at least one image, got none; try another selection")

    def restored(self, result: Tensor) -> Any:
        """Return a result in the kind that the values came in."""
        return result.cpu().numpy() if self.is_numpy else result

    def _begin(self, x: Float[Tensor, "image column"], *, is_numpy: bool) -> None:
        shape = (self.groups, self.n_classes, x.shape[1])
        self.is_numpy = is_numpy
        self.offset = x[0] + (x - x[0]).mean(0)  # by way of the first row: a constant column becomes exact zeros
        self.counts = torch.zeros(shape[:2], dtype=torch.int64, device=x.device)
        self.sums = torch.zeros(shape, dtype=torch.float64, device=x.device)
        self.squares = torch.zeros((self.groups, shape[2]), dtype=torch.float64, device=x.device)

    def _refuse(self, x: Tensor, labels: Tensor) -> None:
        if len(x) != len(labels):
            raise ValueError(f"wanted a label for each of {len(x)} images, got {len(labels)}; try the same selection")
        if len(labels) and (labels.min() < 0 or labels.max() >= self.n_classes):
            raise ValueError(
                f"wanted labels from 0 to {self.n_classes - 1}, got {int(labels.min())} to {int(labels.max())}; "
                "try n_classes = largest label + 1"
            )
        refuse_non_finite(x, what="values", column="column", first_image=self.n)


def _summed(
    values: Float[Tensor, "image column"], key: Int[Tensor, "image"], *, n_keys: int
) -> Float[Tensor, "key column"]:
    """Sum the rows of each key in the order of the images: scattered additions have none on a GPU."""
    order = key.argsort(stable=True)
    starts = torch.searchsorted(key[order], torch.arange(n_keys, device=key.device))
    return embedding_bag(order, values, starts, mode="sum")
