"""Answers of a network held against the right outputs of images: one each, or a row of several filled up with -1."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy


def is_right(predicted: Int[Tensor, "... image"], right: Int[Tensor, "image *output"]) -> Bool[Tensor, "... image"]:
    """Return whether predicted outputs are among the right ones.

    >>> is_right(torch.tensor([7, 5]), torch.tensor([[0, 7], [3, -1]])).tolist()
    [True, False]
    """
    if right.ndim == 1:
        return predicted == right
    among: Tensor = (predicted[..., None] == right).any(-1)
    return among


def losses_of_right(
    logits: Float[Tensor, "image class"], right: Int[Tensor, "image *output"]
) -> Float[Tensor, "image"]:
    """Return -log of the sum of the right outputs' probabilities, in nats; the cross-entropy where there is one.

    >>> losses_of_right(torch.zeros(1, 4), torch.tensor([[1, 2]]))   # log 2
    tensor([0.6931])
    """
    if right.ndim == 1:
        return cross_entropy(logits, right, reduction="none")
    of_right = logits.log_softmax(1).gather(1, right.clamp(min=0))
    loss: Tensor = -of_right.masked_fill(right < 0, -torch.inf).logsumexp(1)
    return loss
