"""Names of classes and what they belong to."""

import difflib
import tomllib
from pathlib import Path

from featcx_core.study import Data, StudyError


def class_names(data: Data, own: tuple[str, ...]) -> tuple[str, ...]:
    """Names from the study's file: a line a class in order, or lines that begin with a class's own name, in any order.

    Raises StudyError when it cannot be read, or does not name every class.
    """
    if not data.classes:
        return own
    lines = [line.strip() for line in _text(data.classes, "data.classes").splitlines() if line.strip()]
    by_name = {first: rest.strip() for first, _, rest in (line.partition(" ") for line in lines)}
    if all(by_name.get(name) for name in own):
        return tuple(by_name[name] for name in own)
    if len(lines) != len(own):
        raise StudyError(f"data.classes: {data.classes}: wanted {len(own)} names, one a class, got {len(lines)} lines")
    return tuple(lines)


def superclasses(data: Data, names: tuple[str, ...]) -> tuple[str, ...]:
    """The super-class of each class; empty where the study puts it in none.

    Raises StudyError for a class that there is not, one that is in two of them, or a file that cannot be read.
    """
    groups = data.superclasses
    if isinstance(groups, str):
        groups = _groups(groups)
    found: dict[str, str] = {}
    for group, members in groups.items():
        for member in members:
            if member not in names:
                near = difflib.get_close_matches(member, names, n=1, cutoff=0) or ["none"]
                raise StudyError(f"data.superclasses: {group}: no class {member!r}; nearest: {near[0]}")
            if found.setdefault(member, group) != group:
                raise StudyError(f"data.superclasses: class {member!r} is in {found[member]} and in {group}; keep one")
    return tuple(found.get(name, "") for name in names)


def _groups(path: str) -> dict[str, tuple[str, ...]]:
    if not path:
        return {}
    try:
        table = tomllib.loads(_text(path, "data.superclasses"))
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"data.superclasses: {path}: not valid TOML: {error}") from None
    for group, members in table.items():
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            raise StudyError(f'data.superclasses: {path}: wanted lines NAME = ["CLASS", …], got {group} = {members!r}')
    return {group: tuple(members) for group, members in table.items()}


def _text(path: str, field: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{field}: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{field}: {path} is not text in UTF-8: {error.reason}") from None
