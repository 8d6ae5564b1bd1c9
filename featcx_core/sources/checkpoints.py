"""Checkpoints: safetensors files with the epoch's metrics in their metadata.

Reading headers, digests and the head needs no torch, so what is stale is known in milliseconds. The format
(https://github.com/huggingface/safetensors#format): 8 bytes little-endian length, a JSON header, the tensors' bytes.
"""

import hashlib
import json
import math
import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from featcx_core.anatomy import Anatomy
from featcx_core.fingerprints import Fingerprints
from featcx_core.store import Store, write_bytes

if TYPE_CHECKING:
    from torch import Tensor, nn

_BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_LONGEST_HEADER = 100_000_000  # the format's own limit
_CHUNK = 1 << 20


class CheckpointError(ValueError):
    """A checkpoint file that cannot be used; the message is one line that names file and reason."""


class Entry(NamedTuple):
    """Where a tensor lies in a file."""

    dtype: str
    """As safetensors spells it: F32, I64, …"""
    shape: tuple[int, ...]
    """Its shape."""
    begin: int
    """First byte in the file."""
    end: int
    """One past the last."""


class Header(NamedTuple):
    """What a checkpoint file says about itself."""

    tensors: dict[str, Entry]
    """By name."""
    metadata: dict[str, str]
    """`metrics` (JSON), and `training`: the fingerprint of the training that wrote it."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor, by name."""
        return {name: entry.shape for name, entry in self.tensors.items()}


class Survey(NamedTuple):
    """The checkpoint files that are there."""

    digests: dict[int, str]
    """Digest of the tensors of every usable checkpoint, by epoch."""
    bad: dict[int, str]
    """Why a file cannot be used, by epoch."""


def write_checkpoint(
    path: Path, state_dict: "Mapping[str, Tensor]", *, metrics: dict[str, float | None], made_by: str
) -> None:
    """Write a model's tensors with its metrics, whole or not at all; `made_by` is the training's fingerprint."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state_dict.items()}
    write_bytes(path, save(tensors, metadata={"metrics": json.dumps(metrics), "training": made_by}))


def inspect_checkpoint(path: Path) -> Header:
    """Names, shapes and metadata of a checkpoint file, after checking that all its bytes are there.

    Raises CheckpointError when the file is missing, truncated, corrupt or of another format.
    """
    try:
        status = path.stat()
        return _inspected(path, status.st_ino, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None


@lru_cache(maxsize=4096)
def _inspected(path: Path, inode: int, size: int, changed: int) -> Header:
    """What `inspect_checkpoint` gives, read once as long as the file is the same: all who ask what is stale ask it."""
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        text = file.read(length) if length <= _LONGEST_HEADER else b""
    if size < 8 or (length <= _LONGEST_HEADER and len(text) < length):
        raise CheckpointError(f"{path} is truncated: wanted at least {8 + length} bytes, got {size}; copy it again")
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__", {})
        tensors = {name: _entry(value, 8 + length) for name, value in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise CheckpointError(f"{path} is not a safetensors file (or its header is corrupt); copy it again") from None
    end = max((entry.end for entry in tensors.values()), default=8 + length)
    if size != end:
        state = "is truncated" if size < end else "is corrupt"
        raise CheckpointError(f"{path} {state}: wanted {end} bytes, got {size}; copy it again")
    for name, (dtype, shape, begin, stop) in tensors.items():
        if stop - begin != math.prod(shape) * _BYTES.get(dtype, 1):
            raise CheckpointError(f"{path} is corrupt: {name} {dtype} {list(shape)} has {stop - begin} bytes")
    return Header(tensors, metadata)


def checkpoint_digest(path: Path) -> str:
    """Digest of the tensors: sorted names, types, shapes and bytes; metadata does not count.

    Remembered in `.digests.json` beside the file by inode, size and time of change, where that can be written.
    Raises CheckpointError as `inspect_checkpoint`.
    """
    header = inspect_checkpoint(path)
    status, memory = path.stat(), path.parent / ".digests.json"
    key = [status.st_ino, status.st_size, status.st_mtime_ns]
    known = _remembered(memory)
    if known.get(path.name, [])[:-1] == key:
        return str(known[path.name][-1])
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for name, entry in sorted(header.tensors.items()):
            digest.update(json.dumps([name, entry.dtype, list(entry.shape)]).encode())
            file.seek(entry.begin)
            for offset in range(entry.begin, entry.end, _CHUNK):
                digest.update(file.read(min(_CHUNK, entry.end - offset)))
    made = digest.hexdigest()[:16]
    with suppress(OSError):
        write_bytes(memory, json.dumps({**known, path.name: [*key, made]}).encode())
    return made


def landed(store: Store) -> dict[int, Path]:
    """Every checkpoint file that is there, by epoch."""
    files = sorted(store.checkpoints.glob("*.safetensors"))
    return {int(path.stem): path for path in files if re.fullmatch(r"[0-9]{6}", path.stem)}


def survey(store: Store) -> Survey:
    """Which checkpoints can be used, and why the others cannot: truncated, corrupt or of another architecture."""
    digests: dict[int, str] = {}
    bad: dict[int, str] = {}
    wanted = store.anatomy.parameters
    for epoch, path in landed(store).items():
        try:
            _same_architecture(path, inspect_checkpoint(path).shapes, wanted)
            digests[epoch] = checkpoint_digest(path)
        except CheckpointError as error:
            bad[epoch] = str(error)
    return Survey(digests, bad)


def fingerprints(store: Store) -> Fingerprints:
    """The expected fingerprint of every artefact, given the checkpoints that are there."""
    return Fingerprints(store.study, store.anatomy, survey(store).digests)


def untrained(store: Store, fingerprint: str) -> list[int]:
    """Epochs that training still has to write: no file there, or one by another training.

    A corrupt file and one that somebody else put there are not training's to replace.
    """
    return [
        epoch for epoch in range(store.study.training.epochs + 1) if _is_wanting(store.checkpoint(epoch), fingerprint)
    ]


def training_is_whole(store: Store, fingerprint: str) -> bool:
    """Whether training has nothing left to write."""
    return not untrained(store, fingerprint)


def load_checkpoint(path: Path, model: "nn.Module") -> None:
    """Load a checkpoint into a model, every tensor.

    Raises CheckpointError when the file is unusable or of another architecture.
    """
    from safetensors.torch import load_file

    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    _same_architecture(path, inspect_checkpoint(path).shapes, wanted)
    model.load_state_dict(load_file(path))


def read_metrics(path: Path) -> dict[str, float | None] | None:
    """The metrics in a checkpoint's metadata; None where it carries none. Raises as `inspect_checkpoint`."""
    text = inspect_checkpoint(path).metadata.get("metrics")
    metrics: dict[str, float | None] | None = None if text is None else json.loads(text)
    return metrics


def read_head(path: Path, anatomy: Anatomy) -> tuple[Float32[np.ndarray, "unit class"], Float32[np.ndarray, "class"]]:
    """Weight and bias of the head: logits = acts @ weight + bias. Raises CheckpointError as `inspect_checkpoint`."""
    tensors = inspect_checkpoint(path).tensors
    weight = _read(path, tensors, f"{anatomy.head}.weight").T
    bias = f"{anatomy.head}.bias"
    return weight, _read(path, tensors, bias) if bias in tensors else np.zeros(weight.shape[1], dtype=np.float32)


def _entry(value: dict[str, Any], data: int) -> Entry:
    begin, end = value["data_offsets"]
    return Entry(str(value["dtype"]), tuple(int(n) for n in value["shape"]), data + int(begin), data + int(end))


def _remembered(memory: Path) -> dict[str, list[Any]]:
    with suppress(OSError, ValueError):
        known = json.loads(memory.read_text(encoding="utf-8"))
        if isinstance(known, dict):
            return known
    return {}


def _same_architecture(
    path: Path, shapes: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]
) -> None:
    advice = "it belongs to another network"
    if missing := sorted(wanted.keys() - shapes.keys()):
        raise CheckpointError(
            f"{path}: wanted {len(wanted)} tensors, {len(missing)} missing, first {missing[0]}; {advice}"
        )
    if extra := sorted(shapes.keys() - wanted.keys()):
        raise CheckpointError(f"{path}: wanted {len(wanted)} tensors, {len(extra)} unknown, first {extra[0]}; {advice}")
    for name, shape in wanted.items():
        if shapes[name] != shape:
            raise CheckpointError(f"{path}: wanted {name} {list(shape)}, got {list(shapes[name])}; {advice}")


def _is_wanting(path: Path, fingerprint: str) -> bool:
    if not path.exists():
        return True
    try:
        return inspect_checkpoint(path).metadata.get("training", fingerprint) != fingerprint
    except CheckpointError:
        return False


def _read(path: Path, tensors: Mapping[str, Entry], name: str) -> Float32[np.ndarray, "..."]:
    if name not in tensors:
        raise CheckpointError(f"{path}: wanted the head's {name}, which is missing; it belongs to another network")
    dtype, shape, begin, end = tensors[name]
    with path.open("rb") as file:
        file.seek(begin)
        content = file.read(end - begin)
    if dtype == "BF16":  # the upper half of a float32
        return (np.frombuffer(content, "<u2").astype("<u4") << 16).view("<f4").reshape(shape).astype(np.float32)
    if dtype not in _FLOATS:
        raise CheckpointError(f"{path}: wanted {name} in floating point, got {dtype}")
    return np.frombuffer(content, _FLOATS[dtype]).reshape(shape).astype(np.float32)
