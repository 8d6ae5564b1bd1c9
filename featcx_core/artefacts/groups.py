"""Groups: studies that are compared, where they differ, and whether their comparison is still of what they say.

A group lies where a study of its name would lie, `HOME/<name>/comparison.toml`; a sweep is one whose members
were written from one file.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from featcx_core.artefacts.state import Partition, State
from featcx_core.networks.anatomy import Anatomy
from featcx_core.store.places import Store, footer, open_store, write_bytes
from featcx_core.store.tables import COMPARED
from featcx_core.study.fields import Study, StudyError
from featcx_core.study.files import read_toml

CODE_VERSION = 1
"""Raised by hand when a comparison's result changes for the same input."""
TABLES_READ = ("sedimentation", "correlations")
"""Tables over all epochs that a comparison reads, beside each epoch's row and its V-information at two layers."""


class Group(NamedTuple):
    """Studies that are compared under a name."""

    name: str
    """The comparison's, first part of its asset key and column `study` of its rows."""
    members: tuple[str, ...]
    """Registered studies; the first has the values that the others are held against."""


def group_store(home: str | Path, name: str) -> Store:
    """Where a comparison's artefacts lie: as a study's, without a study file."""
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
    said = {study.name: study.settings for study in studies}
    fields = next(iter(said.values()), {})
    found = {field: {name: settings[field] for name, settings in said.items()} for field in fields}
    return {field: values for field, values in found.items() if len(set(values.values())) > 1}


class Comparison:
    """A group's members as they are now, and what their comparison is made from.

    Args:
        home: folder of all studies.
        group: what is compared.
    """

    def __init__(self, home: str | Path, group: Group) -> None:
        self.group = group
        self.store = group_store(home, group.name)
        self.states: list[State] = []
        self.made_from: dict[str, list[str]] = {}
        self.left_out: dict[str, str] = {}
        for name in group.members:
            try:
                state = State(open_store(home, name))
                read = inputs(state)
            except (StudyError, OSError, ValueError) as error:
                self.left_out[name] = str(error)
                continue
            if read:
                self.states.append(state)
                self.made_from[name] = read
            else:
                self.left_out[name] = "nothing of it is made yet"

    @property
    def is_ready(self) -> bool:
        """Whether two members or more have results."""
        return len(self.states) > 1

    @property
    def fingerprint(self) -> str:
        """Digest of the members, where they differ and every table of theirs that is read."""
        differences = differing([state.study for state in self.states])
        reference = {state.study.name: state.study.reference_epoch for state in self.states}
        text = json.dumps([CODE_VERSION, self.group, differences, self.made_from, reference])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def is_current(self) -> bool:
        """Whether tables, figures and page are of what the members say today."""
        made = {self.store.table_fingerprint(table, "all") for table in COMPARED}
        prints = {None if one is None else one[0] for one in made} | {self.store.committed(self.store.comparison)}
        return prints == {self.fingerprint}

    @property
    def is_wanting(self) -> bool:
        """Whether it can be made and is not current."""
        return self.is_ready and not self.is_current


def layers_read(anatomy: Anatomy) -> dict[str, str]:
    """The layers whose V-information is compared, by what they are in any network."""
    return {"first_layer": anatomy.names[0], "penultimate": anatomy.penultimate}


def inputs(state: State) -> list[str]:
    """Fingerprints of a member's current rows that a comparison reads."""
    layers, visible = layers_read(state.anatomy).values(), state.visible()
    found = [
        state.prints.of(*p)
        for p in state.current
        if p.asset == "checkpoint" or (p.asset == "v_information" and p.layer in layers)
    ]
    for table in TABLES_READ:
        made = footer(state.store.table(table, Partition(table).name))
        if made and (table, made[0]) in visible:
            found.append(made[0])
    return sorted(found)
