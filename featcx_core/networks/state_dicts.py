"""A network's tensors out of the files that training programs write.

Files of PyTorch are read with `weights_only=True`: what is more than tensors, numbers and text is never unpickled,
since that runs code. The tensors may lie deep in dictionaries (`state_dict`, `model`, `ema.module`), beside those of an
optimizer, and their names may begin with what wrappers add (`module.`, `_orig_mod.`, `model.`).
"""

import argparse
import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from featcx_core.networks.safetensors_files import (
    CheckpointError,
    Unreadable,
    digest_safetensors,
    inspect_safetensors,
    tensor_heading,
)

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]
_COUNTER = "num_batches_tracked"  # of batch normalisation: plays no part in evaluation, and old files lack it
_COMPILED = "_orig_mod."  # torch.compile puts it before the names of what it wraps, at any depth
_DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip


class Match(NamedTuple):
    """Which tensors of a file are the network's."""

    key: str
    """Keys of the dictionary that holds them, dots between them; empty: the file itself."""
    prefix: str
    """What their names begin with beyond the network's own."""
    names: dict[str, str]
    """The network's name -> the file's."""
    others: tuple[str, ...] = ()
    """Further places that fit."""

    @property
    def place(self) -> str:
        """What `checkpoints.weights` calls it: keys and prefix, dots between them."""
        return ".".join(part for part in (self.key, self.prefix.removesuffix(".")) if part)

    def __str__(self) -> str:
        said = [
            f"weights of {self.key}" if self.key else "",
            f"without the prefix {self.prefix}" if self.prefix else "",
        ]
        said += [f"not those of {', '.join(self.others)}, which fit too (checkpoints.weights)" if self.others else ""]
        return ", ".join(part for part in said if part)


class StateDict(NamedTuple):
    """A network's tensors."""

    tensors: "dict[str, Tensor]"
    """By the network's names, on the CPU."""
    match: Match
    """Where they were found."""


def is_safetensors(path: Path) -> bool:
    """Whether a file is one, by its name."""
    return path.suffix == ".safetensors"


def match_safetensors(path: Path, *, wanted: Shapes, key: str = "auto") -> Match:
    """Which tensors of a safetensors file are the network's, from its header. Raises CheckpointError for another's."""
    return _match(path, {"": inspect_safetensors(path).shapes}, wanted, key)


def read_state_dict(path: Path, *, wanted: Shapes, key: str = "auto") -> StateDict:
    """The tensors of a file that fit a network with parameters and buffers of these names and shapes.

    `key` names the dictionary that holds them, or a prefix in it; `auto` takes the one that fits, an average of weights
    only where no other does. Counters of batch normalisation may be missing: they become 0.
    Raises CheckpointError when the file cannot be read, holds more than tensors, or is of another network.
    """
    import torch

    dictionaries = _safetensors(path) if is_safetensors(path) else dict(_dictionaries(_unpickled(path)))
    shapes = {name: {k: tuple(t.shape) for k, t in held.items()} for name, held in dictionaries.items()}
    found = _match(path, shapes, wanted, key)
    tensors = {name: dictionaries[found.key][there] for name, there in found.names.items()}
    tensors |= {name: torch.zeros((), dtype=torch.int64) for name in wanted if name not in tensors}
    return StateDict(tensors, found)


def tensor_shapes(path: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    """Names and shapes in every dictionary of tensors of a file, by its keys. Raises as `read_state_dict`."""
    if is_safetensors(path):
        return {"": inspect_safetensors(path).shapes}
    found = _dictionaries(_unpickled(path))
    return {key: {name: tuple(tensor.shape) for name, tensor in held.items()} for key, held in found}


def contents(path: Path, *, wanted: Shapes, key: str = "auto") -> tuple[str, Match]:
    """Digest of the network's tensors in a file, the same in every format, and where they lie in it.

    Torch is loaded only for its own files. Raises as `read_state_dict`.
    """
    if is_safetensors(path):
        found = match_safetensors(path, wanted=wanted, key=key)
        return digest_safetensors(path, found.names), found
    tensors, found = read_state_dict(path, wanted=wanted, key=key)
    digest = hashlib.sha256()
    for name in sorted(found.names):
        tensor = tensors[name].contiguous()
        dtype = str(tensor.dtype).removeprefix("torch.")
        digest.update(tensor_heading(name, _DTYPES.get(dtype, dtype), tuple(tensor.shape)))
        digest.update(_bytes(tensor))
    return digest.hexdigest()[:16], found


def _bytes(tensor: "Tensor") -> Any:
    import torch

    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _match(path: Path, dictionaries: Mapping[str, Shapes], wanted: Shapes, key: str) -> Match:
    if not dictionaries:
        raise CheckpointError(f"{path} holds no tensors; wanted {len(wanted)}")
    fitting: list[Match] = []
    errors: dict[str, CheckpointError] = {}
    for name, shapes in dictionaries.items():
        try:
            fitting += _fits(path, name, shapes, wanted)
        except CheckpointError as error:
            errors[name] = error
    fitting.sort(key=lambda found: _is_average(found.place))
    if key in errors:
        raise errors[key]
    if not fitting and key == "auto":
        raise errors[max(errors, key=lambda name: len(dictionaries[name]))]  # the largest is the one that was meant
    chosen = [found for found in fitting if key in ("auto", found.key, found.place)]
    if not chosen:
        places = dict.fromkeys(name for name in (*dictionaries, *(found.place for found in fitting)) if name)
        there = ", ".join(places) or "the file itself"
        raise CheckpointError(f"{path}: checkpoints.weights = {key!r} is not in it; dictionaries of tensors: {there}")
    one, *others = chosen
    return one._replace(others=tuple(found.place or "the file itself" for found in others))


def _fits(path: Path, key: str, shapes: Shapes, wanted: Shapes) -> list[Match]:
    """The network's tensors in one dictionary, which may hold them several times, behind other prefixes.

    Raises CheckpointError where they are not in it.
    """
    clean = {name.replace(_COMPILED, ""): name for name in shapes}
    fitting, errors = [], []
    for prefix in _prefixes(clean, wanted):
        try:
            fitting.append(_fitted(path, key, clean, prefix, shapes, wanted))
        except CheckpointError as error:
            errors.append(error)
    if not fitting:
        raise errors[0]
    return fitting


def _is_average(key: str) -> bool:
    return re.search(r"ema|averag|swa", key.lower()) is not None


def _fitted(path: Path, key: str, clean: Mapping[str, str], prefix: str, shapes: Shapes, wanted: Shapes) -> Match:
    here = {name.removeprefix(prefix): there for name, there in clean.items() if name.startswith(prefix)}
    where, advice = f"{path}{f' ({key})' if key else ''}", "it belongs to another network"
    if missing := [name for name in wanted if name not in here and not name.endswith(_COUNTER)]:
        listed = _first(missing)
        raise CheckpointError(
            f"{where}: wanted {len(wanted)} tensors, {len(missing)} missing, first {listed}; {advice}"
        )
    if unknown := [name for name in here if name not in wanted]:
        listed = _first(unknown)
        raise CheckpointError(
            f"{where}: wanted {len(wanted)} tensors, {len(unknown)} unknown, first {listed}; {advice}"
        )
    names = {name: here[name] for name in wanted if name in here}
    if unequal := [name for name, there in names.items() if shapes[there] != wanted[name]]:
        said = f"wanted {unequal[0]} {list(wanted[unequal[0]])}, got {list(shapes[names[unequal[0]]])}"
        more = f", and {len(unequal) - 1} more of other shapes" if len(unequal) > 1 else ""
        raise CheckpointError(f"{where}: {said}{more}; {advice}")
    return Match(key, prefix, names)


def _prefixes(names: Mapping[str, str], wanted: Shapes) -> list[str]:
    """What most of the network's names stand behind, of those in the file: one, or several as often; "" for none."""
    votes: Counter[str] = Counter()
    for name in [name for name in wanted if not name.endswith(_COUNTER)][:8]:
        found = (there.removesuffix(name) for there in names if there.endswith(name))
        votes.update(prefix for prefix in found if not prefix or prefix.endswith("."))
    most = max(votes.values(), default=0)
    return sorted((prefix for prefix in votes if votes[prefix] == most), key=len) or [""]


def _first(names: list[str]) -> str:
    return ", ".join(sorted(names)[:3])


def _safetensors(path: Path) -> "dict[str, dict[str, Tensor]]":
    from safetensors.torch import load

    inspect_safetensors(path)  # says better what is wrong
    return {"": load(path.read_bytes())}  # not mapped: a file that is replaced meanwhile would end the process


def _dictionaries(content: Any, key: str = "") -> "Iterator[tuple[str, dict[str, Tensor]]]":
    """Every dictionary with tensors in it, the outer ones first."""
    import torch

    if not isinstance(content, Mapping):
        return
    tensors = {name: held.detach() for name, held in content.items() if isinstance(name, str) and torch.is_tensor(held)}
    if tensors:
        yield key, tensors
    for name, held in content.items():
        yield from _dictionaries(held, f"{key}.{name}" if key else str(name))


_OF_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files begin that torch.save wrote before it wrote zip archives; any other pickle is not its own."""


def _unpickled(path: Path) -> Any:
    import pickle

    import torch

    try:
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror or error}") from None
    except pickle.UnpicklingError as error:
        if held := re.search(r"(?:GLOBAL|global|class):? ([\w.]*\w\.\w+)", str(error)):
            raise CheckpointError(
                f"{path} holds more than tensors ({held[1]}) and is not unpickled, which would run code; "
                "save model.state_dict() instead"
            ) from None
        raise _damaged(path, error) from None
    except Exception as error:  # a damaged file fails in many ways
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> CheckpointError:
    with path.open("rb") as file:
        head = file.read(len(_OF_TORCH))
    if head.startswith(b"\x80") and head != _OF_TORCH:
        return CheckpointError(
            f"{path} is a pickle that torch.save did not write; try torch.save(model.state_dict(), …) or safetensors"
        )
    said = re.search(r"WeightsUnpickler error: (.*)", str(error))
    reason = said[1] if said else (str(error).splitlines() or [type(error).__name__])[0]
    return CheckpointError(f"{path} is truncated, corrupt or no file of PyTorch ({reason[:120]}); copy it again")


def _harmless() -> list[Any]:
    """Beyond what PyTorch allows: settings and single numbers beside the weights. They run nothing."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    return [argparse.Namespace, np.dtype, scalar, *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "?"))]
