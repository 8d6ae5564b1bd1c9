"""Area under the receiver operating characteristic: how well a score tells cases from controls.

The area is the probability that a case scores higher than a control, ties counting half. Interval: DeLong, DeLong,
Clarke-Pearson, *Comparing the areas under two or more correlated receiver operating characteristic curves*, Biometrics
1988, with the ranks of Sun, Xu, *Fast implementation of DeLong's algorithm*, IEEE Signal Processing Letters 2014; on
the logit scale, so that it stays within [0, 1].
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.stats import rankdata

from featcx_core.arrays import Array, as_tensors
from featcx_core.measures.intervals import all_or_none_interval, logit_interval


class RocAuc(NamedTuple):
    """An area under the curve with its 95 % interval."""

    value: float
    """In [0, 1]: 1 = every case scores higher than every control, 0.5 = by chance, 0 = the other way round."""
    low: float
    """Lower end over cases and controls alike."""
    high: float
    """Upper end."""
    n_cases: int
    """Cases."""
    n_controls: int
    """Controls."""


def roc_auc(scores: Float[Array, "item"], is_case: Bool[Array, "item"]) -> RocAuc:
    """Return the area under the receiver operating characteristic, with DeLong's interval.

    `AUC = mean over cases and controls of [s_case > s_control] + ½ [s_case = s_control]`; its variance is
    `var(V_case) / n_cases + var(V_control) / n_controls`, V_i the share of the other side that item i is on the right
    side of. The interval is `logit AUC ± 1.96 · SE / (AUC (1 - AUC))`, carried back. Where the sides do not overlap the
    variance is 0; the end that faces 0.5 is then the exact one of as many successes as the smaller side has items
    [Clopper, Pearson 1934].

    Args:
        scores: larger = rather a case; infinity is allowed.
        is_case: whether an item is one.

    Raises:
        ValueError: no case, no control, or a score that is NaN.

    >>> import numpy as np
    >>> roc_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])).value
    0.75
    """
    (s, c), _ = as_tensors(scores, is_case)
    values, case = s.cpu().double().numpy(), c.cpu().numpy()
    n_cases, n_controls = int(case.sum()), int((~case).sum())
    if n_cases < 1 or n_controls < 1:
        raise ValueError(f"wanted at least 1 case and 1 control, got {n_cases} and {n_controls}; try more items")
    if n_nan := int(np.isnan(values).sum()):
        raise ValueError(f"wanted scores that are numbers, got {n_nan} that are NaN; try leaving them out")
    of_case, of_control = _placements(values[case], values[~case])
    area = float(of_case.mean())
    low, high = _interval(area, of_case, of_control)
    return RocAuc(area, low, high, n_cases, n_controls)


def _placements(
    cases: Float64[np.ndarray, "case"], controls: Float64[np.ndarray, "control"]
) -> tuple[Float64[np.ndarray, "case"], Float64[np.ndarray, "control"]]:
    """Return the share of controls below each case, and of cases above each control."""
    together = rankdata(np.concatenate([cases, controls]))
    below = (together[: len(cases)] - rankdata(cases)) / len(controls)
    above = 1 - (together[len(cases) :] - rankdata(controls)) / len(cases)
    return below, above


def _interval(
    area: float, of_case: Float64[np.ndarray, "case"], of_control: Float64[np.ndarray, "control"]
) -> tuple[float, float]:
    fewer = min(len(of_case), len(of_control))
    if fewer < 2:
        return 0.0, 1.0  # one item has no variance, and says nothing of others like it
    if area in (0.0, 1.0):
        return all_or_none_interval(area, n=fewer)
    error = math.sqrt(of_case.var(ddof=1) / len(of_case) + of_control.var(ddof=1) / len(of_control))
    return logit_interval(area, error=error)
