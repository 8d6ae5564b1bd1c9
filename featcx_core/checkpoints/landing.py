"""Which checkpoint files are there: those of featcx's own training, or what another program writes.

Another program's lie in a folder or an object store and are found by the study's pattern. They are read where they lie;
from an object store they are copied into the home, once.
"""

import hashlib
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
    """What its name says."""
    place: str
    """Path or URL."""
    size_bytes: int
    """Its size."""
    changed: str
    """Differs when the file was written again: time and inode, or the object store's tag."""
    age_seconds: float
    """Since it was written; infinite where that is not known."""


def landed(store: Store) -> dict[int, tuple[Landed, ...]]:
    """The checkpoint files that are there, by epoch; more than one where the pattern is too wide.

    Raises StudyError when an object store cannot be listed.
    """
    settings = store.study.checkpoints
    if is_url(settings.folder):
        found: Iterable[Landed] = _listed(settings.folder, settings.pattern)
    elif settings.folder:
        found = _local(Path(settings.folder), settings.pattern)
    else:
        found = (file for file in _local(store.checkpoints, _OWN) if re.fullmatch(r"\d{6}", Path(file.place).stem))
    by_epoch: dict[int, tuple[Landed, ...]] = {}
    for file in sorted(found):
        by_epoch[file.epoch] = (*by_epoch.get(file.epoch, ()), file)
    return by_epoch


def epoch_in(store: Store, place: str) -> int | None:
    """The epoch in a file's path or URL; None where it is not one of the study's folder and pattern."""
    settings = store.study.checkpoints
    folder = settings.folder or str(store.checkpoints)
    return _epoch(place, settings.pattern or _OWN) if place.startswith(f"{folder.rstrip('/')}/") else None


def whereabouts(store: Store) -> str:
    """Where checkpoints are looked for, in words."""
    settings = store.study.checkpoints
    return f"{settings.folder} ({settings.pattern})" if settings.folder else str(store.checkpoints)


def local_path(store: Store, file: Landed) -> Path:
    """The file, or its copy in the home where it lies in an object store; an older copy goes.

    Raises CheckpointError when it cannot be fetched.
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
    """Raises StudyError where the study's folder is not there or holds no file of its pattern, naming some it holds."""
    settings = store.study.checkpoints
    if not settings.folder or landed(store):
        return
    folder = Path(settings.folder)
    if not is_url(settings.folder) and not folder.is_dir():
        raise StudyError(f"checkpoints.folder: no folder {folder}")
    there = [] if is_url(settings.folder) else sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    holds = f"it holds {', '.join(there[:3])}{' …' if len(there) > 3 else ''}" if there else "it is empty"
    said = f"nothing in {settings.folder} matches {settings.pattern!r}"
    raise StudyError(f"checkpoints.pattern: {said}" + ("" if is_url(settings.folder) else f"; {holds}"))


def is_url(folder: str) -> bool:
    """Whether a folder is that of an object store."""
    return "://" in folder


def _expression(pattern: str) -> re.Pattern[str]:
    """The pattern at the end of a path: `*` is anything within a name, but takes no digit from the number beside it."""
    before, epoch, after = pattern.partition("{epoch}")
    start = "(?<![0-9])" if before.endswith("*") else ""
    end = "(?![0-9])" if after.startswith("*") else ""
    number = f"{start}([0-9]+){end}" if epoch else ""
    return re.compile("(?:^|.*/)" + number.join(re.escape(part).replace(r"\*", "[^/]*") for part in (before, after)))


def _epoch(place: str, pattern: str) -> int | None:
    found = _expression(pattern).fullmatch(place)
    if found is None:
        return None
    return int(found.group(1)) if "{epoch}" in pattern else 1


def _wildcards(pattern: str) -> str:
    return re.sub(r"\*+", "*", re.sub(r"([\[\]?])", r"[\1]", pattern).replace("{epoch}", "*"))


def _local(folder: Path, pattern: str) -> list[Landed]:
    found = []
    for path in folder.glob(_wildcards(pattern)):
        epoch = _epoch(path.as_posix(), pattern)
        try:
            status = path.stat()
        except OSError:  # gone since, or a link that leads nowhere
            continue
        if epoch is not None and path.is_file():
            changed = f"{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"
            found.append(Landed(epoch, str(path), status.st_size, changed, time.time() - status.st_mtime))
    return found


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
    """What changes with an object, and its age; libraries give them different names."""
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
