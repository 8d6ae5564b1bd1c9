"""Factories of networks by source: built in, of torchvision, of timm, or a function of an imported module."""

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

from featcx_core.networks.allowed import refuse_foreign_code, refuse_other_than_networks
from featcx_core.networks.hub import HUBS, of_timm, of_transformers
from featcx_core.networks.raised import raised
from featcx_core.networks.small_resnet import SmallResNet
from featcx_core.networks.weights import BUILT_WITH_WEIGHTS
from featcx_core.networks.xor_chain import XorChain, XorTwins
from featcx_core.study.fields import Model, StudyError
from featcx_core.study.nearest import nearest

SOURCES = (
    "builtin:small_resnet",
    "builtin:xor_chain",
    "builtin:xor_twins",
    "torchvision:NAME",
    "timm:NAME",
    "hf-hub:ORG/NAME",
    "transformers:ORG/NAME",
    "package.module:factory",
)
"""All sources of networks."""


class Factory(NamedTuple):
    """A function that makes a network, and its arguments beside the study's."""

    make: Callable[..., Any]
    """The function."""
    fixed: dict[str, Any]
    """Arguments that the study may not choose."""
    defaults: dict[str, Any]
    """Arguments that the study may choose otherwise."""


def factory_of(model: Model, *, n_classes: int, image_shape: tuple[int, int, int]) -> Factory:
    """Return the factory of a study's network. Raises StudyError for an unknown source."""
    kind, _, name = model.source.partition(":")
    outputs = {"num_classes": n_classes} if model.outputs == "classes" else {}
    if model.source == "builtin:small_resnet":
        classes, channels = {"n_classes": n_classes}, {"channels": image_shape[0]}
        return Factory(SmallResNet, channels | (classes if outputs else {}), {} if outputs else classes)
    if model.source in ("builtin:xor_chain", "builtin:xor_twins"):
        chain = XorChain if model.source == "builtin:xor_chain" else XorTwins
        return Factory(chain, {"n_classes": n_classes}, {})
    if kind == "torchvision" and name:
        from torchvision import models

        if name not in models.list_models():
            raise StudyError(f"model.source: torchvision has no model {name!r}; {nearest(name, models.list_models())}")
        builder = models.get_model_builder(name)
        as_built = BUILT_WITH_WEIGHTS.get(name, {}) if model.weights and not model.weights_path else {}
        return Factory(builder, {"weights": None, **outputs}, _image_size(builder, image_shape) | as_built)
    if kind == "timm" and name:
        timm = _timm()
        if not timm.is_model(name):
            raise StudyError(f"model.source: timm has no model {name!r}; {nearest(name, timm.list_models())}")
        fixed = {"pretrained": False, "checkpoint_path": "", "in_chans": image_shape[0], **outputs}
        return Factory(partial(timm.create_model, name), fixed, _image_size(timm.model_entrypoint(name), image_shape))
    if kind == "hf-hub" and name:
        return Factory(of_timm(model, channels=image_shape[0]), {}, {})
    if kind == "transformers" and name:
        return Factory(of_transformers(model), {}, {})
    if kind in ("builtin", "torchvision", "timm", *HUBS) or not name:
        raise StudyError(f"model.source: unknown source {model.source!r}; {nearest(model.source, SOURCES)}")
    return Factory(_imported(kind, name, model.folder), {}, {})


def _imported(module: str, name: str, folder: str) -> Any:
    """Import the factory of that name, also a dotted one, `Network.from_name`; of a package or below the folder."""
    if folder and folder not in sys.path:
        sys.path.append(folder)  # at the end: a file there must not stand in for a package of the same name
    refuse_foreign_code(f"{module}:{name}", module, origin=_origin(module), folder=folder)
    try:
        place: Any = import_module(module)
    except Exception as error:  # importing runs the module
        where = f"does it lie in {folder} (model.folder)" if folder else "its folder on PYTHONPATH"
        raise StudyError(
            f"model.source: {module}:{name}: {raised(error)}; is the package installed, or {where}?"
        ) from error
    _refuse_other_module(module, place, folder)
    for part in name.split("."):
        if not hasattr(place, part):
            functions = [function for function in dir(place) if callable(getattr(place, function, None))]
            raise StudyError(f"model.source: {module}:{name}: there is no {part!r}; {nearest(part, functions)}")
        place = getattr(place, part)
    if not callable(place):
        raise StudyError(f"model.source: wanted {module}:{name} to be a function, got {type(place).__name__}")
    refuse_other_than_networks(f"{module}:{name}", place)
    return place


def _origin(module: str) -> str | None:
    """Return the file, or the folder, that an import would run first; None where there is none."""
    top = module.partition(".")[0]
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    folders = [*(spec.submodule_search_locations or ())] if spec else []
    return (spec.origin if spec and spec.has_location else None) or (folders[0] if folders else None)


def _refuse_other_module(module: str, imported: Any, folder: str) -> None:
    """Raise StudyError if a module of that name lies in the folder, and another one was imported."""
    top, came_from = module.partition(".")[0], getattr(imported, "__file__", None)
    lies_there = folder and any((Path(folder) / name).is_file() for name in (f"{top}.py", f"{top}/__init__.py"))
    if lies_there and came_from and not Path(came_from).resolve().is_relative_to(Path(folder).resolve()):
        raise StudyError(
            f"model.source: {top} lies in {folder} and is imported from {came_from}, which Python finds first; rename "
            f"the copy in the folder, or uninstall the other one (pip uninstall {top}) to use the copy"
        )


def _timm() -> Any:
    try:
        return import_module("timm")
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise StudyError("model.source: timm is not installed; try pip install 'featcx[timm]'") from None


def _image_size(builder: Callable[..., Any], image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Return the argument for the images' size, if the class that the builder declares takes one (transformers do)."""
    made = builder.__annotations__.get("return")
    takes = signature(made).parameters if isinstance(made, type) else {}
    sizes = {"image_size": image_shape[1], "img_size": image_shape[1:]}  # torchvision's, square; timm's
    return {name: size for name, size in sizes.items() if name in takes}
