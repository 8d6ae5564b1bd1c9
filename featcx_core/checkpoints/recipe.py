"""The recipe of training: optimizer, learning rate, normalisation statistics."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import nn

from featcx_core.study.fields import Study


def sgd(model: nn.Module, study: Study) -> torch.optim.SGD:
    """Return stochastic gradient descent with weight decay on matrices and kernels, not on biases and normalisation.

    The exception follows Goyal et al., Accurate, large minibatch SGD, 2017, section 5.3.
    """
    settings = study.training.optimizer
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    # PyTorch refuses Nesterov's form without momentum.
    nesterov = settings.nesterov and settings.momentum > 0
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, nesterov=nesterov)


def schedule(optimizer: torch.optim.SGD, study: Study, *, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """Return the learning rate over all steps, `steps` an epoch: constant, or one cycle with its peak at a quarter.

    One cycle: Smith & Topin, Super-convergence, 2018. A training of four steps or fewer has no room for a cycle and
    keeps a constant rate.
    """
    total = study.training.epochs * steps
    if study.training.schedule == "constant" or total <= 4:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=study.training.optimizer.lr,
        total_steps=total,
        pct_start=0.25,
        cycle_momentum=False,  # the study states one momentum
    )


def shifted(
    images: Float[torch.Tensor, "image channel height width"], *, most: int, black: Float[torch.Tensor, "channel"]
) -> Float[torch.Tensor, "image channel height width"]:
    """Shift each image up or down and to the side by whole pixels, at most `most`, drawn from torch's random numbers.

    black: value of each channel that comes in from the edge.

    >>> moved = shifted(torch.ones(50, 1, 2, 2), most=1, black=torch.zeros(1))
    >>> sorted(set(moved.sum(dim=(1, 2, 3)).tolist()))   # nothing, a line or two lines are lost
    [1.0, 2.0, 4.0]
    """
    n, _, height, width = images.shape
    moves = torch.randint(-most, most + 1, (n, 2)).to(images.device)
    down, right = (
        torch.arange(size, device=images.device) - moves[:, axis, None] for axis, size in enumerate((height, width))
    )
    is_inside = ((down >= 0) & (down < height))[:, :, None] & ((right >= 0) & (right < width))[:, None, :]
    places = torch.arange(n, device=images.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[
        places, down.clamp(0, height - 1)[:, :, None], right.clamp(0, width - 1)[:, None]
    ]
    return torch.where(is_inside[..., None], moved, black).permute(0, 3, 1, 2)


def settle_normalisation(model: nn.Module, images: Iterable[Float[torch.Tensor, "_ channel height width"]]) -> None:
    """Set the running statistics of batch normalisation to the means over these batches, at the present weights.

    The moving averages of training lag behind the weights. Early in a short training (27 steps an epoch) a network
    classified 88 % of the digits with the statistics of a batch and 18 % with the moving averages: its recorded
    activations would be of a network that nobody trained. Wu & Johnson, Rethinking "Batch" in BatchNorm, 2021,
    section 3.1.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    layers = [layer for layer in layers if layer.track_running_stats]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over batches
    was_training = model.training
    model.train()
    with torch.no_grad():
        for batch in images:
            model(batch)
    model.train(was_training)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
