"""Share of a property's variance that follows from the concept's group."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from featcx_core.measures.estimated import Estimated
from featcx_core.measures.intervals import draw_members, interval, t_interval
from featcx_core.measures.over_images import Redrawn


def explained(
    values: Float[np.ndarray, "concept"],
    groups: Sequence[str | int],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    over_images: Redrawn | None = None,
) -> Estimated:
    """Return ε² between groups with a 95 % bootstrap interval over concepts; 1 = all, 0 = random groups on average.

    ε² = 1 - (mean square within groups) / (mean square of all). A concept that a sample draws twice agrees with itself,
    so samples lie above ε² as far as η² does, which ε² corrects. The interval is that of the samples, shifted by
    η² - ε²; without the shift many random groups would seem to explain something. The groups are held fixed.

    A second interval follows where `over_images` gives the values in resamples of the images, over the concepts with a
    value in every resample. The errors of the values hide what groups explain: the interval starts from ε², and from
    ε² without the variance that the errors add. NaN where every concept is a group of its own, or all values are equal.

    >>> explained(np.array([1.0, 1.0, 3.0, 3.0, 5.0, 5.0]), ["a", "a", "b", "b", "c", "c"])[:3]
    (1.0, 1.0, 1.0)
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    value, uncorrected = (float(share[0]) for share in _shares(values[None], group))
    n = len(values)
    if math.isnan(value):
        return Estimated(value, math.nan, math.nan, n)
    samples = (each for block in draw_members(n, n_bootstrap=n_bootstrap, seed=seed) for each in block)
    drawn = np.array([_shares(values[None, each], group[each])[0][0] for each in samples])
    low, high = (end - (uncorrected - value) for end in interval(drawn))
    images = math.nan, math.nan
    if over_images is not None:
        is_measured = over_images.is_known
        drawn, of_group = over_images.draws[:, is_measured], group[is_measured]
        starts = np.array([value, _without_noise(values[is_measured], drawn, of_group)])
        ends = t_interval(starts, _shares(drawn, of_group)[0], groups=over_images.groups, within=(-1.0, 1.0))
        low_images, high_images = ends
        images = float(low_images), float(high_images)
    return Estimated(value, low, high, n, *images)


def _shares(
    values: Float[np.ndarray, "draw concept"], group: Int[np.ndarray, "concept"]
) -> tuple[Float[np.ndarray, "draw"], Float[np.ndarray, "draw"]]:
    """Return ε² and η² = 1 - (sum of squares within groups) / (sum of squares of all), in each draw."""
    within, total, uncorrected = _squares(values, group)
    return 1 - within / total, uncorrected


def _without_noise(
    values: Float[np.ndarray, "concept"], drawn: Float[np.ndarray, "draw concept"], group: Int[np.ndarray, "concept"]
) -> float:
    """Return ε² of mean squares from which those of the deviations over draws are taken off; NaN if nothing is left."""
    (within, total, _), noise = _squares(values[None], group), _squares(drawn - drawn.mean(axis=0), group)
    left = float(total[0] - noise[1].mean())
    return 1 - max(float(within[0] - noise[0].mean()), 0.0) / left if left > 0 else math.nan


def _squares(
    values: Float[np.ndarray, "draw concept"], group: Int[np.ndarray, "concept"]
) -> tuple[Float[np.ndarray, "draw"], Float[np.ndarray, "draw"], Float[np.ndarray, "draw"]]:
    """Return the mean squares within groups and of all, and η², in each draw."""
    n, order = values.shape[1], np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    if n == len(starts):
        return tuple(np.full(len(values), np.nan) for _ in range(3))  # type: ignore[return-value]
    centred = (values - values.mean(axis=1, keepdims=True))[:, order]
    sizes = np.diff(starts, append=n)
    means = np.add.reduceat(centred, starts, axis=1) / sizes
    within, total = ((centred - means.repeat(sizes, axis=1)) ** 2).sum(axis=1), (centred**2).sum(axis=1)
    total = np.where(total > 0, total, np.nan)
    return within / (n - len(starts)), total / (n - 1), 1 - within / total
