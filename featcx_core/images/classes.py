"""Classes: their names and their super-classes."""

import tomllib
from pathlib import Path

from featcx_core.study.fields import Data, StudyError
from featcx_core.study.nearest import nearest


def class_names(data: Data, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes' names: those of the source, `names`, unless `data.classes` names a file of others.

    The file has one line a class, in order, or lines that begin with the name in the source, in any order.
    Raises StudyError if the file cannot be read or does not name every class.
    """
    if not data.classes:
        return names
    lines = [line.strip() for line in read_text(data.classes, "data.classes").splitlines() if line.strip()]
    by_name = {first: rest.strip() for first, _, rest in (line.partition(" ") for line in lines)}
    if all(by_name.get(name) for name in names):
        return tuple(by_name[name] for name in names)
    if len(lines) != len(names):
        raise StudyError(
            f"data.classes: {data.classes}: wanted {len(names)} names, one a class, got {len(lines)} lines"
        )
    return tuple(lines)


def superclasses(data: Data, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the super-class of each class; empty for a class that the study puts in none.

    Raises StudyError for an unknown class, a class in two super-classes, or a file that cannot be read.
    """
    groups = data.superclasses
    if isinstance(groups, str):
        groups = _groups(groups)
    group_of: dict[str, str] = {}
    for group, members in groups.items():
        for member in members:
            if member not in names:
                raise StudyError(f"data.superclasses: {group}: no class {member!r}; {nearest(member, names)}")
            if group_of.setdefault(member, group) != group:
                both = f"{group_of[member]} and in {group}"
                raise StudyError(f"data.superclasses: class {member!r} is in {both}; keep one")
    return tuple(group_of.get(name, "") for name in names)


def _groups(path: str) -> dict[str, tuple[str, ...]]:
    if not path:
        return {}
    try:
        table = tomllib.loads(read_text(path, "data.superclasses"))
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"data.superclasses: {path}: not valid TOML: {error}") from None
    for group, members in table.items():
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            raise StudyError(f'data.superclasses: {path}: wanted lines NAME = ["CLASS", …], got {group} = {members!r}')
    return {group: tuple(members) for group, members in table.items()}


def read_text(path: str, field: str) -> str:
    """Return the text of a file that a field of the study names. Raises StudyError if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{field}: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{field}: {path} is not text in UTF-8: {error.reason}") from None
