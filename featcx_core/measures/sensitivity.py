"""Sensitivity of a concept: how much its code changes when noise is added to the pixels.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, App. F.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.moments import refuse_non_finite
from featcx_core.measures.intervals import draw_counts, percentiles_on_device


class Sensitivity(NamedTuple):
    """Response of each concept's code to noise in the pixels."""

    sensitivity: Float[Array, "concept"]
    """Mean over images of the variance over draws, over the code's variance over images; 0 = the noise changes
    nothing, 1 = it changes as much as another image does; NaN where the code has no variance."""
    low: Float[Array, "concept"]
    """2.5 % point over bootstrap samples of the noisy images; the code's variance over images is held fixed."""
    high: Float[Array, "concept"]
    """97.5 % point."""
    as_printed: Float[Array, "concept"]
    """Mean over images of the variance over draws, in squared units of the code."""
    jackknife: Float[Array, "concept group"]
    """Sensitivity without each group of noisy images; the code's variance over images is held fixed."""


def sensitivity(
    codes: Float[Array, "image draw concept"],
    variance: Float[Array, "concept"],
    *,
    groups: int = 20,
    n_bootstrap: int = 1000,
    seed: int,
) -> Sensitivity:
    """Return the sensitivity of every concept, `mean over images x of Var_draws z(x + N(0, σ² I)) / Var_images z(x)`.

    The variance over draws is unbiased (divided by draws - 1), so that its expectation does not depend on the number of
    draws; that over images is the population's, as in the table of concepts. Arithmetic in float64 (float32 on MPS).
    The 95 % interval is percentile bootstrap over images. Group g of the jackknife holds the images g, g + groups, …

    Args:
        codes: (image, draw, concept), of noisy copies of some images, all at one noise level.
        variance: Variance of each concept's code over clean images.
        groups: Number of groups of the jackknife.
        n_bootstrap: Number of bootstrap samples.
        seed: Decides the samples.

    Raises:
        ValueError: There is no image, there are fewer than two draws, or codes are not finite.

    Source: Fel et al. 2024, App. F.

    >>> codes, variance = torch.tensor([[[1.0], [3.0]], [[0.0], [0.0]]]), torch.tensor([4.0])
    >>> sensitivity(codes, variance, seed=0).sensitivity   # variances 2 and 0, mean 1
    tensor([0.2500], dtype=torch.float64)
    """
    (z,), restore = as_tensors(codes)
    group = np.arange(len(z)) % groups
    responses = Responses(n_draws=z.shape[1], group=group, groups=groups, n_bootstrap=n_bootstrap, seed=seed)
    responses.add(z.flatten(0, 1))
    return Sensitivity(*(restore(part) for part in responses.result(as_tensors(z, variance)[0][1])))


class Responses:
    """Accumulator of `sensitivity` for more noisy images than memory holds: codes come in pieces.

    Memory holds the draws of an image or two and the bootstrap samples' sums, whatever the number of images.

    Args:
        n_draws: Noisy copies of each image.
        group: (image,), the group of the jackknife of each image to come.
        groups: Number of groups; a group without images leaves nothing out.
        n_bootstrap: Number of bootstrap samples.
        seed: Decides the samples.

    Raises:
        ValueError: There is no image, or there are fewer than two draws.
    """

    def __init__(
        self, *, n_draws: int, group: Int[np.ndarray, "image"], groups: int, n_bootstrap: int = 1000, seed: int
    ) -> None:
        n_images = len(group)
        if n_images < 1 or n_draws < 2:
            raise ValueError(f"wanted at least 1 image and 2 draws, got {n_images} and {n_draws}; try more")
        self.n_images, self.n_draws, self.n_done = n_images, n_draws, 0
        drawn = draw_counts(n_images, n_bootstrap=n_bootstrap, seed=seed)
        others = group != np.arange(groups)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):  # without the only group nothing is left
            left = others * (n_images / others.sum(axis=1, keepdims=True))
        self._weights = torch.from_numpy(np.concatenate([np.ones((1, n_images)), drawn, left]))
        self._groups = groups
        self._sums = torch.zeros(1)  # of variances, (1 + sample + group, concept): all images, samples, without groups
        self._pending: list[Tensor] = []
        self._restore: Callable[[Tensor], Any] = lambda tensor: tensor

    def add(self, codes: Float[Array, "row concept"]) -> None:
        """Add the next codes: all draws of the first image, then of the second, cut anywhere.

        Raises:
            ValueError: Codes are not finite, or there are more than announced.
        """
        (z,), self._restore = as_tensors(codes)
        refuse_non_finite(z, what="codes of noisy images", column="concept")
        rows = torch.cat([*self._pending, z.to(torch.float32 if z.device.type == "mps" else torch.float64)])
        whole = len(rows) // self.n_draws
        self._pending = [rows[whole * self.n_draws :]]
        if self.n_done + whole > self.n_images:
            raise ValueError(f"wanted {self.n_images} images of {self.n_draws} draws, got more")
        if whole:
            variances = rows[: whole * self.n_draws].reshape(whole, self.n_draws, -1).var(1, correction=1)
            self._weights = self._weights.to(variances)
            self._sums = self._sums.to(variances) + self._weights[:, self.n_done : self.n_done + whole] @ variances
            self.n_done += whole

    def result(self, variance: Float[Array, "concept"]) -> Sensitivity:
        """Return the sensitivity, given the codes' variance over clean images.

        Raises:
            ValueError: Codes of some images are missing.
        """
        if self.n_done < self.n_images:
            raise ValueError(f"wanted {self.n_images} images of {self.n_draws} draws, got {self.n_done}")
        (scale,), _ = as_tensors(variance)
        means = self._sums / self.n_images
        relative = (means / scale.to(means)).masked_fill(scale.to(means) <= 0, torch.nan)
        samples, left = relative[1 : -self._groups], relative[-self._groups :].T
        low, high = percentiles_on_device(samples)
        return Sensitivity(*(self._restore(part) for part in (relative[0], low, high, means[0], left)))
