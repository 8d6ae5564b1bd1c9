"""Validation of a study, whose errors become one line for the person who wrote the file."""

import re
from typing import Any

from pydantic import ValidationError

from featcx_core.study.fields import Study, StudyError
from featcx_core.study.nearest import alike, nearest

_WANTED = "Input should be "
_KIND = re.compile(r"literal\[.*\]|constrained-\w+|int|float|str|bool|(list|tuple|dict)\[.*\]")


def validated(values: dict[str, Any], *, where: str = "") -> Study:
    """Return the study of parsed TOML. Raises StudyError, one line that begins with `where`, if it is not valid.

    >>> validated({"name": "a", "sed": 3}, where="s.toml: ")
    Traceback (most recent call last):
    featcx_core.study.part.StudyError: s.toml: unknown key sed; did you mean seed?
    """
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise StudyError(where + "; ".join(_lines(error.errors()))) from None


def _lines(errors: list[Any]) -> list[str]:
    """Return one message a field: pydantic gives an error for each kind of value that a field may have."""
    by_field: dict[tuple[str, ...], list[Any]] = {}
    for error in errors:
        if not _follows(error):
            by_field.setdefault(_field(error), []).append(error)
    lines = []
    for kinds in by_field.values():
        wanted = [error["msg"].removeprefix(_WANTED) for error in kinds]
        several = len(kinds) > 1 and all(error["msg"].startswith(_WANTED) for error in kinds)
        merged = [{**kinds[0], "msg": _WANTED + " or ".join(wanted)}] if several else kinds
        lines += [_message(error) for error in merged]
    return lines


def _follows(error: Any) -> bool:
    """Return True if a list is too short only because its invalid entries are reported separately."""
    return bool(error["type"] == "too_short" and len(error["input"]) > error["ctx"]["actual_length"])


def _field(error: Any) -> tuple[str, ...]:
    """Return the place of an error, without the names that pydantic gives to the kinds of value."""
    return tuple(str(part) for part in error["loc"] if not _KIND.fullmatch(str(part)))


def _message(error: Any) -> str:
    *parents, key = _field(error) or [""]
    where = ".".join([*parents, key])
    if error["type"] == "extra_forbidden":
        return f"unknown key {where}; {nearest(key, _fields_at(parents))}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "too_short":
        message = f"wanted at least {error['ctx']['min_length']} entry"
    if not where or error["type"] == "value_error":
        return str(message)
    choices = re.findall(r"'([^']+)'", message) if error["type"] == "literal_error" else []
    meant = alike(str(error["input"]), choices)
    hint = f"; did you mean {meant}?" if meant else ""
    return f"{where}: {message.replace('tuple', 'list')}, got {error['input']!r}{hint}"


def _fields_at(parents: list[str]) -> list[str]:
    part: Any = Study
    for name in parents:
        part = part.model_fields[name].annotation
    return list(part.model_fields)
