"""Adversarial images: small changes of the pixels that change the predicted class; and normal noise of the same norm.

Pixels are in [0, 1]; the normalisation belongs to the model (featcx_core.features.pixel_gradients). FGSM: Goodfellow,
Shlens, Szegedy, *Explaining and harnessing adversarial examples*, ICLR 2015. PGD: Madry et al., *Towards deep learning
models resistant to adversarial attacks*, ICLR 2018. DDN: Rony et al., *Decoupling direction and norm for efficient
gradient-based L2 adversarial attacks and defenses*, CVPR 2019. Every image is attacked apart from its batch's others.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featcx_core.features.exact import exact
from featcx_core.features.pixel_gradients import Logits, Pixels, l2, loss_gradient, unit
from featcx_core.images.noise import white_noise

NORMS = ("linf", "l2")


class Attacked(NamedTuple):
    """Attacked images."""

    images: Pixels
    """In [0, 1]."""
    norm: Float[Tensor, "image"]
    """L2 norm of the change, over all pixels and channels of an image."""
    is_fooled: Bool[Tensor, "image"]
    """Whether the predicted class is another than the one attacked."""


def fgsm(logits: Logits, images: Pixels, labels: Int[Tensor, "image"], *, epsilon: float) -> Attacked:
    """Return `clip(x + ε · sign(∂loss/∂x))`: one step that changes each pixel by ε.

    Args:
        logits: of pixels in [0, 1].
        images: to attack.
        labels: classes to be left, the true or the predicted ones.
        epsilon: in units of pixels.

    Raises:
        ValueError: as `pgd`.

    >>> fgsm(lambda x: x.flatten(1), torch.full((1, 1, 1, 2), 0.5), torch.tensor([0]), epsilon=0.25).images
    tensor([[[[0.2500, 0.7500]]]])
    """
    _refuse(images, labels, epsilon=epsilon)
    moved = images + epsilon * loss_gradient(logits, images, labels)[0].sign()
    return _attacked(logits, images, moved.clamp(0, 1), labels)


def pgd(
    logits: Logits,
    images: Pixels,
    labels: Int[Tensor, "image"],
    *,
    epsilon: float,
    norm: str = "linf",
    n_steps: int = 20,
    step: float | None = None,
    rows: Int[np.ndarray, "image"] | None = None,
    draws: Int[np.ndarray, "image"] | None = None,
    seed: int = 0,
) -> Attacked:
    """Return images after steps uphill, each followed by a projection on the ball of radius ε around the image.

    Args:
        logits: of pixels in [0, 1].
        images: to attack.
        labels: classes to be left, the true or the predicted ones.
        epsilon: radius of the ball, in units of pixels.
        norm: of the ball, `linf` or `l2`; steps are by the gradient's sign or its unit vector.
        n_steps: steps.
        step: their length; None: 2.5 · ε / steps.
        rows: numbers of the images, which decide the random starts with `draws` and `seed`; None: start at the image.
        draws: which start of its image each is, for several starts of one; None: the first.
        seed: of the starts, uniform in the ball.

    Raises:
        ValueError: an unknown norm, ε not above 0, no step, a label that the model has no class for, pixels outside
            [0, 1], or a model that gives no gradients.

    >>> pgd(lambda x: x.flatten(1), torch.full((1, 1, 1, 2), 0.5), torch.tensor([0]), epsilon=0.5,
    ...     norm="l2").norm
    tensor([0.5000])
    """
    _refuse(images, labels, epsilon=epsilon)
    if norm not in NORMS or n_steps < 1:
        raise ValueError(f"wanted the norm linf or l2 and at least 1 step, got {norm!r} and {n_steps}; try linf and 20")
    length = 2.5 * epsilon / n_steps if step is None else step
    moved = images
    if rows is not None:
        start = _starts(images, rows, np.zeros_like(rows) if draws is None else draws, norm=norm, seed=seed)
        moved = (images + epsilon * start).clamp(0, 1)
    for _ in range(n_steps):
        gradient = loss_gradient(logits, moved, labels)[0]
        uphill = gradient.sign() if norm == "linf" else unit(gradient)
        change = moved + length * uphill - images
        if norm == "linf":
            change = change.clamp(-epsilon, epsilon)
        else:
            change = change * (epsilon / l2(change).clamp(min=epsilon))[:, None, None, None]
        moved = (images + change).clamp(0, 1)
    return _attacked(logits, images, moved, labels)


def ddn(
    logits: Logits,
    images: Pixels,
    labels: Int[Tensor, "image"],
    *,
    n_steps: int = 100,
    first_norm: float = 1.0,
    gamma: float = 0.05,
) -> Attacked:
    """Return the smallest change in L2 that was found to fool the model; the image itself where none was.

    The norm shrinks by γ after each step that fools the model and grows by γ after each that does not; the direction
    follows the gradient's unit vector with steps that fall from 1 to 0.01 by a cosine.

    Args:
        logits: of pixels in [0, 1].
        images: to attack.
        labels: classes to be left, the true or the predicted ones.
        n_steps: steps.
        first_norm: of the first change.
        gamma: by how much the norm changes, in (0, 1).

    Raises:
        ValueError: no step, γ outside (0, 1), or as `pgd`.

    >>> found = ddn(lambda x: x.flatten(1), torch.tensor([[[[0.6, 0.4]]]]), torch.tensor([0]), n_steps=200)
    >>> found.is_fooled.item(), round(found.norm.item(), 2)   # the boundary is 0.2 / √2 away
    (True, 0.14)
    """
    _refuse(images, labels, epsilon=first_norm)
    if n_steps < 1 or not 0 < gamma < 1:
        raise ValueError(
            f"wanted at least 1 step and gamma between 0 and 1, got {n_steps} and {gamma}; try 100 and 0.05"
        )
    most = l2(torch.maximum(images, 1 - images))  # beyond it no image is in [0, 1]
    radius, change = torch.full_like(most, first_norm), torch.zeros_like(images)
    best, least = torch.zeros_like(images), torch.full_like(most, math.inf)
    for number in range(n_steps):
        length = 0.01 + 0.99 * (1 + math.cos(math.pi * number / n_steps)) / 2
        gradient, predicted = loss_gradient(logits, images + change, labels)
        is_fooled, size = predicted != labels, l2(change)
        is_better = is_fooled & (size < least)
        best = torch.where(is_better[:, None, None, None], change, best)
        least = torch.where(is_better, size, least)
        change = change + length * unit(gradient)
        radius = torch.minimum(radius * torch.where(is_fooled, 1 - gamma, 1 + gamma), most)
        change = change * (radius / l2(change).clamp(min=1e-12))[:, None, None, None]
        change = (images + change).clamp(0, 1) - images
    return _attacked(logits, images, images + best, labels)


def same_norm(
    images: Pixels,
    norm: Float[Tensor, "image"],
    rows: Int[np.ndarray, "image"],
    *,
    n_copies: int,
    seed: int,
) -> Float[Tensor, "image copy channel height width"]:
    """Return copies of each image with normal noise scaled to exactly the L2 norm of its attack.

    Not clipped to [0, 1], which would make the noise smaller on dark and bright pixels. It follows from the seed and
    the image's number alone.

    Args:
        images: clean.
        norm: of each one's change (`Attacked.norm`).
        rows: numbers of the images.
        n_copies: of each.
        seed: of the noise.

    Raises:
        ValueError: no copy.

    >>> copies = same_norm(torch.rand(1, 3, 4, 4), torch.tensor([2.0]), np.array([7]), n_copies=2, seed=0)
    >>> copies.shape, same_norm(torch.zeros(1, 1, 1, 1), torch.tensor([2.0]), np.array([7]), n_copies=1, seed=0).abs()
    (torch.Size([1, 2, 3, 4, 4]), tensor([[[[[2.]]]]]))
    """
    if n_copies < 1:
        raise ValueError(f"wanted at least 1 copy, got {n_copies}; try 20")
    keys, draws = np.repeat(rows, n_copies), np.tile(np.arange(n_copies), len(rows))
    noise = torch.from_numpy(white_noise(keys, draws, shape=tuple(images.shape[1:]), seed=seed)).to(images)
    scaled = unit(noise) * norm.repeat_interleave(n_copies)[:, None, None, None]
    return images[:, None] + scaled.reshape(len(images), n_copies, *images.shape[1:])


def _starts(
    images: Pixels, rows: Int[np.ndarray, "image"], draws: Int[np.ndarray, "image"], *, norm: str, seed: int
) -> Float[Tensor, "image channel height width"]:
    """Draw a point of the unit ball for each pair of an image and a draw, uniformly."""
    noise = torch.from_numpy(white_noise(rows, draws, shape=tuple(images.shape[1:]), seed=seed)).to(images)
    if norm == "linf":
        return torch.erf(noise / math.sqrt(2))  # uniform in [-1, 1]
    keys = zip(rows.tolist(), draws.tolist(), strict=True)
    shares = [np.random.default_rng([seed, *key, 1]).random() for key in keys]
    radius = torch.tensor(shares).to(images) ** (1 / noise[0].numel())
    return unit(noise) * radius[:, None, None, None]


def _attacked(logits: Logits, images: Pixels, moved: Pixels, labels: Int[Tensor, "image"]) -> Attacked:
    with torch.no_grad(), exact():
        predicted = logits(moved).argmax(1)
    return Attacked(moved, l2(moved - images), predicted != labels)


def _refuse(images: Pixels, labels: Int[Tensor, "image"], *, epsilon: float) -> None:
    if len(images) != len(labels) or len(images) == 0:
        raise ValueError(f"wanted a label for each of {len(images)} images, at least one, got {len(labels)} labels")
    if images.min() < 0 or images.max() > 1:
        raise ValueError(
            f"wanted pixels from 0 to 1, got {float(images.min()):.3g} to {float(images.max()):.3g}; try pixels / 255, "
            "with the normalisation inside the model"
        )
    if epsilon <= 0:
        raise ValueError(f"wanted a change larger than 0, got {epsilon}; try 8 / 255")
