"""`featcx compare`, and what is said of studies side by side."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featcx_assets.resources import home
from featcx_assets.views import database
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.commits import place_of
from featcx_core.artefacts.groups import (
    Group,
    GroupReader,
    GroupSnapshot,
    differing,
    group_paths,
    read_group,
    write_group,
)
from featcx_core.artefacts.partition import Partition
from featcx_core.store.places import open_store
from featcx_core.study.fields import StudyError
from featcx_core.study.nearest import nearest
from featcx_core.study.sweep import is_sweep, packaged_sweeps

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("studies", nargs=-1, required=True, metavar="STUDY...")
@click.option("--by", help="Only by this field of the study; default: by every field in which they differ.")
@click.option("--name", default="comparison", show_default=True, help="Under which it is kept and shown in the web UI.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def compare(studies: tuple[str, ...], by: str | None, name: str, *, as_json: bool) -> None:
    """Set registered studies side by side: what differs between the values of a field.

    STUDY is the name of a registered study, or of a sweep or an earlier comparison for all of its studies.
    """
    group = _group(studies, name)
    fields = differing([open_store(home(), member).study for member in group.members])
    if not fields:
        raise StudyError(f"{' and '.join(group.members)} differ in no field; there is nothing to compare")
    if by is not None and by not in fields:
        raise StudyError(f"--by: the studies do not differ in {by!r}; {nearest(by, list(fields))}")
    write_group(home(), group)
    from featcx_assets.sweep import compare as make

    outcome = make(group, home=home(), say=lambda line: click.echo(line, err=True))
    if not outcome.failures:
        say_comparison(group, by=by, as_json=as_json)
    for line in outcome.failures:
        click.echo(f"failed: {line}", err=True)
    if outcome.failures:
        sys.exit(1 if outcome.broken else 2)


def say_comparison(group: Group, *, by: str | None, as_json: bool) -> None:
    """The comparison on stdout, and what is left out of it on stderr."""
    compared = group_snapshot(group)
    for member, reason in compared.left_out.items():
        click.echo(f"left out: {member}: {reason}", err=True)
    if as_json:
        click.echo(json.dumps({"name": group.name, **comparison_values(compared, by=by)}, indent=1))
        return
    for line in comparison_lines(compared, by=by):
        click.echo(line)


def group_snapshot(group: Group) -> GroupSnapshot:
    """Return a group's members and comparison as they are now."""
    (artefact,) = catalogue().of_groups
    return GroupSnapshot(home(), group, artefact)


def _rows(group: GroupSnapshot) -> "pd.DataFrame":
    return GroupReader(home(), group.group).table(group.artefact.tables[-1].name)


def comparison_lines(compared: GroupSnapshot, *, by: str | None = None) -> list[str]:
    """A table for each field, at each study's reference epoch, then the paths of page and database."""
    from featcx_core.findings.comparison import by_value, notes_of

    settings = differing([member.study for member in compared.members])
    rows = _rows(compared)
    lines = [f"{compared.group.name}: {len(compared.members)} studies; at the end of each, mean (95 % over studies)"]
    lines += notes_of(rows)
    for field in [by] if by else settings:
        table = by_value(rows, settings, field=field)
        alike = f" (together with {', '.join(table.together_with)})" if table.together_with else ""
        lines += ["", f"by {field}{alike}"]
        widths = [max(len(row[i]) for row in (table.header, *table.rows)) for i in range(len(table.header))]
        for row in (table.header, *table.rows):
            lines.append("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    return [*lines, "", *(f"{what}: {path}" for what, path in _places(compared).items())]


def comparison_values(compared: GroupSnapshot, *, by: str | None = None) -> dict[str, Any]:
    """The same for machines, with all epochs."""
    settings = differing([member.study for member in compared.members])
    rows = _rows(compared).drop(columns=["study", "fingerprint"])
    rows = rows.assign(epoch=rows["epoch"].astype("Int64"))
    if by:
        rows = rows[rows["field"] == by]
    names = [member.study.name for member in compared.members]
    return {
        "studies": {name: {field: settings_of[name] for field, settings_of in settings.items()} for name in names},
        "left_out": compared.left_out,
        "rows": json.loads(rows.to_json(orient="records")),
        **{what: str(path) for what, path in _places(compared).items()},
    }


def _group(names: tuple[str, ...], name: str) -> Group:
    path_of = group_paths(home())
    if len(names) == 1 and names[0] in path_of:
        return read_group(path_of[names[0]])
    members = [
        member
        for study_or_sweep in names
        for member in (read_group(path_of[study_or_sweep]).members if study_or_sweep in path_of else (study_or_sweep,))
    ]
    return Group(name, tuple(dict.fromkeys(members)))


def _places(compared: GroupSnapshot) -> dict[str, Path]:
    places = {"page": _folder(compared) / "index.html", "database": database(compared.store.home)}
    return {what: path for what, path in places.items() if path.exists()}


def _folder(group: GroupSnapshot) -> Path:
    (folder,) = group.artefact.folders
    return place_of(group.store, folder, Partition(group.artefact.name))


def group_to_run(name: str) -> tuple[Group, dict[str, str]] | None:
    """The studies of a sweep, or of a registered group, and why some are not registered; None for a single study."""
    if (home() / name / "study.toml").is_file():
        return None
    if registered := group_paths(home()).get(name):
        return read_group(registered), {}
    path = packaged_sweeps().get(name, Path(name))
    if not (path.is_file() and is_sweep(path)):
        return None
    from featcx_assets.sweep import register_sweep

    return register_sweep(path, home=home(), say=lambda line: click.echo(line, err=True))


def state_of_group(group: Group) -> dict[str, Any]:
    """Return the lines of `featcx status` on a comparison."""
    compared = group_snapshot(group)
    stale = "missing" if not _folder(compared).exists() else "stale"
    note = "" if compared.is_current else f"1 {stale}" if compared.is_ready else "fewer than two studies have results"
    row = {"asset": compared.artefact.name, "partitions": 1, "current": int(compared.is_current), "note": note}
    return {"error": "", "assets": [row], "bad_checkpoints": []}
