"""A study as a commented file: what it states, and every other setting with its default behind a `#`."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from featcx_core.study.fields import Study
from featcx_core.study.files import toml_value

_WIDTH = 118
_LONGEST = 150  # characters of an explanation that stand whole


def commented(study: Study, *, file: str, notes: Mapping[str, tuple[str, ...]]) -> str:
    """TOML with one explanation above each setting, from the study's own documentation.

    Stated are the fields that were given to the study; the others follow as `#key = default`. `notes` are further
    comments, by field (`data.split`). Of training and another program's checkpoints only one part is written.
    """
    lines = [
        f"# A study of featcx: `featcx run {file}` makes all of it, and after a change only what is stale.",
        "# A line that begins with `#name =` shows a default; take the # away to change it.",
        "",
    ]
    parts: list[str] = []
    left_out = "training" if study.checkpoints.folder else "checkpoints"
    for name, field in Study.model_fields.items():
        value = getattr(study, name)
        if not isinstance(value, BaseModel):
            lines += _setting(name, field, value, is_stated=name in study.model_fields_set)
        elif name != left_out:
            parts += ["", *_wrapped(field.description or ""), f"[{name}]"]
            for key, inner in type(value).model_fields.items():
                parts += [f"# {note}" for note in notes.get(f"{name}.{key}", ())]
                parts += _setting(key, inner, getattr(value, key), is_stated=key in value.model_fields_set)
    return "\n".join([*lines, *parts, ""])


def _setting(key: str, field: FieldInfo, value: Any, *, is_stated: bool) -> Iterator[str]:
    yield from _wrapped(_short(field.description or ""))
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_unset=is_stated)
    yield f"{'' if is_stated else '#'}{key} = {toml_value(value)}"


def _short(description: str) -> str:
    """The first sentence, or as many of its clauses as one line holds."""
    first, _, _ = re.sub(r"\s+", " ", description).partition(". ")
    if len(first) > _LONGEST:
        first = first[: first.rfind("; ", 0, _LONGEST)] if "; " in first[:_LONGEST] else first
    return first.rstrip(".")


def _wrapped(text: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(text, _WIDTH))
