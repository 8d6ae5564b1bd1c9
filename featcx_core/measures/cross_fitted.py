"""Cross-fitted V-information: each half of the probe images is read by a reader of the other half.

`I_V = max(0, (R² fit -> score + R² score -> fit) / 2)`, the codes standardised on the half that is fitted. A reader
fitted on n images finds less than one fitted on all there are: beside I_V stands that of readers fitted on n/2, and
what both say of more. Errors and intervals are over images: a group of them is left out of both halves, and everything
is fitted again, the choice of the penalty included. [Fel et al., NeurIPS 2024, §2 and App. C; Xu et al., ICLR 2020]
"""

from collections.abc import Iterator
from typing import NamedTuple

from jaxtyping import Float

from featcx_core.arrays import Array
from featcx_core.features.moments_by_group import CentredSets, MomentsByGroup
from featcx_core.measures.intervals import jackknife_error, jackknife_interval
from featcx_core.measures.readers import Pairs, Readings, read_sets
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
    low: Float[Array, "concept"]
    """Mean of both R² − t(groups − 1) · standard error, 95 %, cut to [0, 1]."""
    high: Float[Array, "concept"]
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
    fit, score = (MomentsByGroup.of(*half, groups=groups) for half in halves)
    return cross_fitted_of_sums(fit, score, penalties=penalties)


def cross_fitted_of_sums(
    fit: MomentsByGroup, score: MomentsByGroup, *, penalties: Penalties = PENALTIES
) -> CrossFitted:
    """`cross_fitted_v_information` from the sums by group of both halves, for more images than memory holds.

    Memory: the sums, `2 · groups · (units² + units·concepts)` numbers, and about ten arrays (unit, concept). Concepts
    do not influence each other: where the sums of all do not fit, they can be made and read for some concepts at a
    time, at the price of the eigendecompositions each time. These are `2 · (groups + 3)`, of units².

    Raises:
        ValueError: fewer images than groups in a half.
    """
    there, back = (_both_sizes(*halves, penalties) for halves in ((fit, score), (score, fit)))
    n_sets = 1 + fit.groups
    r2 = (there.r2 + back.r2) / 2
    left_out, information = r2[1:n_sets].T.contiguous(), r2[0].clamp(min=0)
    low, high = jackknife_interval(r2[0], left_out, within=(0.0, 1.0))
    half = r2[n_sets:].mean(0).clamp(min=0)
    results = CrossFitted(
        v_information=information,
        standard_error=jackknife_error(left_out),
        low=low,
        high=high,
        r2=there.r2[0],
        r2_swapped=back.r2[0],
        penalty=there.penalty[0],
        penalty_swapped=back.penalty[0],
        jackknife=left_out,
        v_information_half=half,
        v_information_extrapolated=(2 * information - half).clamp(0, 1),
    )
    return CrossFitted(*(fit.whole.restore(result) for result in results))


def whole_and_left_out(fit: MomentsByGroup, score: MomentsByGroup) -> Pairs:
    """All images of both halves, then all but each group; raises ValueError where a group of a half is empty."""
    yield fit.everything(), score.everything()
    at_once = max(1, _VALUES_AT_ONCE // fit.whole.xz.numel())
    for start in range(0, fit.groups, at_once):
        rows = start, min(start + at_once, fit.groups)
        yield fit.without(*rows), score.without(*rows)


def _both_sizes(fit: MomentsByGroup, score: MomentsByGroup, penalties: Penalties) -> Readings:
    """Readings of all images, without each group, and of two readers that are fitted on half the groups each."""

    def pairs() -> Iterator[tuple[CentredSets, CentredSets]]:
        yield from whole_and_left_out(fit, score)
        for first in (0, 1):
            yield fit.every_second(first), score.everything()

    return read_sets(pairs(), eps=fit.eps, penalties=penalties)
