"""Other images: what the measures of all concepts would have been, from stored values without each group of images.

A grouped bootstrap from the delete-a-group jackknife. With G groups, θ the value and θ_g that without group g, group g
pulls θ by about d_g = (G − 1)(mean θ − θ_g): its pseudo-value is θ + d_g [Tukey 1958; Efron & Tibshirani, *An
Introduction to the Bootstrap*, 1993, ch. 11]. A resample draws G groups with replacement and takes the mean of their
pseudo-values; around θ it is widened by √(G/(G−1)), so that its variance is the jackknife's. All concepts, layers and
epochs share the draws (`intervals.draw_groups`), as they share the images.

The draws tell how much a statistic varies, not where it lies: a rank correlation of drawn values is nearer to 0 than
that of the values. So an interval is value ± t(G − 1) · deviation over draws, and for a correlation the same of its
Fisher transform. What was clipped is biased by it, and only known to lie between the clipped and the unclipped value:
the interval starts from both.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from featcx_core.measures.intervals import t_interval


class Redrawn(NamedTuple):
    """A property of every concept in each resample of the images."""

    draws: Float[np.ndarray, "draw concept"]
    """Clipped to the property's range."""
    unclipped: Float[np.ndarray, "concept"]
    """The value before it was clipped."""
    groups: int
    """Groups of images that were drawn."""

    def of(self, concepts: np.ndarray) -> "Redrawn":
        """Return the same of some concepts, by their numbers or flags."""
        return Redrawn(self.draws[:, concepts], self.unclipped[concepts], self.groups)

    @property
    def is_known(self) -> np.ndarray:
        """(concept,) whether a concept has a value in every resample."""
        known: np.ndarray = ~np.isnan(self.draws).any(axis=0)
        return known

    def mean_interval(self, value: float, *, within: tuple[float, float] = (-np.inf, np.inf)) -> tuple[float, float]:
        """Return the interval over images of the mean over all these concepts, whose value is given."""
        if not self.draws.shape[1]:
            return float("nan"), float("nan")
        low, high = t_interval(
            np.array([value, self.unclipped.mean()]), self.draws.mean(axis=1), groups=self.groups, within=within
        )
        return float(low), float(high)


def redraw(
    value: Float[np.ndarray, "concept"],
    left_out: Float[np.ndarray, "concept group"],
    weights: Float[np.ndarray, "draw group"],
) -> Redrawn:
    """A measure of each concept in each resample of the images: `θ + Σ_g weight_g (G−1)(mean θ − θ_g)`.

    Exact where the measure is a mean over images and the groups are of one size; to first order elsewhere.

    >>> redraw(np.array([2.0]), np.array([[1.0, 3.0]]), np.array([[0.0, 0.0], [-0.5, 0.5]])).draws
    array([[2.],
           [1.]])
    """
    pulls = (left_out.shape[1] - 1) * (left_out.mean(1, keepdims=True) - left_out)
    return Redrawn(value + weights @ pulls.T, value, left_out.shape[1])


def redraw_information(
    v_information: Float[np.ndarray, "concept"],
    jackknife: Float[np.ndarray, "concept group"],
    weights: Float[np.ndarray, "draw group"],
) -> Redrawn:
    """I_V in each resample, clipped to between 0 and 1 like I_V itself; NaN for a dead concept.

    jackknife: R² without each group of images, not clipped. Where I_V was clipped, R² is taken to be its mean.
    """
    r2 = np.where(v_information > 0, v_information, np.minimum(jackknife.mean(1), 0))
    r2 = np.where(np.isnan(v_information), np.nan, r2)
    redrawn = redraw(r2, jackknife.astype(np.float64), weights)
    return redrawn._replace(draws=redrawn.draws.clip(0, 1))


def redraw_lack(
    v_information: Float[np.ndarray, "row concept"],
    jackknife: Float[np.ndarray, "row concept group"],
    weights: Float[np.ndarray, "draw group"],
) -> Redrawn:
    """1 − mean over rows of I_V in each resample: K where rows are layers, Λ where they are epochs."""
    n_rows, n_concepts, groups = jackknife.shape
    draws, unclipped = np.ones((len(weights), n_concepts)), np.ones(n_concepts)
    for information, left_out in zip(v_information, jackknife, strict=True):
        redrawn = redraw_information(information, left_out, weights)
        draws -= redrawn.draws / n_rows
        unclipped -= redrawn.unclipped / n_rows
    return Redrawn(draws, unclipped, groups)
