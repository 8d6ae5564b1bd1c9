"""Study files: reading and writing them."""

import tomllib
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ConvertError
from tomlkit.items import Item

from featcx_core.study.fields import Study, StudyError
from featcx_core.study.validation import validated


def packaged_studies() -> dict[str, Path]:
    """Return the study files that come with featcx, by name."""
    folder = Path(str(files("featcx_core"))) / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_study(name: str | Path) -> Study:
    """Read the study of a TOML file, or a packaged one by its name.

    Raises StudyError when there is no such study or the file is not a valid one.
    """
    path = packaged_studies().get(str(name), Path(name))
    if not path.is_file():
        packaged = ", ".join(packaged_studies())
        raise StudyError(f"no study {str(name)!r}: wanted a path to a TOML file or one of: {packaged}")
    values = read_toml(path)
    if "sweep" in values:
        raise StudyError(f"{path}: a sweep of several studies, not one; `featcx run {path}` makes them")
    return study_of(values, path=path)


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file. Raises StudyError if it is not valid."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise StudyError(f"{path}: not valid TOML: lists or tables are nested too deeply") from None


def study_of(values: dict[str, Any], *, path: Path) -> Study:
    """Return the study that the file at `path` states, with absolute paths. Raises StudyError if it is not valid."""
    study = validated(values, where=f"{path}: ")
    if study.model.is_imported and not study.model.folder:
        study = study.model_copy(update={"model": study.model.model_copy(update={"folder": "."})})
    return _with_absolute_paths(study, path.parent)


def study_text(study: Study, *, text: str | None = None) -> str:
    """Return the study as TOML: its author's text, with absolute paths, where that text states the same study.

    Raises StudyError for a value that TOML does not have.
    """
    if text is not None:
        with suppress(ValueError):  # not TOML
            text = _with_paths(text, study)
            if _parsed(text) == study:
                return text
    try:
        return tomlkit.dumps(study.model_dump(mode="json"))
    except ConvertError:
        raise _refused(None) from None  # JSON has no other value that TOML lacks


def says(path: Path, study: Study) -> bool:
    """Return True if a file exists and states that study."""
    return path.is_file() and _parsed(path.read_text(encoding="utf-8")) == study


def toml_value(value: Any) -> str:
    """Write a value as TOML, in one line.

    >>> toml_value({"crop": 32, "mean": (0.5, 1e-6)})
    '{crop = 32, mean = [0.5, 1e-06]}'

    Raises StudyError for a value that TOML does not have.
    """
    return _item(value).as_string()


def _paths(study: Study) -> dict[tuple[str, str], str]:
    """Return the fields that may hold a path, and the path in each; empty where a field holds none."""
    data, model = study.data, study.model
    return {
        ("data", "source"): data.path,
        ("data", "dictionary"): data.dictionary.partition(":")[2],
        ("data", "classes"): data.classes,
        ("data", "superclasses"): data.superclasses if isinstance(data.superclasses, str) else "",
        ("model", "source"): model.hub_folder,
        ("model", "folder"): model.folder,
        ("model", "weights"): model.weights_path,
        ("model", "outputs"): model.outputs_path,
        ("model", "output_names"): model.output_names,
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


def _with_paths(text: str, study: Study) -> str:
    """Replace the paths that are relative to the study file; comments and layout stay. Raises ValueError."""
    document = tomlkit.parse(text)
    for part, field in _paths(study):
        section, path = document.get(part), getattr(getattr(study, part), field)
        stated = section.get(field) if isinstance(section, dict) else None
        if isinstance(section, dict) and isinstance(stated, str) and isinstance(path, str) and stated != path:
            section[field] = path
    if study.model.folder and "folder" not in document.get("model", {}):
        folder = tomlkit.string(study.model.folder).comment("of the study file")
        document.setdefault("model", {})["folder"] = folder
    return tomlkit.dumps(document)


def _parsed(text: str) -> Study | None:
    try:
        return Study.model_validate(tomllib.loads(text))
    except ValueError:  # the errors of tomllib and of pydantic
        return None


def _item(value: Any) -> Item:
    # tomlkit.item would spread dictionaries over several lines
    match value:
        case dict():
            table = tomlkit.inline_table()
            table.update({key: _item(held) for key, held in value.items()})
            return table
        case list() | tuple():
            array = tomlkit.array()
            array.extend(map(_item, value))
            return array
    try:
        item: Item = tomlkit.item(value)
    except ConvertError:
        raise _refused(value) from None
    return item


def _refused(value: Any) -> StudyError:
    return StudyError(
        f"a study file cannot hold {value!r}; wanted text, numbers, true or false, lists and tables of them"
    )
