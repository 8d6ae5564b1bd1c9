"""A network's tensors in the files that training programs write: safetensors and files of PyTorch."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from featcx_core.networks.matching import Match, Shapes, match_tensors
from featcx_core.networks.safetensors_files import digest_safetensors, inspect_safetensors, tensor_heading
from featcx_core.networks.unpickling import unpickled

if TYPE_CHECKING:
    from torch import Tensor

_DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip


class StateDict(NamedTuple):
    """A network's tensors."""

    tensors: "dict[str, Tensor]"
    """Tensors by the network's names, on the CPU."""
    match: Match
    """Their place in the file."""


def is_safetensors(path: Path) -> bool:
    """Return True for a safetensors file, by its name."""
    return path.suffix == ".safetensors"


def match_safetensors(path: Path, *, wanted: Shapes, key: str = "auto") -> Match:
    """Find the network's tensors in a safetensors file, by its header. Raises as `read_state_dict`."""
    return match_tensors(path, {"": inspect_safetensors(path).shapes}, wanted=wanted, key=key)


def read_state_dict(path: Path, *, wanted: Shapes, key: str = "auto") -> StateDict:
    """Read the tensors of a file that fit a network with parameters and buffers of these names and shapes.

    `key` names the dictionary that holds them, or a prefix in it; `auto` takes the one that fits, an average of weights
    only if no other does. Counters of batch normalisation may be missing: they become 0.

    Raises CheckpointError if the file cannot be read, holds more than tensors, or is of another network.
    """
    import torch

    dictionaries = _safetensors(path) if is_safetensors(path) else dict(unpickled(path))
    shapes = {name: {k: tuple(t.shape) for k, t in tensors.items()} for name, tensors in dictionaries.items()}
    match = match_tensors(path, shapes, wanted=wanted, key=key)
    tensors = {name: dictionaries[match.key][stored] for name, stored in match.names.items()}
    tensors |= {name: torch.zeros((), dtype=torch.int64) for name in wanted if name not in tensors}
    return StateDict(tensors, match)


def tensor_shapes(path: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return names and shapes in every dictionary of tensors of a file, by its keys. Raises as `read_state_dict`."""
    if is_safetensors(path):
        return {"": inspect_safetensors(path).shapes}
    return {key: {name: tuple(tensor.shape) for name, tensor in held.items()} for key, held in unpickled(path)}


def contents(path: Path, *, wanted: Shapes, key: str = "auto") -> tuple[str, Match]:
    """Return a digest of the network's tensors in a file, the same in every format, and their place in it.

    Torch is loaded only for its own files. Raises as `read_state_dict`.
    """
    if is_safetensors(path):
        match = match_safetensors(path, wanted=wanted, key=key)
        return digest_safetensors(path, match.names), match
    state = read_state_dict(path, wanted=wanted, key=key)
    return tensors_digest(state), state.match


def tensors_digest(state: StateDict) -> str:
    """Return the digest of tensors that were read: the same that `contents` gives of their file."""
    digest = hashlib.sha256()
    for name in sorted(state.match.names):
        tensor = state.tensors[name].contiguous()
        dtype = str(tensor.dtype).removeprefix("torch.")
        digest.update(tensor_heading(name, _DTYPES.get(dtype, dtype), tuple(tensor.shape)))
        digest.update(_bytes(tensor))
    return digest.hexdigest()[:16]


def _bytes(tensor: "Tensor") -> Any:
    import torch

    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _safetensors(path: Path) -> "Mapping[str, dict[str, Tensor]]":
    from safetensors.torch import load

    inspect_safetensors(path)  # its errors say more
    return {"": load(path.read_bytes())}  # not mapped: a file that is replaced meanwhile would end the process
