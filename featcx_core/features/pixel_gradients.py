"""Gradients of a network's loss with respect to the pixels, and vectors of unit length along them.

Pixels are in [0, 1]; the normalisation belongs to the model.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from featcx_core.features.exact import exact

Pixels: TypeAlias = Float[Tensor, "image channel height width"]
"""In [0, 1]."""
Logits: TypeAlias = Callable[[Tensor], Tensor]
"""Pixels in [0, 1] -> logits (image, class), with gradients."""
_NO_LENGTH = 1e-12  # of a gradient: where a network is flat there is no direction to go


def in_pixels(model: nn.Module, *, mean: Float[np.ndarray, "channel"], std: Float[np.ndarray, "channel"]) -> Logits:
    """Return the model as a function of pixels in [0, 1], with its normalisation inside.

    Raises:
        ValueError: a network in training mode.

    >>> logits = in_pixels(nn.Flatten().eval(), mean=np.array([0.5]), std=np.array([0.25]))
    >>> logits(torch.tensor([[[[0.5, 1.0]]]]))
    tensor([[0., 2.]])
    """
    if model.training:
        raise ValueError(f"wanted {type(model).__name__} in evaluation mode, got training mode; try model.eval()")

    def logits(images: Tensor) -> Tensor:
        centre, scale = (torch.from_numpy(part.copy()).to(images)[:, None, None] for part in (mean, std))
        result: Tensor = model(((images - centre) / scale).contiguous(memory_format=torch.channels_last))
        return result

    return logits


def loss_gradient(logits: Logits, images: Pixels, labels: Int[Tensor, "image"]) -> tuple[Pixels, Int[Tensor, "image"]]:
    """Return the gradient of each image's cross-entropy with respect to its pixels, and the predicted classes.

    Raises:
        ValueError: a model that gives no gradients, or has no class for a label.

    >>> loss_gradient(lambda x: x.flatten(1), torch.zeros(1, 1, 1, 2), torch.tensor([0]))
    (tensor([[[[-0.5000,  0.5000]]]]), tensor([0]))
    """
    with torch.enable_grad(), exact():
        pixels = images.detach().clone().requires_grad_()
        outputs = logits(pixels)
        refuse_labels(labels, n_classes=outputs.shape[1])
        if not outputs.requires_grad:
            raise ValueError(_NO_GRADIENTS.format("none at all"))
        loss = cross_entropy(outputs, labels, reduction="sum")  # a sum: each image's gradient is its own
        (gradient,) = torch.autograd.grad(loss, pixels, allow_unused=True)
    if gradient is None:
        raise ValueError(_NO_GRADIENTS.format("none for the pixels"))
    return gradient, outputs.detach().argmax(1)


_NO_GRADIENTS = "wanted a model with gradients to attack, got {}; try it without torch.no_grad, detach or argmax"


def refuse_labels(labels: Int[Tensor, "image"], *, n_classes: int) -> None:
    """Raise a ValueError where the model has no class for a label."""
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < n_classes:
        raise ValueError(
            f"wanted labels from 0 to {n_classes - 1}, the model's classes, got {int(labels.min())} to "
            f"{int(labels.max())}; try model.outputs"
        )


def l2(change: Float[Tensor, "image channel height width"]) -> Float[Tensor, "image"]:
    """Return the L2 norm of each image's change.

    >>> l2(torch.tensor([[[[3.0, 4.0]]]]))
    tensor([5.])
    """
    norm: Tensor = torch.linalg.vector_norm(change.flatten(1), dim=1)
    return norm


def unit(change: Float[Tensor, "image channel height width"]) -> Float[Tensor, "image channel height width"]:
    """Return each image's change with an L2 norm of 1; 0 where it is 0.

    >>> unit(torch.tensor([[[[3.0, 4.0]]]]))
    tensor([[[[0.6000, 0.8000]]]])
    """
    return change / l2(change).clamp(min=_NO_LENGTH)[:, None, None, None]
