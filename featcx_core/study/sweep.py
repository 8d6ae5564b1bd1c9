"""Sweeps: study files with lists of values; each combination of values is a study.

name = "mnist_sweep"
[sweep]
"seed" = [0, 1]
"training.schedule" = ["one_cycle", "constant"]

Variants are settings of several fields under a name; each is combined with every combination of the lists:

[variants]
true_labels = {}
shortcut = {"data.corruption.shortcut" = 1.0}
"""

import copy
import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from featcx_core.study.fields import Study, StudyError, study_fields
from featcx_core.study.files import read_toml, study_of
from featcx_core.study.nearest import nearest

_LONGEST_WORD = 24
_OPEN_TABLES = ("model.arguments", "model.outputs", "data.superclasses")  # fields with keys of their own


class Sweep(NamedTuple):
    """Studies that differ in the swept fields alone."""

    name: str
    """Name of the sweep; the first part of the name of every study in it."""
    fields: tuple[str, ...]
    """Swept fields, dotted, in the order of the file."""
    studies: tuple[Study, ...]
    """One study a combination; the last field varies fastest."""


def packaged_sweeps() -> dict[str, Path]:
    """Return the sweep files that come with featcx, by name."""
    folder = Path(str(files("featcx_core"))) / "sweeps"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def is_sweep(path: Path) -> bool:
    """Return True if a study file has a table `sweep`. Raises StudyError if it is not valid TOML."""
    return "sweep" in read_toml(path)


def load_sweep(path: Path) -> Sweep:
    """Read the studies that a sweep file stands for.

    Without its table `sweep` the file is a valid study. A study is named after the sweep and its own values alone,
    `mnist_sweep__seed_0__schedule_one_cycle`: adding a value to the file renames no other study. The name of a
    variant stands first. A swept field has the last word.

    Raises StudyError for an unknown field, a variant without a name of its own or with the studies of another, a value
    that is no list, an empty list, a value that is listed twice, and every mistake of a study file.
    """
    values = read_toml(path)
    grid, variants = _grid(path, values.pop("sweep", None)), _variants(path, values.pop("variants", None))
    base = study_of(values, path=path)
    words, tails = {field: _words(listed) for field, listed in grid.items()}, _tails(list(grid))
    studies, seen = list[Study](), dict[str, tuple[str, tuple[int, ...]]]()
    every = itertools.product(*(range(len(listed)) for listed in grid.values()))
    for variant, places in itertools.product(variants, every):
        stated, parts = copy.deepcopy(values), [base.name, *([variant] if variant else [])]
        for field, value in variants[variant].items():
            _put(path, stated, f"variants.{variant}", field, value)
        for (field, listed), tail, place in zip(grid.items(), tails, places, strict=True):
            _put(path, stated, "sweep", field, listed[place])
            parts.append(f"{tail}_{words[field][place]}")
        study = study_of(stated | {"name": "__".join(parts)}, path=path)
        told = json.dumps(study.model_dump(mode="json", exclude={"name"}))
        _refuse_twice(path, grid, seen.setdefault(told, (variant, places)), (variant, places))
        studies.append(study)
    return Sweep(base.name, tuple(grid), tuple(studies))


def _refuse_twice(
    path: Path, grid: dict[str, list[Any]], same: tuple[str, tuple[int, ...]], this: tuple[str, tuple[int, ...]]
) -> None:
    """Raise StudyError where another combination is the same study."""
    if same[0] != this[0]:
        raise StudyError(f"{path}: variants.{this[0]}: the same studies as variants.{same[0]}; take one of them out")
    if same != this:
        field = next(f for f, a, b in zip(grid, same[1], this[1], strict=True) if a != b)
        twice = _text(grid[field][this[1][list(grid).index(field)]])
        raise StudyError(f"{path}: sweep.{field}: {twice} is there twice")


def _variants(path: Path, table: Any) -> dict[str, dict[str, Any]]:
    """Return the settings of each variant by dotted field; one without a name where there are none."""
    if table is None:
        return {"": {}}
    if not isinstance(table, dict) or not table:
        raise StudyError(f"{path}: [variants] is empty; wanted names with settings, for instance plain = {{}}")
    fields, variants = [field for field in study_fields() if field != "name"], dict[str, dict[str, Any]]()
    for name, settings in table.items():
        if not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise StudyError(f"{path}: variants: wanted names of letters, digits and _, got {name!r}")
        if not isinstance(settings, dict):
            raise StudyError(f"{path}: variants.{name}: wanted settings, got {_text(settings)}; try {{seed = 1}}")
        variants[name] = dict(_dotted(settings))
        for field in variants[name]:
            if field not in fields and not any(field.startswith(f"{open_table}.") for open_table in _OPEN_TABLES):
                raise StudyError(f"{path}: unknown field {field} in [variants]; {nearest(field, fields)}")
    return variants


def _grid(path: Path, table: Any) -> dict[str, list[Any]]:
    """Return the lists of values by dotted field; dots and tables are the same in TOML."""
    grid = dict(_dotted(table)) if isinstance(table, dict) else {}
    if not grid:
        raise StudyError(f'{path}: [sweep] is empty; wanted fields with lists of values, for instance "seed" = [0, 1]')
    fields = [field for field in study_fields() if field != "name" and field.partition(".")[0] != "cluster"]
    for field, values in grid.items():
        if field == "name":
            raise StudyError(f"{path}: sweep.name: the members are named after their values; take it out")
        if field not in fields:
            raise StudyError(f"{path}: unknown field {field} in [sweep]; {nearest(field, fields)}")
        if not isinstance(values, list) or not values:
            got = "an empty one" if values == [] else _text(values)
            raise StudyError(f"{path}: sweep.{field}: wanted a list of values, got {got}")
    return grid


def _dotted(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _put(path: Path, stated: dict[str, Any], where: str, field: str, value: Any) -> None:
    """State a value in parsed TOML. Raises StudyError if a section on the way holds something else than fields."""
    *parents, name = field.split(".")
    for depth, parent in enumerate(parents, start=1):
        part = stated.setdefault(parent, {})
        if not isinstance(part, dict):
            whole = ".".join(parents[:depth])
            raise StudyError(f"{path}: {where}.{field}: {whole} is stated as {_text(part)}; take that out")
        stated = part
    stated[name] = copy.deepcopy(value)


def _tails(fields: list[str]) -> list[str]:
    """Return the shortest ends of the fields' names that tell them apart.

    >>> _tails(["seed", "training.schedule", "data.split.fit"])
    ['seed', 'schedule', 'fit']
    """
    names = [field.split(".") for field in fields]
    ends = []
    for name in names:
        length = next(
            (n for n in range(1, len(name)) if [other[-n:] for other in names].count(name[-n:]) == 1), len(name)
        )
        ends.append("_".join(name[-length:]))
    return ends


def _words(values: list[Any]) -> list[str]:
    """Return each value as part of a name; long words and equal ones end in a digest.

    >>> _words([0.0, 5e-4, -1, "one_cycle"])
    ['0', '0p0005', 'm1', 'one_cycle']
    """
    words = [_word(value) for value in values]
    count = Counter(words)
    return [
        word
        if word and count[word] == 1 and len(word) <= _LONGEST_WORD
        else f"{word[:_LONGEST_WORD]}_{hashlib.sha256(_text(value).encode()).hexdigest()[:6]}"
        for word, value in zip(words, values, strict=True)
    ]


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else _text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = text.removesuffix(".0").replace(".", "p").replace("-", "m").replace("+", "")
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
