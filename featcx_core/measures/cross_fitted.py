"""Cross-fitted V-information: each half of the probe images is read by a reader of the other half.

`I_V = max(0, (R² fit -> score + R² score -> fit) / 2)`, the codes standardised on the half that is fitted. A reader
fitted on n images finds less than one fitted on all there are: beside I_V stands that of readers fitted on n/2, and
what both say of more. Errors and intervals are over images: a group of them is left out of both halves, and everything
is fitted again, the choice of the penalty included. [Fel et al., NeurIPS 2024, §2 and App. C; Xu et al., ICLR 2020]
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from featcx_core.arrays import Array
from featcx_core.features.by_group import CentredSets, GroupedSums
from featcx_core.features.moments import Moments, S
from featcx_core.measures.intervals import jackknife_error, jackknife_interval
from featcx_core.measures.readers import Basis, Readings, basis_of, read_sets
from featcx_core.study.fields import Penalties

PENALTIES = Penalties()
"""The default grid: 20 penalties, 1e-6 to 1e3 times trace(X'X)/units of the images that are fitted."""
GROUPS = 20
"""Default number of groups of images."""
_VALUES_AT_ONCE = 100_000
"""Units times concepts times sets that are read together: what stays in a processor's cache."""


class CrossFitted(NamedTuple):
    """One layer's cross-fitted V-information about every concept, in float64.

    A code that is constant on either half has no variance to explain: its results are NaN.
    """

    v_information: Float[Array, "concept"]
    """Mean of both R², clipped at 0: 0 = absent, 1 = read off exactly."""
    standard_error: Float[Array, "concept"]
    """Delete-a-group jackknife, before clipping."""
    low_images: Float[Array, "concept"]
    """Mean of both R² − t(groups − 1) · standard error, 95 %, cut to [0, 1]."""
    high_images: Float[Array, "concept"]
    """The same, plus."""
    r2: Float[Array, "concept"]
    """R² on the score half of the reader fitted on the fit half; not clipped, ≤ 1."""
    r2_swapped: Float[Array, "concept"]
    """R² on the fit half of the reader fitted on the score half."""
    penalty: Float[Array, "concept"]
    """Ridge penalty of the reader fitted on the fit half: the alpha of `sklearn.linear_model.Ridge` for centred acts
    and the standardised code."""
    penalty_swapped: Float[Array, "concept"]
    """Ridge penalty of the reader fitted on the score half."""
    jackknife: Float[Array, "concept group"]
    """Mean of both R² with each group left out of both halves; not clipped."""
    v_information_half: Float[Array, "concept"]
    """I_V of readers fitted on half of the images: mean of both ways and of two readers each, clipped at 0."""
    v_information_extrapolated: Float[Array, "concept"]
    """`2 · I_V − I_V of half the images`, cut to [0, 1]: I_V of a reader fitted on all there are, where I_V grows
    with 1/n."""


def cross_fitted_v_information(
    acts_fit: Float[Array, "fit unit"],
    codes_fit: Float[Array, "fit concept"],
    acts_score: Float[Array, "score unit"],
    codes_score: Float[Array, "score concept"],
    *,
    penalties: Penalties = PENALTIES,
    groups: int = GROUPS,
) -> CrossFitted:
    """V-information of one layer about each concept, cross-fitted between two halves of the images.

    Ridge with intercept on one half, `R² = 1 − Σ(z − Mx − b)² / Σ(z − mean of z on the fitted half)²` on the other;
    both ways. Generalised cross-validation chooses each penalty from `penalties` for each concept. Group g of the
    jackknife holds the images g, g + groups, g + 2·groups, … of either half. The readers of half the images are fitted
    on the even groups and on the odd ones, and scored on all of the other half.

    Raises:
        ValueError: halves or acts and codes do not fit together, NaN or infinity, fewer images than groups in a half.

    >>> import numpy as np
    >>> x = np.arange(80.0).reshape(-1, 1)
    >>> found = cross_fitted_v_information(x[::2], 3 * x[::2] + 1, x[1::2], 3 * x[1::2] + 1)
    >>> round(found.v_information.item(), 6)
    1.0
    """
    halves = (acts_fit, codes_fit), (acts_score, codes_score)
    fit, score = (GroupedSums.of(Moments, *half, groups=groups) for half in halves)
    return cross_fitted_of_sums(fit, score, penalties=penalties)


def cross_fitted_of_sums(
    fit: GroupedSums[S], score: GroupedSums[S], *, penalties: Penalties = PENALTIES
) -> CrossFitted:
    """`cross_fitted_v_information` from the sums by group of both halves, for more images than memory holds.

    Memory: the sums, `2 · groups · (units² + units·concepts)` numbers, the eigendecompositions,
    `4 · (groups + 3) · units²`, and about ten arrays (unit, concept).

    Raises:
        ValueError: fewer images than groups in a half.
    """
    return cross_fitted_of_parts([(fit, score)], penalties=penalties)


def cross_fitted_of_parts(
    parts: Iterable[tuple[GroupedSums[S], GroupedSums[S]]], *, penalties: Penalties = PENALTIES
) -> CrossFitted:
    """`cross_fitted_of_sums` for more concepts than memory holds: the sums of some concepts after those of others.

    All parts are of the same activations; concepts do not influence each other. Memory: the sums of a part, and the
    eigendecompositions, which are made once.

    Raises:
        ValueError: fewer images than groups in a half, or no part.
    """
    forward, back = OneWay(penalties=penalties), OneWay(penalties=penalties)
    parts_read = []
    for fit, score in parts:
        readings = forward.read(fit, score), back.read(score, fit)
        parts_read.append([fit.whole.restore(column) for column in _results(*readings, groups=fit.groups)])
    if not parts_read:
        raise ValueError("wanted the sums of at least one part of the concepts, got none; try all of them at once")
    columns = zip(*parts_read, strict=True)
    join = torch.cat if isinstance(parts_read[0][0], Tensor) else np.concatenate
    return CrossFitted(*(column[0] if len(column) == 1 else join(column) for column in columns))


class OneWay:
    """Readers that are fitted on one half and scored on the other one, of any number of parts of the concepts.

    The first part decides the eigendecompositions; those that follow are of the same activations. Kept are
    `2 · (groups + 3) · units²` numbers.

    Args:
        penalties: the grid.
        with_halves: whether readers are also fitted on half of the groups each.
    """

    def __init__(self, *, penalties: Penalties, with_halves: bool = True) -> None:
        self.penalties, self.with_halves = penalties, with_halves
        self._bases: list[Basis] = []
        self._at_once = 0

    def read(
        self, fit: GroupedSums[S], score: GroupedSums[S], *, penalty: Float[Tensor, "concept"] | None = None
    ) -> Readings:
        """Readings of all images, without each group, and of two readers that are fitted on half the groups each."""
        self._at_once = self._at_once or max(1, _VALUES_AT_ONCE // fit.whole.xz.numel())
        readings = []
        for place, (fitted, scored) in enumerate(self._sets(fit, score)):
            if place == len(self._bases):
                self._bases.append(basis_of(fitted, scored, eps=fit.eps, penalties=self.penalties))
            readings.append(read_sets(fitted, scored, self._bases[place], penalty=penalty))
        return Readings(*(torch.cat(columns) for columns in zip(*readings, strict=True)))

    def _sets(self, fit: GroupedSums[S], score: GroupedSums[S]) -> Iterator[tuple[CentredSets, CentredSets]]:
        yield fit.everything(), score.everything()
        for start in range(0, fit.groups, self._at_once):
            groups = start, min(start + self._at_once, fit.groups)
            yield fit.without(*groups), score.without(*groups)
        if self.with_halves:
            for first in (0, 1):
                yield fit.every_second(first), score.everything()


def _results(forward: Readings, back: Readings, *, groups: int) -> CrossFitted:
    r2 = (forward.r2 + back.r2) / 2
    left_out, information = r2[1 : 1 + groups].T.contiguous(), r2[0].clamp(min=0)
    low, high = jackknife_interval(r2[0], left_out, within=(0.0, 1.0))
    half = r2[1 + groups :].mean(0).clamp(min=0)
    return CrossFitted(
        v_information=information,
        standard_error=jackknife_error(left_out),
        low_images=low,
        high_images=high,
        r2=forward.r2[0],
        r2_swapped=back.r2[0],
        penalty=forward.penalty[0],
        penalty_swapped=back.penalty[0],
        jackknife=left_out,
        v_information_half=half,
        v_information_extrapolated=(2 * information - half).clamp(0, 1),
    )
