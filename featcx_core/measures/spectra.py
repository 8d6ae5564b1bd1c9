"""Noise spectra: how the noisy copies of one image spread in a layer, by the singular values of their activations.

graham, *From generalization to inner activations*, ICLR blog track 2022. The matrix of a group, copies x units, is not
centred: its first direction is the image itself, the others are what the noise does to it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.moments import refuse_non_finite

ALL_CLASSES = -1
"""Stands for the mean over classes, where a class stands."""
_VALUES_AT_ONCE = 1 << 22


class Spectra(NamedTuple):
    """The spectrum of each group, or of the mean of some."""

    s1: Float64[np.ndarray, "group"]
    """Largest singular value, in units of the activations."""
    s2: Float64[np.ndarray, "group"]
    """Second largest; 0 for a single copy or unit."""
    first: Float64[np.ndarray, "group"]
    """Share s1² / Σ s² of the first component, in [0, 1]; NaN where all activations are 0, like the next two."""
    second: Float64[np.ndarray, "group"]
    """Share of the second component."""
    rest: Float64[np.ndarray, "group"]
    """Share of all others: what is left to 1."""


class ClassSpectra(NamedTuple):
    """Mean spectra of the groups of each class, and over classes."""

    class_id: Int64[np.ndarray, "row"]
    """Classes that have a group, rising; then `ALL_CLASSES`, the mean of the classes' means."""
    n_groups: Int64[np.ndarray, "row"]
    """Groups behind it that have a spectrum."""
    mean: Spectra
    """Value of each row; NaN where no group of it has a spectrum."""


def group_spectra(acts: Float[Array, "group copy unit"], *, centred: bool = False) -> Spectra:
    """Return the two largest singular values of each group and the shares of Σ s² that they explain.

    `s_i² = eigenvalues of XX'` (or X'X, where units are fewer than copies), X (copy, unit). The smaller product, in
    float64, takes a fraction of the time of a decomposition of X, and squares its condition: s2 is exact to eight
    digits down to 1e-4 of s1. Σ s² is the trace.

    Args:
        acts: of the copies of each image at a layer, (group, copy, unit).
        centred: whether each group's mean is taken off first; s1 is then what is s2, or nearly, without.

    Raises:
        ValueError: no copy or no unit, or NaN or infinity.

    >>> import numpy as np
    >>> spectrum = group_spectra(np.array([[[3.0, 0.0], [0.0, 1.0]]]))
    >>> spectrum.s1.tolist(), spectrum.first.tolist(), spectrum.second.round(3).tolist()
    ([3.0], [0.9], [0.1])
    """
    (x,), _ = as_tensors(acts)
    if x.shape[1] < 1 or x.shape[2] < 1:
        raise ValueError(f"wanted at least 1 copy and 1 unit, got {x.shape[1]} and {x.shape[2]}; try 20 copies")
    refuse_non_finite(x.flatten(0, 1), what="activations of noisy copies", column="unit")
    x = x.cpu() if x.device.type == "mps" else x  # it has no float64
    at_once = max(1, _VALUES_AT_ONCE // (x.shape[1] * x.shape[2]))
    parts = [_spectra(part.double(), centred=centred) for part in torch.split(x, at_once)] or [
        _spectra(x.double(), centred=False)
    ]
    return Spectra(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class GroupSpectra:
    """`group_spectra` for more groups than memory holds: copies come in rows, cut anywhere.

    Args:
        n_copies: of each image.
        centred: as there.

    Raises:
        ValueError: no copy.

    >>> stream = GroupSpectra(n_copies=2)
    >>> stream.add(torch.tensor([[3.0, 0.0], [0.0, 1.0], [2.0, 0.0]]))
    >>> stream.add(torch.tensor([[2.0, 0.0]]))
    >>> stream.result().first.round(3).tolist()
    [0.9, 1.0]
    """

    def __init__(self, *, n_copies: int, centred: bool = False) -> None:
        if n_copies < 1:
            raise ValueError(f"wanted at least 1 copy, got {n_copies}; try 20")
        self._n_copies, self._centred = n_copies, centred
        self._pending: list[Tensor] = []
        self._parts: list[Spectra] = []

    def add(self, acts: Float[Array, "row unit"]) -> None:
        """Add rows that follow the last ones: all copies of the first image, then of the second.

        Raises:
            ValueError: NaN or infinity.
        """
        rows = torch.cat([*self._pending, as_tensors(acts)[0][0]])
        n_whole = len(rows) // self._n_copies * self._n_copies
        self._pending = [rows[n_whole:]]
        if n_whole:
            groups = rows[:n_whole].reshape(-1, self._n_copies, rows.shape[1])
            self._parts.append(group_spectra(groups, centred=self._centred))

    def result(self) -> Spectra:
        """Return the spectra of all groups.

        Raises:
            ValueError: no group, or a last one that is not whole.
        """
        n_left = sum(len(part) for part in self._pending)
        if n_left or not self._parts:
            raise ValueError(
                f"wanted whole groups of {self._n_copies} copies, got {n_left} rows beyond; try all batches"
            )
        return Spectra(*(np.concatenate(column) for column in zip(*self._parts, strict=True)))


def mean_by_class(spectra: Spectra, class_of: Int[np.ndarray, "group"]) -> ClassSpectra:
    """Return the mean spectrum of each class, and over classes, each class counting the same.

    Groups without a spectrum (all activations 0) count for nothing.

    Raises:
        ValueError: no group, or classes of other groups.

    >>> one = np.ones(3)
    >>> means = mean_by_class(Spectra(np.array([1.0, 3.0, 8.0]), one, one, one, one), np.array([0, 0, 1]))
    >>> means.class_id.tolist(), means.mean.s1.tolist()
    ([0, 1, -1], [2.0, 8.0, 5.0])
    """
    if len(class_of) == 0 or len(class_of) != len(spectra.s1):
        raise ValueError(f"wanted the class of each of {len(spectra.s1)} groups, at least one, got {len(class_of)}")
    table = np.stack(spectra)[:, ~np.isnan(spectra.first)]
    members = np.unique(class_of)[:, None] == class_of[~np.isnan(spectra.first)]  # (class, group)
    n_groups = members.sum(axis=1)
    sums = table @ members.T.astype(np.float64)
    means = np.divide(sums, n_groups, out=np.full(sums.shape, math.nan), where=n_groups > 0)
    over_classes = means[:, n_groups > 0].mean(axis=1) if n_groups.any() else np.full(len(table), math.nan)
    return ClassSpectra(
        np.append(np.unique(class_of), ALL_CLASSES),
        np.append(n_groups, n_groups.sum()),
        Spectra(*np.column_stack([means, over_classes])),
    )


def relative_change(
    values: Float[np.ndarray, "epoch *rest"], *, passes: Sequence[float]
) -> Float64[np.ndarray, "epoch *rest"]:
    """Return the relative rate of change since the checkpoint before, a pass: `(x_t - x_s) / (x_s · (t - s))`.

    t and s are the passes over the data after which the checkpoints were written. NaN at the first checkpoint, and
    where the value before is 0.

    Raises:
        ValueError: passes that do not rise, or of other checkpoints.

    >>> relative_change(np.array([2.0, 3.0, 6.0]), passes=[0.0, 0.5, 2.5]).tolist()
    [nan, 1.0, 0.5]
    """
    if len(passes) != len(values) or not (np.diff(passes) > 0).all():
        raise ValueError(
            f"wanted {len(values)} passes that rise, one a checkpoint, got {list(passes)}; try sorted(passes)"
        )
    x = values.astype(np.float64)
    change = np.full(x.shape, math.nan)
    gaps = np.diff(passes).reshape(-1, *[1] * (x.ndim - 1))
    np.divide(np.diff(x, axis=0), x[:-1] * gaps, out=change[1:], where=x[:-1] != 0)
    return change


def _spectra(x: Float64[Tensor, "group copy unit"], *, centred: bool) -> Spectra:
    if centred:
        x = x - x.mean(1, keepdim=True)
    y = x if x.shape[1] <= x.shape[2] else x.mT
    gram = _gram(y)
    values = torch.linalg.eigvalsh(gram).clamp(min=0)
    largest, second = values[:, -1], values[:, -2] if values.shape[1] > 1 else torch.zeros_like(values[:, -1])
    whole = gram.diagonal(dim1=1, dim2=2).sum(1)
    shares = torch.stack([largest, second]) / whole.masked_fill(whole == 0, math.nan)
    results = (largest.sqrt(), second.sqrt(), *shares, (1 - shares.sum(0)).clamp(min=0))
    return Spectra(*(part.cpu().numpy() for part in results))


def _gram(y: Float64[Tensor, "group row column"]) -> Float64[Tensor, "group row row"]:
    """Return YY' of each group; on the CPU by NumPy: half of torch's time for small symmetric products."""
    if y.device.type != "cpu":
        return y @ y.mT
    values = y.numpy()
    return torch.from_numpy(values @ values.swapaxes(1, 2))
