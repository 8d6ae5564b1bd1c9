"""Initial weights that a study names: tensors of a file, or weights of torchvision."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import nn

from featcx_core.images.torchvision_weights import torchvision_weights
from featcx_core.networks.safetensors_files import CheckpointError
from featcx_core.networks.state_dicts import read_state_dict
from featcx_core.study.fields import Model, StudyError

BUILT_WITH_WEIGHTS: Mapping[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True, "aux_logits": False, "init_weights": False},
    "inception_v3": {"transform_input": True, "init_weights": False},
}
"""Arguments that torchvision's builders change when they are given weights, beside size and outputs."""


def load_weights(model: nn.Module, study_model: Model) -> None:
    """Fill every tensor of the network from `model.weights`; code in a file is never run.

    Raises StudyError if the weights cannot be read or fetched, or belong to another network.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if path := study_model.weights_path:
        try:
            model.load_state_dict(read_state_dict(Path(path), wanted=wanted).tensors)
        except CheckpointError as error:
            raise StudyError(f"model.weights: {error}") from None
    else:
        tensors = _fetched(study_model)
        _refuse_others(study_model, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, wanted)
        model.load_state_dict({name: tensors[name] for name in wanted})  # all others belong to heads that are not built


def refuse_weights(study_model: Model, *, n_classes: int) -> None:
    """Raise StudyError, before the network is built, for unknown weights and for those of another network."""
    if not study_model.weights or study_model.weights_path:
        return
    kind, _, name = study_model.source.partition(":")
    weights = torchvision_weights(study_model.weights, model=name, field="model.weights")
    if kind != "torchvision":
        raise StudyError(
            f"model.weights: {weights} are of a network of torchvision, model.source is {study_model.source}; "
            "wanted a file, such as weights.pth"
        )
    n_outputs = len(weights.meta["categories"])
    if study_model.outputs == "classes" and n_outputs != n_classes:
        raise StudyError(
            f"model.weights: {weights} have {n_outputs} outputs, the data {n_classes} classes; state in model.outputs "
            "which output is which class"
        )


def _fetched(study_model: Model) -> Mapping[str, torch.Tensor]:
    """Return tensors from torch's own folder of downloads, downloaded into it if they are not there."""
    name = study_model.source.partition(":")[2]
    weights = torchvision_weights(study_model.weights, model=name, field="model.weights")
    try:
        with redirect_stdout(sys.stderr):  # where progress belongs
            tensors: Mapping[str, torch.Tensor] = weights.get_state_dict(
                progress=False, check_hash=True, map_location="cpu", weights_only=True
            )
    except Exception as error:  # no network, a proxy's page, a full disk, half a file
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        reason = (str(error).splitlines() or [""])[0]
        raise StudyError(
            f"model.weights: {weights} cannot be fetched from {weights.url} ({type(error).__name__}: {reason}); put "
            f"the file into {folder}, or name a file in model.weights"
        ) from error
    return tensors


def _refuse_others(
    study_model: Model, shapes: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise StudyError at the first tensor that is missing or of another shape."""
    for name, shape in wanted.items():
        if shapes.get(name) != shape:
            got = list(shapes[name]) if name in shapes else "none"
            raise StudyError(
                f"model.weights: {study_model.weights}: wanted {name} {list(shape)}, got {got}; they belong to another "
                f"network than {study_model.source} with {study_model.arguments}"
            )
