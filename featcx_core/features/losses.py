"""Loss, correctness and margin of single images, in one forward pass."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.exact import exact


class Losses(NamedTuple):
    """Loss and answer of a network, image by image."""

    loss: Float64[np.ndarray, "image"]
    """Cross-entropy, in nats; at least 0."""
    is_correct: Bool[np.ndarray, "image"]
    """Whether the largest logit is the right class's; the first of several."""
    margin: Float64[np.ndarray, "image"]
    """Logit of the right class less the largest of the others; below 0 = wrong."""


def image_losses(model: nn.Module, inputs: Iterable[Tensor], targets: Int[Array, "image"]) -> Losses:
    """Return each image's loss, correctness and margin, in the order of the inputs.

    Losses are computed from the logits in float64, on the CPU where the device has none (MPS); they do not depend on
    the batches but for the rounding of the forward pass.

    Args:
        model: in evaluation mode, on the images' device.
        inputs: batches of normalised images.
        targets: right output of each image.

    Raises:
        ValueError: a network in training mode, more or fewer images than targets, or as `losses_of`.

    >>> two = image_losses(nn.Identity().eval(), [torch.tensor([[0.0, 0.0], [0.0, 2.0]])], np.array([0, 1]))
    >>> two.loss.round(3).tolist(), two.is_correct.tolist(), two.margin.tolist()
    ([0.693, 0.127], [True, True], [0.0, 2.0])
    """
    if model.training:
        raise ValueError(f"wanted {type(model).__name__} in evaluation mode, got training mode; try model.eval()")
    (right,), _ = as_tensors(targets)
    parts: list[Losses] = []
    n = 0
    for images in inputs:
        with torch.inference_mode(), exact():
            logits = model(images)
        parts.append(losses_of(logits, right[n : n + len(images)]))
        n += len(images)
    if n != len(right) or not parts:
        raise ValueError(f"wanted {len(right)} images, one a target, got {n}; try the same selection for both")
    loss, is_correct, margin = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Losses(loss, is_correct, margin)


def losses_of(logits: Float[Tensor, "image class"], targets: Int[Array, "image"]) -> Losses:
    """Return the loss, correctness and margin that logits come to.

    Raises:
        ValueError: a single output, a target without an output, or images without a target.

    >>> losses_of(torch.tensor([[1.0, 4.0]]), np.array([1])).margin.tolist()
    [3.0]
    """
    n_outputs = logits.shape[1]
    right = as_tensors(logits, targets)[0][1].long()
    if len(right) != len(logits):
        raise ValueError(f"wanted {len(logits)} targets, one an image, got {len(right)}; try the same selection")
    if n_outputs < 2 or (len(right) and not 0 <= int(right.min()) <= int(right.max()) < n_outputs):
        span = f"{int(right.min())} to {int(right.max())}" if len(right) else "none"
        raise ValueError(
            f"wanted targets among at least 2 outputs, got {span} of {n_outputs} outputs; try model.outputs"
        )
    values = (logits.cpu() if logits.device.type == "mps" else logits).double()
    right = right.to(values.device)
    of_right = values.gather(1, right[:, None])[:, 0]
    others = values.scatter(1, right[:, None], -torch.inf).amax(1)
    results = (cross_entropy(values, right, reduction="none"), values.argmax(1) == right, of_right - others)
    return Losses(*(part.cpu().numpy() for part in results))
