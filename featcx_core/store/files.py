"""Atomic writes: a file or folder appears whole or not at all, and a killed writer leaves only litter.

A disk that fills up meanwhile is one error, whatever library was writing.
"""

import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAYS_FULL = ("No space left on device", "StorageFull", "Disk quota exceeded", "database or disk is full")


class FullDisk(OSError):
    """A file that could not be written for want of space.

    Args:
        path: the file or folder.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(
            f"{path} cannot be written: the disk is full; make room (`featcx prune` deletes arrays), and the next run "
            "goes on"
        )


def is_of_full_disk(error: BaseException) -> bool:
    """Whether an error, or one behind it, says that there is no space left: each library has words of its own.

    >>> is_of_full_disk(OSError(28, "No space left on device"))
    True
    """
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, FullDisk) or getattr(behind, "errno", None) in _FULL:
            return True
        if any(words in str(behind) for words in _SAYS_FULL):
            return True
        behind = behind.__cause__ or behind.__context__
    return False


@contextmanager
def _naming_full_disk(path: Path) -> Iterator[None]:
    """Raise FullDisk for whatever error a library has for it."""
    try:
        yield
    except Exception as error:
        if is_of_full_disk(error) and not isinstance(error, FullDisk):
            raise FullDisk(path) from error
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as draft:
        draft.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of the file `path` when the block ends without error.

    Raises FullDisk.
    """
    with _naming_full_disk(path):
        make_folder(path.parent)
        _sweep(path, older_than_seconds=3600.0)  # no lock: a younger draft may be another process's
        draft = _draft_of(path)
        try:
            yield draft
            flush(draft)
            draft.replace(path)
            flush(path.parent)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of a folder when the block ends without error.

    The caller holds the lock of what lies there: what killed writers left is swept away. What the draft holds is on
    disk before the block ends. Raises FullDisk.
    """
    with _naming_full_disk(folder):
        make_folder(folder.parent)
        _sweep(folder, older_than_seconds=0.0)
        draft = _draft_of(folder)
        try:
            yield draft
            if folder.exists():
                old = _draft_of(folder)
                folder.rename(old)
                draft.rename(folder)
                shutil.rmtree(old)
            else:
                draft.rename(folder)
            flush(folder.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")


def _sweep(path: Path, *, older_than_seconds: float) -> None:
    """Remove what killed writers of this path left."""
    for litter in path.parent.glob(f".{path.name}.*.partial"):
        with suppress(FileNotFoundError):
            if time.time() - litter.stat().st_mtime < older_than_seconds:
                continue
            if litter.is_dir():
                shutil.rmtree(litter)
            else:
                litter.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; that they are there is on disk."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        flush(path.parent)


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
