"""The checkpoint files on disk or in an object store: of featcx's own training, or of another program.

Files of another program are found by the study's pattern and read where they lie; from an object store they are copied
into the home, once.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from featcx_core.networks.safetensors_files import CheckpointError
from featcx_core.store.files import replacing
from featcx_core.store.places import Store, epoch_key
from featcx_core.study.fields import StudyError

_OWN = "{epoch}.safetensors"


class Landed(NamedTuple):
    """A checkpoint file."""

    epoch: int
    """Epoch in its name."""
    place: str
    """Path or URL of the file."""
    size_bytes: int
    """Size of the file."""
    changed: str
    """Another text once the file is written again: times and inode, or the object store's tag."""
    age_seconds: float
    """Time since it was written; infinite if unknown."""


def landed(store: Store) -> dict[int, tuple[Landed, ...]]:
    """List the checkpoint files by epoch; several files an epoch if the pattern is too wide.

    Each call lists the folder or the object store anew. Raises StudyError if an object store cannot be listed.
    """
    settings = store.study.checkpoints
    if is_url(settings.folder):
        files: Iterable[Landed] = _listed(settings.folder, settings.pattern)
    elif settings.folder:
        files = _local(Path(settings.folder), settings.pattern)
    else:
        files = (file for file in _local(store.checkpoints, _OWN) if re.fullmatch(r"\d{6}", Path(file.place).stem))
    by_epoch: dict[int, tuple[Landed, ...]] = {}
    for file in sorted(files):
        by_epoch[file.epoch] = (*by_epoch.get(file.epoch, ()), file)
    return by_epoch


def epoch_in(store: Store, place: str) -> int | None:
    """Return the epoch in a path or URL; None if it is outside the study's folder or does not match its pattern."""
    settings = store.study.checkpoints
    folder = settings.folder or str(store.checkpoints)
    return _epoch(place, settings.pattern or _OWN) if place.startswith(f"{folder.rstrip('/')}/") else None


def whereabouts(store: Store) -> str:
    """Return the place of the checkpoints, in words: folder and pattern."""
    settings = store.study.checkpoints
    return f"{settings.folder} ({settings.pattern})" if settings.folder else str(store.checkpoints)


def local_path(store: Store, file: Landed) -> Path:
    """Return the file's path; a file of an object store is copied into the home first, and older copies are deleted.

    Raises CheckpointError if it cannot be fetched.
    """
    if not is_url(file.place):
        return Path(file.place)
    version = hashlib.sha256(f"{file.place}\n{file.changed}\n{file.size_bytes}".encode()).hexdigest()[:8]
    path = store.download(f"{epoch_key(file.epoch)}-{version}{Path(file.place).suffix}")
    if not path.exists():
        filesystem, name = _filesystem(file.place)
        with replacing(path) as draft:
            try:
                filesystem.get_file(name, str(draft))
            except Exception as error:  # of whatever library reads this kind of URL
                raise CheckpointError(f"{file.place} cannot be fetched: {_reason(error)}") from None
        for other in path.parent.glob(f"{epoch_key(file.epoch)}-*"):
            if other != path:
                other.unlink(missing_ok=True)
    return path


def refuse_nothing(store: Store) -> None:
    """Raise StudyError if the study's folder does not exist or no file in it matches; it names some files there."""
    settings = store.study.checkpoints
    if not settings.folder or landed(store):
        return
    folder = Path(settings.folder)
    if not is_url(settings.folder) and not folder.is_dir():
        raise StudyError(f"checkpoints.folder: no folder {folder}")
    message = f"checkpoints.pattern: nothing in {settings.folder} matches {settings.pattern!r}"
    if is_url(settings.folder):
        raise StudyError(message)
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    holds = f"it holds {', '.join(names[:3])}{' …' if len(names) > 3 else ''}" if names else "it is empty"
    raise StudyError(f"{message}; {holds}")


def changed_at(status: os.stat_result) -> str:
    """Return a file's times and inode: another text once it is written again."""
    return f"{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def is_url(folder: str) -> bool:
    """Return True for the URL of an object store."""
    return "://" in folder


def _expression(pattern: str) -> re.Pattern[str]:
    """Return the pattern as an expression for the end of a path.

    `*` stands for anything within a name, but takes no digit from the number beside it.
    """
    before, epoch, after = pattern.partition("{epoch}")
    start = "(?<![0-9])" if before.endswith("*") else ""
    end = "(?![0-9])" if after.startswith("*") else ""
    number = f"{start}([0-9]+){end}" if epoch else ""
    return re.compile("(?:^|.*/)" + number.join(re.escape(part).replace(r"\*", "[^/]*") for part in (before, after)))


def _epoch(place: str, pattern: str) -> int | None:
    match = _expression(pattern).fullmatch(place)
    if match is None:
        return None
    return int(match.group(1)) if "{epoch}" in pattern else 1


def _wildcards(pattern: str) -> str:
    return re.sub(r"\*+", "*", re.sub(r"([\[\]?])", r"[\1]", pattern).replace("{epoch}", "*"))


def _local(folder: Path, pattern: str) -> list[Landed]:
    # Not by fsspec: it gives a link's own time and inode, and a file rewritten behind the link would look the same.
    files = []
    for path in folder.glob(_wildcards(pattern)):
        epoch = _epoch(path.as_posix(), pattern)
        try:
            status = path.stat()
        except OSError:  # gone since, or a link that leads nowhere
            continue
        if epoch is not None and path.is_file():
            files.append(Landed(epoch, str(path), status.st_size, changed_at(status), time.time() - status.st_mtime))
    return files


def _listed(folder: str, pattern: str) -> list[Landed]:
    filesystem, root = _filesystem(folder)
    scheme = folder.partition("://")[0]
    try:
        filesystem.invalidate_cache()
        entries = filesystem.glob(f"{root.rstrip('/')}/{_wildcards(pattern)}", detail=True)
    except Exception as error:  # of whatever library reads this kind of URL
        raise StudyError(f"checkpoints.folder: cannot list {folder}: {_reason(error)}") from None
    files = [(path, about) for path, about in entries.items() if about.get("type") != "directory"]
    return [
        Landed(epoch, f"{scheme}://{path.lstrip('/')}", int(about.get("size") or 0), *_version(about))
        for path, about in files
        if (epoch := _epoch(path, pattern)) is not None
    ]


def _version(about: dict[str, Any]) -> tuple[str, float]:
    """Return the tag that changes with an object, and its age; libraries name them differently."""
    tags = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "updated", "mtime", "created")
    changed = next((str(about[tag]) for tag in tags if about.get(tag)), "")
    times = [about[tag] for tag in ("LastModified", "last_modified") if isinstance(about.get(tag), datetime)]
    return changed, time.time() - times[0].timestamp() if times else float("inf")


def _filesystem(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:  # no library for this kind of URL
        raise StudyError(f"checkpoints.folder: {url}: {_reason(error)}") from None
    return filesystem, str(path)


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
