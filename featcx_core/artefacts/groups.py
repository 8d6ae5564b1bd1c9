"""Groups: studies that are compared, where they differ, and whether their comparison is still of what they say.

A group lies where a study of its name would lie, `HOME/<name>/comparison.toml`; a sweep is one whose members
were written from one file.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.commits import committed_fingerprint, place_of
from featcx_core.artefacts.declaration import Artefact, Rows, resolve
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.artefacts.visible_rows import write_current
from featcx_core.store.files import write_bytes
from featcx_core.store.parquet import read_all, write_rows
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Study, StudyError
from featcx_core.study.files import read_toml


class Group(NamedTuple):
    """Studies that are compared under a name."""

    name: str
    """The comparison's, first part of its asset key and column `study` of its rows."""
    members: tuple[str, ...]
    """Registered studies; the first has the values that the others are held against."""


def group_store(home: str | Path, name: str) -> Store:
    """Places of a comparison's artefacts: as a study's, without a study file."""
    return Store(home, Study(name=name))


def write_group(home: str | Path, group: Group) -> Store:
    """Register a group. Raises StudyError as `refuse_unusable`."""
    refuse_unusable(home, group)
    store = group_store(home, group.name)
    lines = [f"name = {json.dumps(group.name)}", f"studies = {json.dumps(list(group.members))}", ""]
    write_bytes(store.group_path, "\n".join(lines).encode())
    return store


def refuse_unusable(home: str | Path, group: Group) -> None:
    """Raise StudyError for a name that a study has or that cannot be one, and for fewer than two members."""
    if not re.fullmatch(r"[A-Za-z0-9_]+", group.name) or group.name == "dagster":
        raise StudyError(f"wanted a name of letters, digits and _ (and not dagster), got {group.name!r}")
    if len(set(group.members)) < 2:
        raise StudyError(f"wanted at least two studies to compare, got {', '.join(group.members) or 'none'}")
    if group_store(home, group.name).study_path.is_file():
        raise StudyError(f"{group.name} is the name of a study in {home}; wanted another for the comparison")


def read_group(path: Path) -> Group:
    """The group of a `comparison.toml`. Raises StudyError where it is not a valid one."""
    values = read_toml(path)
    members = values.get("studies")
    if values.get("name") != path.parent.name or not isinstance(members, list) or len(members) < 2:
        raise StudyError(f"{path}: wanted name = {path.parent.name!r} and a list of at least two studies")
    return Group(path.parent.name, tuple(map(str, members)))


def group_paths(home: Path) -> dict[str, Path]:
    """The registered groups' files, by name."""
    return {path.parent.name: path for path in sorted(home.glob("*/comparison.toml"))}


def differing(studies: Sequence[Study]) -> dict[str, dict[str, str]]:
    """Fields in which the studies differ: for each, the value in each study, by the study's name.

    >>> one, two = Study(name="a"), Study(name="b", seed=1)
    >>> differing([one, two])
    {'seed': {'a': '0', 'b': '1'}}
    """
    settings_of = {study.name: study.settings for study in studies}
    fields = next(iter(settings_of.values()), {})
    values_of = {field: {name: settings[field] for name, settings in settings_of.items()} for field in fields}
    return {field: values for field, values in values_of.items() if len(set(values.values())) > 1}


class GroupSnapshot:
    """The members of a group as they are now, and what an artefact of the group is made from.

    Args:
        home: folder of all studies.
        group: the studies.
        artefact: made once of the group.
    """

    def __init__(self, home: str | Path, group: Group, artefact: Artefact) -> None:
        self.group = group
        self.artefact = artefact
        self.store = group_store(home, group.name)
        self.members: list[Snapshot] = []
        self.made_from: dict[str, list[str]] = {}
        self.left_out: dict[str, str] = {}
        for name in group.members:
            try:
                member = Snapshot(open_store(home, name))
                inputs = sorted(self._inputs(member))
            except (StudyError, OSError, ValueError) as error:
                self.left_out[name] = str(error)
                continue
            if inputs:
                self.members.append(member)
                self.made_from[name] = inputs
            else:
                self.left_out[name] = "nothing of it is made yet"

    def _inputs(self, member: Snapshot) -> Iterator[str]:
        """Yield the fingerprints of a member's current rows that are read."""
        visible = member.visible()
        for need in member.catalogue.needs(self.artefact):
            for place in member.selected(need, Partition(self.artefact.name)):
                if need.artefact.has_epochs:
                    if place in member.current:
                        yield member.fingerprint(place)
                elif (made := member.committed(place)) and any((t.name, made) in visible for t in need.artefact.tables):
                    yield made

    @property
    def is_ready(self) -> bool:
        """Whether two members or more have results."""
        return len(self.members) > 1

    @property
    def fingerprint(self) -> str:
        """Digest of the members, where they differ and everything of theirs that is read."""
        differences = differing([member.study for member in self.members])
        reference = {member.study.name: member.study.reference_epoch for member in self.members}
        text = json.dumps(
            [self.artefact.name, self.artefact.version, self.group, differences, self.made_from, reference]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def is_current(self) -> bool:
        """Whether tables, figures and page are of what the members say today."""
        place = Partition(self.artefact.name)
        return committed_fingerprint(self.store, self.artefact, place, expected="") == self.fingerprint

    @property
    def is_wanting(self) -> bool:
        """Whether it can be made and is not current."""
        return self.is_ready and not self.is_current


class GroupReader:
    """Reads the tables of a group.

    Args:
        home: folder of all studies.
        group: the studies.
    """

    def __init__(self, home: str | Path, group: Group) -> None:
        self.store = group_store(home, group.name)

    def table(self, name: str, *, columns: list[str] | None = None) -> pd.DataFrame:
        """Return a table's rows; none where it is not made yet."""
        path = self.store.table(name, Partition(name).name)
        return read_all(catalogue().tables[name], [path] if path.exists() else [], columns=columns)


def make_of_group(home: str | Path, group: Group, artefact: Artefact) -> GroupSnapshot:
    """Make an artefact of a group from the members that have results; returns what it was made from.

    The caller holds its lock. Raises ValueError where fewer than two have results, or they differ in no field.
    """
    snapshot = GroupSnapshot(home, group, artefact)
    if not snapshot.is_ready:
        raise ValueError(f"{group.name}: wanted at least two studies with results, got {len(snapshot.members)}")
    if not differing([member.study for member in snapshot.members]):
        raise ValueError(f"{group.name}: the studies differ in no field; there is nothing to compare")
    store, fingerprint, place = snapshot.store, snapshot.fingerprint, Partition(artefact.name)
    with ExitStack() as stack:
        drafts = {
            folder: stack.enter_context(store.writing(place_of(store, folder, place), fingerprint=fingerprint))
            for folder in artefact.folders
        }
        tables: Mapping[str, pd.DataFrame] = resolve(artefact.make)(snapshot, *drafts.values())
        for holding in artefact.holds:
            if isinstance(holding, Rows):
                rows, path = tables[holding.table.name], place_of(store, holding, place)
                write_rows(path, holding.table, rows, study=group.name, fingerprint=fingerprint)
    write_current(store, {(table.name, fingerprint) for table in artefact.tables})
    return snapshot
