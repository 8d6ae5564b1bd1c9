"""Digests of all that a study reads from disk: its images, and the files that its fields name."""

import errno
import hashlib
import os
import stat
from functools import lru_cache
from pathlib import Path

from featcx_core.images.listing import IMAGE_SUFFIXES, files_in
from featcx_core.study.fields import Data, StudyError


def content_digest(data: Data) -> str:
    """Return a digest of the images on disk: replacing them in place makes all that was made from them stale.

    Of an .npz file the digest takes the bytes; of a folder the relative paths, sizes and times of change of its files,
    which opens none of them. Empty if the source has no path. Raises StudyError if nothing can be read at the path.
    """
    if not data.path:
        return ""
    try:
        if data.kind == "npz":
            return file_digest(data.path)
        suffixes = IMAGE_SUFFIXES if data.kind == "folder" else ()
        return _folder_digest(data.path, suffixes)
    except OSError as error:
        raise StudyError(f"data.source: cannot read {error.filename or data.path}: {error.strerror}") from None


def further_digest(data: Data) -> str:
    """Return the source of the further images and a digest of what lies there; empty without any."""
    if not data.dictionary:
        return ""
    other = Data(source=data.dictionary)
    try:
        return f"{data.dictionary} {content_digest(other)}"
    except StudyError as error:
        raise StudyError(str(error).replace("data.source", "data.dictionary", 1)) from None


def text_digest(path: str, *, field: str) -> str:
    """Return the digest of a file that a field of the study names; empty if the field names none.

    Raises StudyError if the file cannot be read.
    """
    try:
        return file_digest(path) if path else ""
    except OSError as error:
        raise StudyError(f"{field}: cannot read {path}: {error.strerror}") from None


def file_digest(path: str) -> str:
    """Return the digest of a file's bytes, read again only if its size or time has changed. Raises OSError."""
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):  # a device has no end
        raise OSError(errno.EINVAL, "it is no file", path)
    return _file_digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _file_digest(path: str, _size: int, _mtime_ns: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _folder_digest(path: str, suffixes: tuple[str, ...]) -> str:
    sha = hashlib.sha256()
    for name in files_in(Path(path), suffixes=suffixes):
        try:
            status = os.stat(f"{path}/{name}")  # noqa: PTH116  pathlib takes twice as long
            sha.update(f"{name}\n{status.st_size}\n{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
        except FileNotFoundError:  # a link that leads nowhere counts as a broken file
            sha.update(f"{name}\n".encode(errors="surrogateescape"))
    return sha.hexdigest()[:16]
