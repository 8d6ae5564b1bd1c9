"""Study files: reading one, saying in one line what is wrong in it, and writing one."""

import difflib
import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from featcx_core.study.fields import Study, StudyError

_WANTED = "Input should be "
_KIND = re.compile(r"literal\[.*\]|constrained-\w+|int|float|str|bool|(list|tuple|dict)\[.*\]")


def packaged_studies() -> dict[str, Path]:
    """Study files that come with featcx, by name."""
    folder = Path(str(files("featcx_core"))) / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_study(name: str | Path) -> Study:
    """The study of a TOML file, or a packaged one by its name.

    Raises StudyError when there is no such study or the file is not a valid one.
    """
    path = packaged_studies().get(str(name), Path(name))
    if not path.is_file():
        known = ", ".join(packaged_studies())
        raise StudyError(f"no study {str(name)!r}: wanted a path to a TOML file or one of: {known}")
    values = read_toml(path)
    if "sweep" in values:
        raise StudyError(f"{path}: a sweep of several studies, not one; `featcx run {path}` makes them")
    return study_of(values, path=path)


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file states. Raises StudyError where it is not valid."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: not valid TOML: {error}") from None


def study_of(values: dict[str, Any], *, path: Path) -> Study:
    """The study that the file at `path` states. Raises StudyError, in one line, where it is not a valid one."""
    study = validated(values, where=f"{path}: ")
    if study.model.is_imported and not study.model.folder:
        study = study.model_copy(update={"model": study.model.model_copy(update={"folder": "."})})
    return _with_absolute_paths(study, path.parent)


def validated(values: dict[str, Any], *, where: str = "") -> Study:
    """The study of parsed TOML. Raises StudyError, one line that begins with `where`, when it is not a valid one."""
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise StudyError(where + "; ".join(_lines(error.errors()))) from None


def _paths(study: Study) -> dict[tuple[str, str], str]:
    """The fields that may hold a path, and the path in each; empty where it holds none."""
    data, model = study.data, study.model
    return {
        ("data", "source"): data.path,
        ("data", "classes"): data.classes,
        ("data", "superclasses"): data.superclasses if isinstance(data.superclasses, str) else "",
        ("model", "folder"): model.folder,
        ("model", "weights"): model.weights_path,
        ("checkpoints", "folder"): study.checkpoints.folder,
    }


def _with_absolute_paths(study: Study, folder: Path) -> Study:
    # A path in a study file is relative to that file; the registered copy lies elsewhere.
    for (part, field), path in _paths(study).items():
        if path:
            is_local = "://" not in path and not Path(path).is_absolute()
            absolute = str((folder / path).resolve()) if is_local else path.rstrip("/")
            section = getattr(study, part)
            value = getattr(section, field).removesuffix(path) + absolute
            study = study.model_copy(update={part: section.model_copy(update={field: value})})
    return study


def _follows(error: Any) -> bool:
    """Whether a list is too short only because what stands in it is wrong, which has its own line."""
    return bool(error["type"] == "too_short" and len(error["input"]) > error["ctx"]["actual_length"])


def _lines(errors: list[Any]) -> list[str]:
    """One a field: of a field that may be of several kinds there is an error a kind."""
    by_field: dict[tuple[str, ...], list[Any]] = {}
    for error in errors:
        if not _follows(error):
            by_field.setdefault(_field(error), []).append(error)
    lines = []
    for found in by_field.values():
        wanted = [error["msg"].removeprefix(_WANTED) for error in found]
        several = len(found) > 1 and all(error["msg"].startswith(_WANTED) for error in found)
        merged = [{**found[0], "msg": _WANTED + " or ".join(wanted)}] if several else found
        lines += [_plain(error) for error in merged]
    return lines


def _field(error: Any) -> tuple[str, ...]:
    """Where the error is, without the names that pydantic gives to the kinds of value."""
    return tuple(str(part) for part in error["loc"] if not _KIND.fullmatch(str(part)))


def _plain(error: Any) -> str:
    *parents, key = _field(error) or [""]
    where = ".".join([*parents, key])
    if error["type"] == "extra_forbidden":
        valid = _fields_at(parents)
        hint = _meant(key, valid, cutoff=0.4) or f"valid keys: {', '.join(valid)}"
        return f"unknown key {where}; {hint}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "too_short":
        message = f"wanted at least {error['ctx']['min_length']} entry"
    if not where or error["type"] == "value_error":
        return str(message)
    choices = re.findall(r"'([^']+)'", message) if error["type"] == "literal_error" else []
    hint = _meant(str(error["input"]), choices, cutoff=0.6)
    return f"{where}: {message.replace('tuple', 'list')}, got {error['input']!r}" + (f"; {hint}" if hint else "")


def _meant(given: str, valid: list[str], *, cutoff: float) -> str:
    """What was probably meant; empty where nothing is near."""
    near = difflib.get_close_matches(given, valid, n=1, cutoff=cutoff)
    return f"did you mean {near[0]}?" if near else ""


def _fields_at(parents: list[str]) -> list[str]:
    part: Any = Study
    for name in parents:
        part = part.model_fields[name].annotation
    return list(part.model_fields)


def study_text(study: Study, *, text: str | None = None) -> str:
    """The study as TOML: its author's text where that says the same, paths to data made absolute."""
    if text is not None:
        text = _with_paths(text, study)
        if _parsed(text) == study:
            return text
    sections = study.model_dump(mode="json")
    lines = [f"{key} = {toml_value(value)}" for key, value in sections.items() if not isinstance(value, dict)]
    for name, section in sections.items():
        if isinstance(section, dict):
            lines += ["", f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in section.items())]
    return "\n".join([*lines, ""])


def _with_paths(text: str, study: Study) -> str:
    """The text with the paths of the study in place of those relative to its file."""
    try:
        stated = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text
    for part, field in _paths(study):
        section, meant = stated.get(part), getattr(getattr(study, part), field)
        said = section.get(field) if isinstance(section, dict) else None
        if isinstance(said, str) and isinstance(meant, str) and said != meant:
            for quoted in (f'"{said}"', f"'{said}'"):
                text = text.replace(quoted, json.dumps(meant, ensure_ascii=False), 1)
    if study.model.folder and "folder" not in stated.get("model", {}):
        line = f"folder = {toml_value(study.model.folder)}  # of the study file"
        text = re.sub(r"^\[model\].*$", lambda header: f"{header[0]}\n{line}", text, count=1, flags=re.MULTILINE)
    return text


def says(path: Path, study: Study) -> bool:
    """Whether a file is there and states that study."""
    return path.is_file() and _parsed(path.read_text(encoding="utf-8")) == study


def _parsed(text: str) -> Study | None:
    try:
        return Study.model_validate(tomllib.loads(text))
    except ValueError:  # tomllib's and pydantic's errors are such
        return None


def toml_value(value: Any) -> str:
    """A value as TOML. Raises StudyError for what TOML cannot say."""
    match value:
        case bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case int() | float():
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
        case dict():
            return f"{{{', '.join(f'{_key(key)} = {toml_value(item)}' for key, item in value.items())}}}"
    raise StudyError(
        f"a study file cannot hold {value!r}; wanted text, numbers, true or false, lists and tables of them"
    )


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
