"""The catalogue: every declared artefact, featcx's own and those of installed packages, each after its inputs."""

import pkgutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from featcx_core.artefacts.declaration import Artefact, Need
from featcx_core.store.tables import Table
from featcx_core.study.fields import Study, StudyError
from featcx_core.study.nearest import nearest

PACKAGE = "featcx_core.analyses"
"""Each of its packages declares artefacts."""
ENTRY_POINTS = "featcx.analyses"
"""Group of entry points by which installed packages declare theirs."""
BY_DEFAULT = "default"
"""In `analyses.run`: all that are made by default."""


class Catalogue:
    """Artefacts by name, each after what it is made from.

    Args:
        declared: the artefacts, in any order.
        broken: a line for every declaration of an installed package that cannot be used.
    """

    def __init__(self, declared: Iterable[Artefact], *, broken: Collection[str] = ()) -> None:
        artefacts = tuple(declared)
        self.broken = tuple(broken)
        tabular = [a for a in artefacts if a.tables and not a.is_internal and a.grain != "group" and not a.reads_tables]
        self._needs = {a: (*a.needs, *_all_tables(a, tabular)) for a in artefacts}
        depth = {artefact: self._depth(artefact) for artefact in artefacts}
        ordered = sorted(artefacts, key=lambda a: (depth[a], a.name))
        self.closure = cache(self._closure)
        self.artefacts: Mapping[str, Artefact] = MappingProxyType({a.name: a for a in ordered})
        self.tables: Mapping[str, Table] = MappingProxyType({t.name: t for a in ordered for t in a.tables})
        self.holders: Mapping[str, tuple[Artefact, ...]] = MappingProxyType(
            {name: tuple(a for a in ordered if name in {t.name for t in a.tables}) for name in self.tables}
        )

    def __getitem__(self, name: str) -> Artefact:
        return self.artefacts[name]

    def __iter__(self) -> Iterator[Artefact]:
        return iter(self.artefacts.values())

    def needs(self, artefact: Artefact) -> tuple[Need, ...]:
        """Return an artefact's inputs; of one that reads all tables, these too."""
        return self._needs[artefact]

    def _closure(self, artefact: Artefact) -> frozenset[Artefact]:
        """Return an artefact, its inputs, their inputs, and so on."""
        inputs = {need.artefact for need in self.needs(artefact)}
        return frozenset({artefact}).union(*(self.closure(each) for each in inputs))

    def consumers(self, artefact: Artefact) -> tuple[Artefact, ...]:
        """Return the artefacts that are made from this one."""
        return tuple(other for other in self if any(need.artefact is artefact for need in self.needs(other)))

    @property
    def shown(self) -> tuple[Artefact, ...]:
        """The artefacts of a study that people see: not those stored on the way, nor those of groups of studies."""
        return tuple(a for a in self if not a.is_internal and a.grain != "group")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the artefacts that people see."""
        return tuple(artefact.name for artefact in self.shown)

    @property
    def of_groups(self) -> tuple[Artefact, ...]:
        """The artefacts that are made once of a group of studies."""
        return tuple(artefact for artefact in self if artefact.grain == "group")

    def possible(self, study: Study) -> tuple[Artefact, ...]:
        """Return the shown artefacts that a study can have."""
        return tuple(artefact for artefact in self.shown if artefact.is_possible(study))

    def wanted(self, study: Study) -> tuple[Artefact, ...]:
        """Return the shown artefacts that a study asks for."""
        named = self._named(study)
        asked = [a for a in self.possible(study) if a.asked == "always" or a in named]
        return tuple(
            a for a in self.possible(study) if a in asked or (a.asked == "with" and {*a.comes_with} <= {*asked})
        )

    def refuse_unknown(self, study: Study) -> None:
        """Raise StudyError for a name in `analyses.run` that no artefact has, or one that lacks what it reads."""
        choices = [BY_DEFAULT, *(a.name for a in self.shown if a.asked in ("default", "named"))]
        for name in study.analyses.run:
            if name not in choices:
                raise StudyError(f"analyses.run: no analysis {name!r}; {nearest(name, choices)}")
        named = self._named(study)
        for artefact in named:
            inputs = [n.artefact for n in self.needs(artefact) if n.uses == "required"]
            missing = [i.name for i in inputs if i.asked in ("default", "named") and i not in named]
            if missing:
                raise StudyError(f"{artefact.name} needs {' and '.join(sorted({*missing}))} in analyses.run")

    def _named(self, study: Study) -> list[Artefact]:
        run = study.analyses.run
        return [
            a
            for a in self.possible(study)
            if (a.asked == "default" and (BY_DEFAULT in run or a.name in run)) or (a.asked == "named" and a.name in run)
        ]

    def _depth(self, artefact: Artefact, below: tuple[Artefact, ...] = ()) -> int:
        if artefact in below:
            raise ValueError(f"artefact {artefact.name} is made from itself")
        needs = (need.artefact for need in self._needs.get(artefact, artefact.needs))
        return 1 + max((self._depth(need, (*below, artefact)) for need in needs), default=0)


@cache
def catalogue() -> Catalogue:
    """Return the catalogue of this installation, read once a process.

    A declaration of an installed package that cannot be used is named in `broken`; everything else is there.
    """
    of_featcx, broken = list(_own()), list[str]()
    _refuse_repeated(of_featcx)
    declared = list(of_featcx)
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        try:
            declared += _usable(point, declared)
        except Exception as error:  # another program's code fails in any way
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            broken.append(f"analysis {point.name} ({point.value}) is left out: {type(error).__name__}: {reason}")
    return Catalogue(declared, broken=broken)


def artefact_called(name: str) -> Artefact:
    """Return an artefact by its name. Raises ValueError, with the nearest name, where there is none."""
    artefacts = catalogue().artefacts
    if name not in artefacts:
        raise ValueError(f"no artefact {name!r}; {nearest(name, catalogue().names)}")
    return artefacts[name]


def _own() -> Iterator[Artefact]:
    package = import_module(PACKAGE)
    for info in pkgutil.iter_modules(package.__path__):
        if info.ispkg:
            yield from getattr(import_module(f"{PACKAGE}.{info.name}"), "DECLARED", ())


def _refuse_repeated(artefacts: Collection[Artefact]) -> None:
    """Raise ValueError where two artefacts have one name, or two descriptions of tables."""
    described = {table.name: table for artefact in artefacts for table in artefact.tables}
    for artefact in artefacts:
        if sum(other.name == artefact.name for other in artefacts) > 1:
            raise ValueError(f"two artefacts are called {artefact.name!r}; choose another name")
        for table in artefact.tables:
            if described[table.name] != table:
                raise ValueError(f"{artefact.name}: the table {table.name!r} is declared already; choose another name")


def _usable(point: EntryPoint, declared: Collection[Artefact]) -> list[Artefact]:
    """Return the artefacts of an entry point. Raises whatever makes them unusable."""
    loaded = point.load()
    artefacts = [loaded] if isinstance(loaded, Artefact) else list(loaded)
    names, tables = {a.name for a in declared}, {t.name for a in declared for t in a.tables}
    for artefact in artefacts:
        if not isinstance(artefact, Artefact):
            raise TypeError(f"wanted an Artefact, got {type(artefact).__name__}")
        if artefact.name in names or not artefact.name.isidentifier():
            raise ValueError(f"the name {artefact.name!r} is taken or no name; choose another")
        if taken := tables & {t.name for t in artefact.tables}:
            raise ValueError(f"the table {min(taken)!r} is declared already; choose another name")
        if unknown := [n.artefact.name for n in artefact.needs if n.artefact not in (*declared, *artefacts)]:
            raise ValueError(f"it needs {unknown[0]}, which is not declared")
        if artefact.has_epochs and any(need.uses == "if_there" for need in artefact.needs):
            raise ValueError('an artefact with epochs has inputs that are "required", or first in "order" only')
    return artefacts


def _all_tables(artefact: Artefact, tabular: Iterable[Artefact]) -> Iterator[Need]:
    if artefact.reads_tables:
        explicit = {need.artefact for need in artefact.needs}
        yield from (Need(other, uses="if_there") for other in tabular if other not in explicit)
