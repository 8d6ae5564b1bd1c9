"""Backups: a copy of studies whose every file is compared with its digest, taken while runs go on, and its way back.

Commits are copied one by one. One that a run replaces meanwhile is copied again; one that is damaged is left out and
named. What can be written anew from the rest (views, locks, Dagster's history) is not copied.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from featcx_core.networks.safetensors_files import CheckpointError
from featcx_core.networks.safetensors_files import refuse_altered as refuse_altered_checkpoint
from featcx_core.store.damage import Damaged
from featcx_core.store.files import make_folder, replacing_folder, write_bytes
from featcx_core.store.manifests import MARKER, Entry, digest_of, file_digest, read_manifest, sealed, unsealed
from featcx_core.store.parquet import refuse_altered_content
from featcx_core.study.fields import StudyError

LIST = "backup.json"
"""The backup's own manifest: size and digest of every file."""
_TRIES = 20
_BESIDE = ("study.toml", "study.toml.before", "layers.json", "reference.json", "comparison.toml")


def back_up(home: Path, target: Path, names: Sequence[str], *, say: Callable[[str], None]) -> int:
    """Copy studies and comparisons into a new folder; returns the number of files. `say` is told what is left out.

    Raises StudyError where the folder is there already, or a study is not.
    """
    if target.exists():
        raise StudyError(f"{target} is there already; wanted the name of a new folder")
    if unknown := [name for name in names if not (home / name).is_dir()]:
        raise StudyError(f"no study {unknown[0]!r} in {home}")
    with replacing_folder(target) as draft:
        draft.mkdir()
        for name in names:
            for unit in _units(home / name):
                _copy_unit(unit, draft / unit.relative_to(home), say)
        paths = [path for path in sorted(draft.rglob("*")) if path.is_file()]
        files = {path.relative_to(draft).as_posix(): Entry(path.stat().st_size, file_digest(path)) for path in paths}
        write_bytes(draft / LIST, sealed({"files": files}))
    return len(files)


def restore(source: Path, home: Path, names: Sequence[str] = ()) -> list[str]:
    """Put the studies of a backup, or some of them, into a home; returns their names.

    Every file is compared with the backup's list. Raises StudyError where the backup is not whole, or the home has a
    study of that name; nothing of that study is written then.
    """
    files = _listed(source)
    studies = sorted({name.partition("/")[0] for name in files})
    if unknown := [name for name in names if name not in studies]:
        raise StudyError(f"no study {unknown[0]!r} in {source}; it has: {', '.join(studies)}")
    wanted = [name for name in studies if name in (names or studies)]
    for study in wanted:
        if (home / study).exists():
            raise StudyError(f"{home / study} is there already; rename or delete it first")
    for study in wanted:
        with replacing_folder(home / study) as draft:
            for name, (size, digest) in files.items():
                if name.partition("/")[0] == study:
                    path = draft / name.partition("/")[2]
                    make_folder(path.parent)
                    content = _read(source / name)
                    if len(content) != size or digest_of([content]) != digest:
                        raise StudyError(f"{source / name} is not as it was backed up; nothing of {study} is restored")
                    write_bytes(path, content)
                    shutil.copystat(source / name, path)
    return wanted


def _units(root: Path) -> Iterator[Path]:
    """Yield what is committed whole: files, and folders with a manifest."""
    yield from (root / name for name in _BESIDE if (root / name).is_file())
    checkpoints = root / "checkpoints"
    yield from sorted(path for path in checkpoints.glob("*") if path.is_file() and not path.name.endswith(".partial"))
    yield from sorted(path for path in root.glob("tables/**/*.parquet") if not path.name.startswith("."))
    for marker in sorted(root.rglob(MARKER)):
        parts = marker.relative_to(root).parts
        if parts[0] not in ("damaged", "tables") and not any(part.endswith(".partial") for part in parts):
            yield marker.parent


def _copy_unit(unit: Path, place: Path, say: Callable[[str], None]) -> None:
    error: Exception | None = None
    for _ in range(_TRIES):
        try:
            return _copy_folder(unit, place) if unit.is_dir() else _copy_file(unit, place)
        except (Damaged, CheckpointError, FileNotFoundError) as raised:  # replaced meanwhile, or damaged
            error = raised
    if unit.exists():
        say(f"left out: {error}")
    return None


def _copy_file(path: Path, place: Path) -> None:
    content = path.read_bytes()
    if path.suffix == ".parquet":
        refuse_altered_content(path, content)
    elif path.suffix == ".safetensors":
        refuse_altered_checkpoint(path)
    _write(place, content, path)


def _copy_folder(folder: Path, place: Path) -> None:
    manifest = read_manifest(folder)
    if manifest is None:
        raise Damaged(folder, "it has no manifest")
    for name, entry in manifest.files.items() if not manifest.is_pruned else ():
        content = (folder / name).read_bytes()
        if digest_of([content]) != entry.digest:
            raise Damaged(folder, f"{name} is not as it was written")
        _write(place / name, content, folder / name)
    _write(place / MARKER, (folder / MARKER).read_bytes(), folder / MARKER)


def _write(place: Path, content: bytes, like: Path) -> None:
    make_folder(place.parent)
    place.write_bytes(content)
    shutil.copystat(like, place)


def _listed(source: Path) -> dict[str, tuple[int, str]]:
    try:
        files = {name: tuple(entry) for name, entry in unsealed((source / LIST).read_bytes())["files"].items()}
        if outside := [name for name in files if not _is_below(name)]:
            raise StudyError(f"{source / LIST} names {outside[0]!r}, which lies outside; nothing is restored")
        return files
    except StudyError:
        raise
    except OSError:
        raise StudyError(f"{source} is no backup: it has no {LIST}") from None
    except (ValueError, KeyError, AttributeError):
        raise StudyError(f"{source / LIST} is not as it was written") from None


def _is_below(name: str) -> bool:
    """Whether a name is that of a file below a study's folder."""
    parts = PurePosixPath(name).parts
    return len(parts) > 1 and not name.startswith("/") and ".." not in parts


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path} of the backup: {error.strerror}") from None
