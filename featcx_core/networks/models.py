"""Networks by name, and the device they run on."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from featcx_core.networks.raised import raised
from featcx_core.networks.small_resnet import SmallResNet
from featcx_core.networks.weights import BUILT_WITH_WEIGHTS, load_weights, refuse_weights
from featcx_core.networks.xor_chain import XorChain
from featcx_core.study.fields import Model, Study, StudyError
from featcx_core.study.nearest import nearest

SOURCES = ("builtin:small_resnet", "builtin:xor_chain", "torchvision:NAME", "timm:NAME", "package.module:factory")
"""Where networks can come from."""


def torch_device(name: str = "auto") -> torch.device:
    """The device of that name; `auto`: CUDA, else Apple's GPU, else the CPU.

    Raises StudyError for a name that torch does not know, or a device that is not there.
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
    """The device for codes and sums, which take float64: `torch_device`'s where it has that, else the CPU."""
    device = torch_device(name)
    return torch.device("cpu") if device.type == "mps" else device


def on_device(model: nn.Module, device: torch.device) -> nn.Module:
    """The model there, channels last: 1.5 times as fast on convolutions."""
    return model.to(device).to(memory_format=torch.channels_last)


def build_model(
    study: Study, *, n_classes: int, image_shape: tuple[int, int, int], is_filled: bool = False
) -> nn.Module:
    """The study's network with its initial weights, which follow from the study's seed, on the CPU.

    A `package.module:factory` is called with the study's arguments alone. A network by name has an output a class,
    unless the study says in `model.outputs` that they are others; a transformer is told the images' size, unless the
    study does. `model.weights` take the place of random numbers. The global random state is left as it was.
    Where a checkpoint fills it next, `is_filled`, the random values of networks that are known to have no others than
    in their checkpoints are not drawn: 0.3 s for a ResNet-18, as much as a hundred images.
    Raises StudyError for an unknown source, a factory that raises or gives no module, and weights that cannot be used.
    """
    source, chosen = study.model.source, study.model.arguments
    refuse_weights(study.model, n_classes=n_classes)
    factory, fixed, defaults = _factory(study.model, n_classes=n_classes, image_shape=image_shape)
    if taken := sorted(fixed.keys() & chosen.keys()):
        raise StudyError(f"model.arguments: {taken[0]} is not to be chosen here; {_INSTEAD[taken[0]]}")
    undrawn = is_filled and source.startswith(("builtin:", "torchvision:"))
    with torch.random.fork_rng(devices=[]), _Undrawn() if undrawn else nullcontext():
        torch.default_generator.manual_seed(study.seed)  # torch.manual_seed would seed the GPUs as well
        try:
            model = factory(**fixed, **{**defaults, **chosen})
        except Exception as error:  # a factory may raise whatever it likes
            raise StudyError(f"model: {source} with arguments {chosen} raised {raised(error)}") from error
    if not isinstance(model, nn.Module):
        raise StudyError(f"model.source: wanted {source} to give a torch.nn.Module, got {type(model).__name__}")
    if study.model.weights and not is_filled:
        load_weights(model, study.model)
    return model


_OUTPUTS = "it is the number of classes, unless model.outputs says that the outputs are others"
_INSTEAD = {
    "n_classes": _OUTPUTS,
    "num_classes": _OUTPUTS,
    "channels": "the images have so many",
    "in_chans": "the images have so many",
    "weights": "name them in model.weights",
    "pretrained": "name a file in model.weights",
}


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
    """Zeros where a module would fill a tensor with random numbers."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in _DRAWS:
            with torch.no_grad():
                return (args[0] if args else kwargs["tensor"]).zero_()
        return function(*args, **kwargs)


def _factory(
    model: Model, *, n_classes: int, image_shape: tuple[int, int, int]
) -> tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]:
    """What makes the network, the arguments that are not the study's to choose, and defaults that it may change."""
    kind, _, name = model.source.partition(":")
    outputs = {"num_classes": n_classes} if model.outputs == "classes" else {}
    if model.source == "builtin:small_resnet":
        own, channels = {"n_classes": n_classes}, {"channels": image_shape[0]}
        return SmallResNet, channels | (own if outputs else {}), {} if outputs else own
    if model.source == "builtin:xor_chain":
        return XorChain, {"n_classes": n_classes}, {}
    if kind == "torchvision" and name:
        from torchvision import models

        if name not in models.list_models():
            raise StudyError(f"model.source: torchvision has no model {name!r}; {nearest(name, models.list_models())}")
        builder = models.get_model_builder(name)
        as_built = BUILT_WITH_WEIGHTS.get(name, {}) if model.weights and not model.weights_path else {}
        return builder, {"weights": None, **outputs}, _image_size(builder, image_shape) | as_built
    if kind == "timm" and name:
        timm = _timm()
        if not timm.is_model(name):
            raise StudyError(f"model.source: timm has no model {name!r}; {nearest(name, timm.list_models())}")
        fixed = {"pretrained": False, "in_chans": image_shape[0], **outputs}
        return partial(timm.create_model, name), fixed, _image_size(timm.model_entrypoint(name), image_shape)
    if kind in ("builtin", "torchvision", "timm") or not name:
        raise StudyError(f"model.source: unknown source {model.source!r}; {nearest(model.source, SOURCES)}")
    return _imported(kind, name, model.folder), {}, {}


def _imported(module: str, name: str, folder: str) -> Any:
    """The factory of that name, or dotted names, `Network.from_name`; of an installed package or below the folder."""
    if folder and folder not in sys.path:
        sys.path.append(folder)  # at the end: a file there must not stand in for a package of the same name
    try:
        found: Any = import_module(module)
    except Exception as error:  # importing runs the module
        where = f"does it lie in {folder} (model.folder)" if folder else "its folder on PYTHONPATH"
        raise StudyError(
            f"model.source: {module}:{name}: {raised(error)}; is the package installed, or {where}?"
        ) from error
    _refuse_other_module(module, found, folder)
    for part in name.split("."):
        if not hasattr(found, part):
            known = [known for known in dir(found) if callable(getattr(found, known, None))]
            raise StudyError(f"model.source: {module}:{name}: there is no {part!r}; {nearest(part, known)}")
        found = getattr(found, part)
    if not callable(found):
        raise StudyError(f"model.source: wanted {module}:{name} to be a function, got {type(found).__name__}")
    return found


def _refuse_other_module(module: str, found: Any, folder: str) -> None:
    """Raises StudyError where a module of that name lies in the folder, and another one was imported."""
    top, came_from = module.partition(".")[0], getattr(found, "__file__", None)
    lies_there = folder and any((Path(folder) / name).is_file() for name in (f"{top}.py", f"{top}/__init__.py"))
    if lies_there and came_from and not Path(came_from).resolve().is_relative_to(Path(folder).resolve()):
        raise StudyError(f"model.source: wanted {module} of {folder}, got that of {came_from}; give it another name")


def _timm() -> Any:
    try:
        return import_module("timm")
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise StudyError("model.source: timm is not installed; try pip install 'featcx[timm]'") from None


def _image_size(builder: Callable[..., Any], image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """The images' size for a network that must be told, a transformer; read off the class that the builder declares."""
    made = builder.__annotations__.get("return")
    takes = signature(made).parameters if isinstance(made, type) else {}
    sizes = {"image_size": image_shape[1], "img_size": image_shape[1:]}  # torchvision's, square; timm's
    return {name: size for name, size in sizes.items() if name in takes}
