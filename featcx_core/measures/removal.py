"""Importance by removal: how the logits and the loss change when a concept's part is taken out of the last layer.

The part of concept i in an image's activations is z_i d_i. The head reads the activations linearly, so without that
part the logits are y - z_i v_i, with v_i = d_i W its effects on the outputs: one product D W gives every concept's, and
the network is not run again. Ablation as a measure of importance: Morcos, Barrett, Rabinowitz, Botvinick, *On the
importance of single directions for generalization*, ICLR 2018; of concepts: Fel et al. 2024, §5.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featcx_core.arrays import Array, as_tensors

Answered: TypeAlias = Iterable[tuple[Array, Array, Array | None, Array]]
"""Chunks of images: codes (image, concept), logits (image, class), right outputs of each image, and its group."""

_IMAGES_AT_ONCE = 1024
_VALUES_AT_ONCE = 2_000_000


class Removal(NamedTuple):
    """Changes when each concept's part is removed, mean over images."""

    logit: Float[Array, "concept"]
    """Fall of the predicted class's logit; below 0: it rises."""
    loss: Float[Array, "concept"]
    """Rise of the cross-entropy, in nats; below 0: the concept does harm. NaN where no output is known to be right."""
    logit_jackknife: Float[Array, "concept group"]
    """Fall of the logit without each group of images."""
    loss_jackknife: Float[Array, "concept group"]
    """Rise of the loss without each group."""


def removal(
    codes: Float[Array, "image concept"],
    atoms: Float[Array, "concept unit"],
    head: Float[Array, "unit class"],
    *,
    logits: Float[Array, "image class"],
    right: Int[Array, "image *output"] | None,
    groups: int = 20,
) -> Removal:
    """Return how logit and loss change when a concept's part z_i d_i is removed, in float64 (on MPS float32).

    With v_i = d_i W, c(x) the predicted and r(x) the right output, p the softmax of the network's logits:
    `logit = mean over images of z_i v_{i,c(x)}`,
    `loss = mean over images of log Σ_k p_k exp(-z_i v_{i,k}) + z_i v_{i,r(x)}`.
    Where several outputs are right, the loss is -log of the sum of their probabilities.
    The first is signed importance, as the head is linear; the second is not linear in z. Images on which the concept is
    not active count with 0. Group g of the jackknife holds the images g, g + groups, g + 2·groups, …

    Args:
        codes: z, (image, concept).
        atoms: D, (concept, unit).
        head: W, (unit, class).
        logits: of the network, from its own activations.
        right: Output that is right for each image, or a row of several, filled up with -1; None: no output is.
        groups: Number of groups of images.

    Raises:
        ValueError: There is no image, or an output is not one of the head's.

    >>> import numpy as np
    >>> codes, atoms, head = np.array([[2.0], [0.0]]), np.array([[1.0]]), np.array([[1.0, 0.0]])
    >>> logits = np.array([[2.0, 0.0], [0.0, 1.0]])   # without the concept both images' logits of class 0 are 0
    >>> found = removal(codes, atoms, head, logits=logits, right=np.array([0, 1]))
    >>> found.logit.tolist(), found.loss.round(4).tolist()   # (log 2 - log(1 + e^-2)) / 2
    ([1.0], [0.2831])
    """
    (z, y), restore = as_tensors(codes, logits)
    group = torch.arange(len(z), device=z.device) % groups
    wanted = None if right is None else as_tensors(right)[0][0].to(z.device)
    rows = (slice(start, start + _IMAGES_AT_ONCE) for start in range(0, len(z), _IMAGES_AT_ONCE))
    chunks = ((z[each], y[each], None if wanted is None else wanted[each], group[each]) for each in rows)
    return Removal(*(restore(part) for part in removal_streamed(chunks, atoms, head, groups=groups)))


def removal_streamed(
    chunks: Answered, atoms: Float[Array, "concept unit"], head: Float[Array, "unit class"], *, groups: int = 20
) -> Removal:
    """Return `removal` for more images than memory holds, in one pass over chunks that name each image's group."""
    sums: Tensor | None = None
    counts = torch.zeros(groups)
    for codes, logits, right, group in chunks:
        (z, d, w, y, g), _ = as_tensors(codes, atoms, head, logits, group)
        exact = torch.float32 if z.device.type == "mps" else torch.float64
        if sums is None:
            effects = d.to(exact) @ w.to(exact)  # (concept, class)
            sums = torch.zeros(2, groups, z.shape[1], dtype=exact, device=z.device)
            counts = counts.to(sums)
        changes = _changes(z.to(exact), y.to(exact), _outputs(right, y), effects)
        # a product with zeros and ones sums in a fixed order on every device; scattered additions do not
        member = (g[None] == torch.arange(groups, device=g.device)[:, None]).to(exact)
        sums += torch.stack([member @ change for change in changes])
        counts += member.sum(1)
    if sums is None or not counts.any():
        raise ValueError("wanted at least one image, got none; try a larger probe split")
    total, n = sums.sum(1), counts.sum()
    left_out = (total[:, None] - sums) / (n - counts)[:, None]
    return Removal(*(total / n), *left_out.transpose(1, 2).contiguous())


def _outputs(right: Array | None, logits: Float[Tensor, "image class"]) -> Int[Tensor, "image output"] | None:
    """Return the right outputs on the device, a row an image. Raises ValueError where one is not one of the head's."""
    if right is None:
        return None
    outputs = as_tensors(right)[0][0].to(logits.device).long()
    named = outputs if outputs.ndim == 1 else outputs[outputs >= 0]
    if len(named) and (named.min() < 0 or named.max() >= logits.shape[1]):
        raise ValueError(
            f"wanted right outputs from 0 to {logits.shape[1] - 1}, got {int(named.min())} to {int(named.max())}; "
            "try model.outputs"
        )
    return outputs if outputs.ndim > 1 else outputs[:, None]


def _changes(
    z: Float[Tensor, "image concept"],
    logits: Float[Tensor, "image class"],
    right: Int[Tensor, "image output"] | None,
    effects: Float[Tensor, "concept class"],
) -> tuple[Float[Tensor, "image concept"], Float[Tensor, "image concept"]]:
    """Return the fall of the predicted logit and the rise of the loss, of every image and concept."""
    log_p, predicted = logits.log_softmax(1), logits.argmax(1)
    fall = z * effects.T[predicted]
    rise = torch.full_like(z, math.nan if right is None else 0.0)
    if right is None:
        return fall, rise
    images, concepts = z.nonzero(as_tuple=True)  # where a concept is not active nothing changes
    at_once = max(1, _VALUES_AT_ONCE // logits.shape[1])
    for start in range(0, len(images), at_once):
        rows, active = images[start : start + at_once], concepts[start : start + at_once]
        removed = z[rows, active, None] * effects[active]
        left = log_p[rows] - removed
        of_right = _together(log_p[rows], right[rows]) - _together(left, right[rows])
        rise[rows, active] = left.logsumexp(1) + of_right
    return fall, rise


def _together(log_p: Float[Tensor, "pair class"], right: Int[Tensor, "pair output"]) -> Float[Tensor, "pair"]:
    """Return log Σ exp over the right outputs; -1 fills a row up."""
    values = log_p.gather(1, right.clamp(min=0))
    if values.shape[1] == 1:
        return values[:, 0]
    together: Tensor = values.masked_fill(right < 0, -torch.inf).logsumexp(1)
    return together
