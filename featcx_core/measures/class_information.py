"""Class information of a concept: how much of its code's variance over images the label explains.

The effect size ε² of a one-way analysis of variance [Kelley, *An unbiased correlation ratio measure*, PNAS 1935]. The
plain share η² = SS_between / SS_total is too high by chance: about (classes - 1) / (images - 1) on independent data.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from featcx_core.arrays import Array
from featcx_core.features.class_sums import ClassSums


def class_information(sums: ClassSums) -> Float[Array, "concept"]:
    """Return the share of each code's variance that the label explains, corrected for chance; at most 1.

    `ε² = 1 - (SS_within / (n - C)) / (SS_total / (n - 1))`, n images, C the classes that have any. 1: the code is the
    same for all images of a class. 0 on average where code and label are independent, so small negative values occur;
    they are kept. NaN for a code that never varies. Arithmetic in float64.

    Raises:
        ValueError: fewer than two classes with images, or no more images than classes.

    >>> sums = ClassSums(n_classes=2)
    >>> sums.add(torch.tensor([[0.0], [2.0], [4.0], [6.0]]), torch.tensor([0, 0, 1, 1]))
    >>> class_information(sums).item()   # SS_within 4 of 2 degrees of freedom, SS_total 20 of 3
    0.7
    """
    sums.refuse_empty()
    counts = sums.counts.sum(0)
    n_classes = int((counts > 0).sum())
    if n_classes < 2 or sums.n <= n_classes:
        raise ValueError(
            f"wanted images of at least 2 classes, and more images than classes, got {sums.n} images of {n_classes} "
            "classes; try more images"
        )
    return sums.restored(_share(counts.double(), sums.sums.sum(0), sums.squares.sum(0)))


def class_information_left_out(sums: ClassSums) -> Float[Array, "concept group"]:
    """Return `class_information` with each group of images left out, for the jackknife.

    NaN where what is left has fewer than two classes, or no more images than classes.

    Raises:
        ValueError: no image, or a single group.

    >>> sums = ClassSums(n_classes=2, groups=2)
    >>> sums.add(torch.tensor([[0.0], [9.0], [1.0], [9.0], [4.0], [8.0]]), torch.tensor([0, 0, 0, 0, 1, 1]))
    >>> class_information_left_out(sums).shape
    torch.Size([1, 2])
    """
    sums.refuse_empty()
    if sums.groups < 2:
        raise ValueError(f"wanted sums of at least 2 groups of images, got {sums.groups}; try ClassSums(groups=20)")
    counts, total, squares = sums.counts.sum(0), sums.sums.sum(0), sums.squares.sum(0)
    left = (
        _share((counts - sums.counts[group]).double(), total - sums.sums[group], squares - sums.squares[group])
        for group in range(sums.groups)
    )
    return sums.restored(torch.stack(list(left), dim=1))


def _share(
    counts: Float[Tensor, "class"], sums: Float[Tensor, "class concept"], squares: Float[Tensor, "concept"]
) -> Float[Tensor, "concept"]:
    n, n_classes = counts.sum(), (counts > 0).sum()
    if n <= n_classes or n_classes < 2:
        return torch.full_like(squares, math.nan)
    of_mean = sums.sum(0).square() / n
    between = (sums.square() / counts.clamp(min=1)[:, None]).sum(0) - of_mean
    whole = (squares - of_mean).clamp(min=0)
    # 1e-13 of the squares is what rounding leaves of a code that does not vary among these images
    whole = whole.masked_fill(whole <= 1e-13 * squares, math.nan)
    within = (whole - between).clamp(min=0)
    share: Tensor = 1 - (within / (n - n_classes)) / (whole / (n - 1))
    return share
