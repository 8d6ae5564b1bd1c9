"""Image classifiers of Hugging Face: of timm (`hf-hub:`) and of transformers, by name on the hub or in a local folder.

The network is built from its configuration; its weights are a checkpoint like any other (`hub_weights` finds the file).
Code from the hub is never run.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from featcx_core.networks.raised import raised
from featcx_core.networks.state_dicts import tensor_shapes
from featcx_core.study.fields import Model, StudyError

HUBS = ("hf-hub", "transformers")
"""Kinds of sources that name a repository of the hub, or a folder that lies as one."""
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def of_timm(model: Model, *, channels: int) -> Callable[..., nn.Module]:
    """Return the factory of timm's network in a repository or folder. Raises StudyError without timm."""
    timm = _installed("timm", extra="timm")
    place = model.source.partition(":")[2]
    _refuse_folder(model)
    name = f"local-dir:{place}" if model.hub_folder else f"hf-hub:{place}"

    def make(**arguments: Any) -> nn.Module:
        made: nn.Module = timm.create_model(name, pretrained=False, in_chans=channels, **arguments)
        return made

    return make


def of_transformers(model: Model) -> Callable[..., nn.Module]:
    """Return the factory of an image classifier of transformers, whose output is its logits alone.

    Raises StudyError without transformers.
    """
    transformers = _installed("transformers", extra="transformers")
    place = model.source.partition(":")[2]
    _refuse_folder(model)

    def make(**arguments: Any) -> nn.Module:
        config = transformers.AutoConfig.from_pretrained(place, trust_remote_code=False, **arguments)
        made: nn.Module = transformers.AutoModelForImageClassification.from_config(config, trust_remote_code=False)
        made.register_forward_hook(_logits)
        return made

    return make


def renamed_weights(model: Model, path: Path, *, into: Path) -> Path:
    """Return a file of weights whose names are the network's: `path`, or `into`, which is written.

    Files of transformers have the names of its earlier versions, which it translates when it reads them.

    Raises StudyError where there is such a file already.
    """
    if model.source.partition(":")[0] != "transformers":
        return path
    place = model.source.partition(":")[2]
    network = _installed("transformers", extra="transformers").AutoModelForImageClassification.from_pretrained(place)
    wanted = network.state_dict()
    if any(wanted.keys() <= shapes.keys() for shapes in tensor_shapes(path).values()):
        return path
    if into.exists():
        raise StudyError(f"{into} is there already and is not written over; choose another name")
    save_file({name: tensor.contiguous() for name, tensor in wanted.items()}, into)
    return into


def hub_weights(model: Model) -> Path:
    """Return the file of a repository's weights: in its folder, or fetched into the hub's own cache.

    Raises StudyError where there is none, or it cannot be fetched.
    """
    place = model.source.partition(":")[2]
    if model.hub_folder:
        _refuse_folder(model)
        for name in _WEIGHTS:
            if (Path(place) / name).is_file():
                return Path(place) / name
        raise StudyError(f"model.source: {place} holds no weights; wanted {' or '.join(_WEIGHTS)}")
    hub, reasons = _installed("huggingface_hub", extra="timm"), list[str]()
    for name in _WEIGHTS:
        try:
            for about in ("config.json", "preprocessor_config.json"):
                _fetched(hub, place, about)
            return Path(hub.hf_hub_download(place, name))
        except Exception as error:  # no network, no such repository, a full disk
            reasons.append(raised(error).partition("\n")[0])
    raise StudyError(f"model.source: the weights of {place} cannot be fetched ({reasons[0]}); name a local folder")


def _fetched(hub: Any, place: str, name: str) -> None:
    try:
        hub.hf_hub_download(place, name)
    except Exception as error:  # not every repository has each of them
        if "404" not in str(error) and "EntryNotFound" not in type(error).__name__:
            raise


def _logits(model: nn.Module, inputs: Any, output: Any) -> Any:
    return output.logits if hasattr(output, "logits") else output


def _refuse_folder(model: Model) -> None:
    if model.hub_folder and not (Path(model.hub_folder) / "config.json").is_file():
        raise StudyError(f"model.source: no config.json in {model.hub_folder}; wanted a folder as on the hub")


def _installed(package: str, *, extra: str) -> Any:
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise StudyError(f"model.source: {package} is not installed; try pip install 'featcx[{extra}]'") from None
