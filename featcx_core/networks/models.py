"""Networks by name, and the device they run on."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from featcx_core.networks.raised import raised
from featcx_core.networks.sources import factory_of
from featcx_core.networks.weights import load_weights, refuse_weights
from featcx_core.study.fields import Study, StudyError

_OUTPUTS = "it is the number of classes, unless model.outputs says that the outputs are others"
_INSTEAD = {
    "n_classes": _OUTPUTS,
    "num_classes": _OUTPUTS,
    "channels": "the images have so many",
    "in_chans": "the images have so many",
    "weights": "name them in model.weights",
    "pretrained": "name a file in model.weights",
    "checkpoint_path": "name a file in model.weights",
}
"""Arguments that a study may not choose, and where they come from."""


def torch_device(name: str = "auto") -> torch.device:
    """Return the device of that name; `auto`: CUDA, else Apple's GPU, else the CPU.

    Raises StudyError for a name that torch does not know, or a device that this machine lacks.
    """
    if name != "auto":
        try:
            return torch.empty(0, device=name).device
        except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
            reason = str(error).splitlines()[0]
            raise StudyError(f"device {name!r} cannot be used here; wanted auto, cpu, cuda or mps ({reason})") from None
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def sums_device(name: str = "auto") -> torch.device:
    """Return the device for codes and sums, which take float64: that of `torch_device`, or the CPU if it has none."""
    device = torch_device(name)
    return torch.device("cpu") if device.type == "mps" else device


def on_device(model: nn.Module, device: torch.device) -> nn.Module:
    """Move the model to a device, channels last: 1.5 times as fast on convolutions."""
    return model.to(device).to(memory_format=torch.channels_last)


def build_model(
    study: Study, *, n_classes: int, image_shape: tuple[int, int, int], is_filled: bool = False
) -> nn.Module:
    """Build the study's network with its initial weights, which follow from the study's seed, on the CPU.

    A `package.module:factory` is called with the study's arguments alone. A network by name has one output a class,
    unless `model.outputs` states others; a transformer is told the images' size, unless the study states it.
    `model.weights` replace the random numbers. The global random state is left as it was.

    `is_filled`: a checkpoint fills the network next. Then the random numbers of built-in networks and of torchvision's
    are not drawn: they take 0.3 s for a ResNet-18, as much as a hundred images, and 2.5 s for a ViT-B/16.

    Raises StudyError for an unknown source, a factory that raises or gives no module, and weights that cannot be used.
    """
    source, chosen = study.model.source, study.model.arguments
    refuse_weights(study.model, n_classes=n_classes)
    factory = factory_of(study.model, n_classes=n_classes, image_shape=image_shape)
    if taken := sorted(factory.fixed.keys() & chosen.keys()):
        raise StudyError(f"model.arguments: {taken[0]} is not to be chosen here; {_INSTEAD[taken[0]]}")
    undrawn = is_filled and source.startswith(("builtin:", "torchvision:"))
    with torch.random.fork_rng(devices=[]), _Undrawn() if undrawn else nullcontext():
        torch.default_generator.manual_seed(study.seed)  # torch.manual_seed would seed the GPUs as well
        try:
            model = factory.make(**factory.fixed, **{**factory.defaults, **chosen})
        except Exception as error:  # a factory may raise whatever it likes
            raise StudyError(f"model: {source} with arguments {chosen} raised {raised(error)}") from error
    if not isinstance(model, nn.Module):
        raise StudyError(f"model.source: wanted {source} to give a torch.nn.Module, got {type(model).__name__}")
    if study.model.weights and not is_filled:
        load_weights(model, study.model)
    if study.data.transform.bgr:
        model.register_forward_pre_hook(_reversed_colours)
    return model


def _reversed_colours(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Give the network blue, green, red of images in red, green, blue, which stay as they are elsewhere."""
    images, *others = inputs
    return (images.flip(1), *others)


_DRAWS = {
    torch.Tensor.normal_,
    torch.Tensor.uniform_,
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.trunc_normal_,
    nn.init.kaiming_normal_,
    nn.init.kaiming_uniform_,
    nn.init.xavier_normal_,
    nn.init.xavier_uniform_,
}


class _Undrawn(TorchFunctionMode):
    """Zeros in place of the random numbers with which a module fills a tensor.

    The meta device does not serve: torchvision's RegNets cannot be built on it, and a buffer that no checkpoint holds
    would be left without values. `torch.nn.utils.skip_init` takes single modules, not the factories of networks.
    """

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in _DRAWS:
            with torch.no_grad():
                return (args[0] if args else kwargs["tensor"]).zero_()
        return function(*args, **kwargs)
