"""Writes docs/study_file.md from the study's own documentation: `python -m tests.docs.study_file`."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from featcx_core.study.fields import Study
from featcx_core.study.files import toml_value

PAGE = Path(__file__).parents[2] / "docs" / "study_file.md"
INTRODUCTION = """# The study file

A study is one TOML file: everything that decides a number is a setting of it, and a finished table says by its fingerprint
which settings it was made with. `featcx new` writes the file for your network ([how](your_network.md)), with every setting,
its default and one line about it. Here are all of them. A setting that is not stated keeps its default; one that does not exist is
refused, with the nearest that does. Device, batch size of the analysis and number of workers are no settings, because they change no
result beyond rounding; they are options of `featcx run`.

Paths are relative to the study file. A table `[sweep]` makes many studies of one file ([sweeps](sweep.md)).
"""


def page() -> str:
    """Return the page: a table of settings for the top of the file and for each part."""
    study = Study(name="any")
    parts = {name: value for name in Study.model_fields if isinstance(value := getattr(study, name), BaseModel)}
    top = [(name, field) for name, field in Study.model_fields.items() if name not in parts]
    lines = [INTRODUCTION, "## At the top", "", *_table(study, top)]
    for name, part in parts.items():
        about = _sentence(Study.model_fields[name].description or type(part).__doc__ or "")
        lines += ["", f"## [{name}]", "", about, "", *_table(part, type(part).model_fields.items())]
    return "\n".join([*lines, ""])


def _table(part: BaseModel, fields: "Iterator[tuple[str, FieldInfo]] | list[tuple[str, FieldInfo]]") -> Iterator[str]:
    yield "| setting | default | |"
    yield "|---|---|---|"
    for key, field in fields:
        default = "required" if field.is_required() else f"`{_shown(getattr(part, key))}`"
        yield f"| `{key}` | {default} | {_sentence(field.description or '')} |"


def _shown(value: object) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return "none" if value is None else str(toml_value(value)).replace("|", "\\|")


def _sentence(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip().replace("|", "\\|")
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", ":", "?")) else ".")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
