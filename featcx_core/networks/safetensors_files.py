"""Safetensors files, read without torch: names, shapes, metadata, digests and single tensors.

The format (https://github.com/huggingface/safetensors#format): 8 bytes little-endian length, a JSON header, the
tensors' bytes. `safetensors.safe_open` does not serve: it maps the file, and a process that reads a mapped file while
another program rewrites it is killed (SIGBUS); it gives NumPy no bfloat16 and no offsets for the digest.
"""

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

_BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_LONGEST_HEADER = 100_000_000  # the format's own limit
_CHUNK = 1 << 20
_DIGEST_KEY = b'"digest":"'
BLANK_DIGEST = "0" * 32
"""Stands in a file's metadata where its digest will."""


class CheckpointError(ValueError):
    """A checkpoint file that cannot be used; the message is one line that names file and reason."""


class Unreadable(CheckpointError):
    """A file that is gone, or that the system does not let us read."""


class Altered(CheckpointError):
    """A file of featcx's own training that is not as it was written."""


class Entry(NamedTuple):
    """Type, shape and place of a tensor in a file."""

    dtype: str
    """Type as safetensors spells it: F32, I64, …"""
    shape: tuple[int, ...]
    """Shape."""
    begin: int
    """First byte in the file."""
    end: int
    """One past the last byte."""


class Header(NamedTuple):
    """The header of a safetensors file."""

    tensors: dict[str, Entry]
    """Tensors by name."""
    metadata: dict[str, str]
    """Text by name; featcx writes `metrics` (JSON), `training`, the fingerprint of the training, and `digest`, that of
    the whole file with zeros in its own place."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor, by name."""
        return {name: entry.shape for name, entry in self.tensors.items()}


def inspect_safetensors(path: Path) -> Header:
    """Return names, shapes and metadata of a file, after a check that all its bytes are there.

    Raises CheckpointError if the file is missing, truncated, corrupt or of another format.
    """
    try:
        status = path.stat()
        return _inspected(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from None


@lru_cache(maxsize=4096)
def _inspected(path: Path, inode: int, size: int, changed: int, moved: int) -> Header:
    """Read a header once as long as the file is the same: every look at what is stale needs it."""
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        text = file.read(length) if length <= _LONGEST_HEADER else b""
    if size < 8 or (length <= _LONGEST_HEADER and len(text) < length):
        raise CheckpointError(f"{path} is truncated: wanted at least {8 + length} bytes, got {size}; copy it again")
    try:
        header = json.loads(text)
        metadata = dict(header.pop("__metadata__", None) or {})
        tensors = {name: _entry(value, 8 + length) for name, value in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise CheckpointError(f"{path} is not a safetensors file (or its header is corrupt); copy it again") from None
    end = max((entry.end for entry in tensors.values()), default=8 + length)
    if size != end:
        state = "is truncated" if size < end else "is corrupt"
        raise CheckpointError(f"{path} {state}: wanted {end} bytes, got {size}; copy it again")
    for name, (dtype, shape, begin, stop) in tensors.items():
        if begin < 8 + length or stop - begin != math.prod(shape) * _BYTES.get(dtype, 1):
            raise CheckpointError(f"{path} is corrupt: {name} {dtype} {list(shape)} has {stop - begin} bytes")
    return Header(tensors, metadata)


def digest_safetensors(path: Path, names: Mapping[str, str]) -> str:
    """Return a digest of tensors under other names: sorted names, types, shapes and bytes.

    `names` gives the name in the file by the name in the digest. Raises as `inspect_safetensors`.
    """
    tensors = inspect_safetensors(path).tensors
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for name, stored in sorted(names.items()):
            entry = tensors[stored]
            digest.update(tensor_heading(name, entry.dtype, entry.shape))
            file.seek(entry.begin)
            for offset in range(entry.begin, entry.end, _CHUNK):
                digest.update(file.read(min(_CHUNK, entry.end - offset)))
    return digest.hexdigest()[:16]


def with_digest(content: bytes) -> bytes:
    """Return the bytes of a file whose metadata hold `BLANK_DIGEST` under `digest`, with the digest in its place."""
    place = _digest_place(content)
    return content[:place] + _sealed(content, place).encode() + content[place + len(BLANK_DIGEST) :]


def refuse_altered(path: Path, *, anew: bool = False) -> None:
    """Compare a file that carries a digest with it, once a process (`anew`: again).

    Raises Altered, or as `inspect_safetensors`.
    """
    if anew:
        _is_as_written.cache_clear()
    inspect_safetensors(path)
    status = path.stat()
    if not _is_as_written(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns):
        raise Altered(f"{path} is damaged: it is not as it was written")


def tensor_heading(name: str, dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return the part of a digest that precedes a tensor's bytes: name, type and shape."""
    return json.dumps([name, dtype, list(shape)]).encode()


def read_float(path: Path, name: str) -> Float32[np.ndarray, "..."]:
    """Read one tensor in single precision. Raises CheckpointError if its type is no floating point."""
    dtype, shape, begin, end = inspect_safetensors(path).tensors[name]
    with path.open("rb") as file:
        file.seek(begin)
        content = file.read(end - begin)
    if dtype == "BF16":  # the upper half of a float32
        return (np.frombuffer(content, "<u2").astype("<u4") << 16).view("<f4").reshape(shape).astype(np.float32)
    if dtype not in _FLOATS:
        raise CheckpointError(f"{path}: wanted {name} in floating point, got {dtype}")
    return np.frombuffer(content, _FLOATS[dtype]).reshape(shape).astype(np.float32)


@lru_cache(maxsize=4096)
def _is_as_written(path: Path, inode: int, size: int, changed: int, moved: int) -> bool:
    stated = inspect_safetensors(path).metadata.get("digest")
    if stated is None:  # of another program
        return True
    content = path.read_bytes()
    place = _digest_place(content)
    return place >= 0 and _sealed(content, place) == stated


def _digest_place(content: bytes) -> int:
    start = content.find(_DIGEST_KEY, 8, 8 + struct.unpack("<Q", content[:8])[0])
    return start + len(_DIGEST_KEY) if start >= 0 else -1


def _sealed(content: bytes, place: int) -> str:
    digest = hashlib.sha256(memoryview(content)[:place])
    digest.update(BLANK_DIGEST.encode())
    digest.update(memoryview(content)[place + len(BLANK_DIGEST) :])
    return digest.hexdigest()[: len(BLANK_DIGEST)]


def _entry(value: dict[str, Any], data: int) -> Entry:
    begin, end = value["data_offsets"]
    return Entry(str(value["dtype"]), tuple(int(n) for n in value["shape"]), data + int(begin), data + int(end))
