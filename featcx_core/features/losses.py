"""Loss, correctness and margin of single images, in one forward pass."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor, nn

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.exact import exact
from featcx_core.images.answers import is_right, losses_of_right


class Losses(NamedTuple):
    """Loss and answer of a network, image by image."""

    loss: Float64[np.ndarray, "image"]
    """-log of the right outputs' probability, in nats; at least 0."""
    is_correct: Bool[np.ndarray, "image"]
    """Whether the largest logit, the first of several, is of a right output."""
    margin: Float64[np.ndarray, "image"]
    """Largest logit of a right output less the largest of the others; below 0 = wrong."""


def image_losses(model: nn.Module, inputs: Iterable[Tensor], targets: Int[Array, "image *output"]) -> Losses:
    """Return each image's loss, correctness and margin, in the order of the inputs.

    Losses are computed from the logits in float64, on the CPU where the device has none (MPS); they do not depend on
    the batches but for the rounding of the forward pass.

    Args:
        model: in evaluation mode, on the images' device.
        inputs: batches of normalised images.
        targets: right output of each image, or a row of several, filled up with -1.

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


def losses_of(logits: Float[Tensor, "image class"], targets: Int[Array, "image *output"]) -> Losses:
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
    named = right[right >= 0] if right.ndim > 1 else right
    if n_outputs < 2 or (len(named) and not 0 <= int(named.min()) <= int(named.max()) < n_outputs):
        span = f"{int(named.min())} to {int(named.max())}" if len(named) else "none"
        raise ValueError(
            f"wanted targets among at least 2 outputs, got {span} of {n_outputs} outputs; try model.outputs"
        )
    values = (logits.cpu() if logits.device.type == "mps" else logits).double()
    right = right.to(values.device)
    among = right if right.ndim > 1 else right[:, None]
    places = among.where(among >= 0, among[:, :1])  # what fills a row up stands for its first output
    of_right = values.gather(1, places).amax(1)
    others = values.scatter(1, places, -torch.inf).amax(1)
    results = (losses_of_right(values, right), is_right(values.argmax(1), right), of_right - others)
    return Losses(*(part.cpu().numpy() for part in results))
