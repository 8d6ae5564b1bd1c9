"""Manifests: the size and digest of every file of a committed folder, written last and checked when it is opened.

A manifest is the file `featcx.json` in the folder. It carries a digest of itself. Sizes are compared at every look,
contents once a process, as long as the file is the same by inode, size and times.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from featcx_core.store.damage import Damaged
from featcx_core.store.files import flush, write_bytes

MARKER = "featcx.json"
_CHUNK = 1 << 20
_FLUSHES = 8
_VERIFIED = set[tuple[Path, str, int, int, int, int]]()  # compared in this process


class Entry(NamedTuple):
    """A file as it was written."""

    size_bytes: int
    """Its size."""
    digest: str
    """SHA-256 of its content, the first 32 hexadecimal digits."""


class Manifest(NamedTuple):
    """The content of a committed folder."""

    fingerprint: str
    """Digest of everything it was made from."""
    files: dict[str, Entry]
    """Its files, by path below the folder."""
    is_pruned: bool = False
    """Whether its files were deleted to save space: it counts as made, until something reads it."""


def write_manifest(
    folder: Path, *, fingerprint: str, files: Collection[Path] | None = None, is_pruned: bool = False
) -> None:
    """Declare a folder's content whole: all its files, or those that are named.

    Files and folders are on disk before the manifest is written.
    """
    content = [path for path in sorted(folder.rglob("*")) if path.name != MARKER] if files is None else sorted(files)
    entries = {
        path.relative_to(folder).as_posix(): Entry(path.stat().st_size, file_digest(path))
        for path in content
        if path.is_file()
    }
    with ThreadPoolExecutor(_FLUSHES) as pool:  # side by side they share the journal's waits
        list(pool.map(flush, content))
    manifest = {"fingerprint": fingerprint, "files": entries} | ({"pruned": True} if is_pruned else {})
    write_bytes(folder / MARKER, sealed(manifest))


def read_manifest(folder: Path) -> Manifest | None:
    """Return a folder's manifest; None where there is no folder, or an earlier version wrote it.

    Raises Damaged where the folder lies there without a whole manifest.
    """
    path = folder / MARKER
    try:
        status = path.stat()
        return _parsed(path, *version(status))
    except FileNotFoundError:
        if folder.is_dir():
            raise Damaged(folder, f"its {MARKER} is gone") from None
        return None
    except NotADirectoryError:
        raise Damaged(folder, "it is no folder") from None


def whole_manifest(folder: Path) -> Manifest | None:
    """Return a folder's manifest after a look at the size of every file. Raises Damaged."""
    manifest = read_manifest(folder)
    if manifest is not None and not manifest.is_pruned:
        for name, entry in manifest.files.items():
            _refuse_other_size(folder, name, entry)
    return manifest


def refuse_altered(folder: Path) -> Manifest | None:
    """Read every file of a folder, once a process, and compare it with the manifest. Raises Damaged."""
    manifest = whole_manifest(folder)
    if manifest is not None and not manifest.is_pruned:
        for name, entry in manifest.files.items():
            refuse_other_content(folder, name, entry)
    return manifest


def refuse_other_content(folder: Path, name: str, entry: Entry, *, content: Any = None) -> None:
    """Raise Damaged where a file's content, or what was just read of it, is not the one that was committed."""
    path = folder / name
    try:
        key = path, entry.digest, *version(path.stat())
        if key in _VERIFIED:
            return
        digest = file_digest(path) if content is None else digest_of([content])
    except OSError as error:
        raise Damaged(folder, f"{name}: {error.strerror}") from None
    if digest != entry.digest:
        raise Damaged(folder, f"{name} is not as it was written")
    _VERIFIED.add(key)


def forget_verified() -> None:
    """Have every file read again that was compared in this process."""
    _VERIFIED.clear()


def version(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return inode, size and times of a file: others once it is written, even where a program sets its time back."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def file_digest(path: Path) -> str:
    """Return the digest of a file's content, read in pieces."""
    with path.open("rb") as file:
        return digest_of(iter(lambda: file.read(_CHUNK), b""))


def digest_of(parts: Iterable[Any]) -> str:
    """Return the digest of bytes.

    >>> digest_of([b"a", b"b"]) == digest_of([b"ab"])
    True
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:32]


def sealed(values: dict[str, Any]) -> bytes:
    """Return a JSON object with a digest of itself."""
    return json.dumps(values | {"digest": _seal(values)}).encode()


def unsealed(content: bytes | str) -> dict[str, Any]:
    """Return a sealed object without its digest. Raises ValueError where it is not as it was written.

    >>> unsealed(sealed({"a": 1}))
    {'a': 1}
    """
    values = json.loads(content)
    if not isinstance(values, dict) or values.pop("digest", None) != _seal(values):
        raise ValueError("it is not as it was written")
    return values


def _seal(values: dict[str, Any]) -> str:
    return digest_of([json.dumps(values, sort_keys=True).encode()])


@lru_cache(maxsize=65536)
def _parsed(path: Path, inode: int, size: int, changed: int, moved: int) -> Manifest | None:
    """Parse a manifest once as long as the file is the same: every look at what is stale needs it."""
    text = path.read_bytes()
    try:
        if json.loads(text).keys() == {"fingerprint"}:  # by a version that wrote no manifests
            return None
        values = unsealed(text)
        files = {name: Entry(*entry) for name, entry in values["files"].items()}
        return Manifest(values["fingerprint"], files, bool(values.get("pruned")))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Damaged(path.parent, f"its {MARKER} is not as it was written") from None


def _refuse_other_size(folder: Path, name: str, entry: Entry) -> None:
    try:
        size = (folder / name).stat().st_size
    except OSError as error:
        raise Damaged(folder, f"{name}: {error.strerror}") from None
    if size != entry.size_bytes:
        raise Damaged(folder, f"{name} has {size} bytes, {entry.size_bytes} were written")
