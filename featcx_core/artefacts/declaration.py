"""The declaration of an artefact: everything that is true of it, in one frozen value that loads no torch.

Fingerprints, what is stale, the plan of runs, sharing between studies, tables and views, the assets of the web UI and
the command line follow from declarations; no other module names an artefact.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from featcx_core.store.tables import Table
from featcx_core.study.fields import study_fields
from featcx_core.study.nearest import nearest

if TYPE_CHECKING:
    from featcx_core.artefacts.partition import Partition
    from featcx_core.networks.anatomy import Anatomy
    from featcx_core.study.fields import Study

Grain = Literal["once", "epoch", "layer", "group"]
"""Partitions: none, epochs, epochs x layers; `group`: made once of a group of studies."""
When = Literal["every", "detailed", "reference", "others"]
"""At which epochs: every one, those of `analyses.epochs`, the reference epoch, or every one but that."""
Asked = Literal["always", "default", "named", "with", "internal"]
"""Who asks for it: nobody has to; `analyses.run` names it, by default or only then; it comes with others; it is stored
on the way, for whoever needs it."""
Uses = Literal["required", "if_there", "order"]
"""An input without which there is nothing to make; one that is read where it is there; one that only comes first."""


class Outside(NamedTuple):
    """An input that is no artefact: a file, a checkpoint, a part of the network."""

    digest: "Callable[[Study, Anatomy, Partition, dict[int, str]], str]"
    """From study, anatomy, partition and the checkpoints' digests to a digest; empty where there is no such input."""
    is_of_study: bool = False
    """Whether it is the same for all partitions: it is looked at once a snapshot, and may take a walk over a folder."""


class Need(NamedTuple):
    """An artefact that another is made from."""

    artefact: "Artefact"
    """The input."""
    epochs: Literal["matching", "reference", "until_reference"] = "matching"
    """Epochs that are read. Matching: the same, or all for what is made once; `until_reference`: 1 … reference."""
    layers: Literal["matching", "in_complexity", "penultimate"] = "matching"
    """Layers of it that are read. Matching: the same, or all for what has no layers."""
    uses: Uses = "required"
    """Way in which it is used."""


class Rows(NamedTuple):
    """A table of which each partition is one file."""

    table: Table
    """Its description."""
    prefix: str = ""
    """Begins the names of its files, where two artefacts write one table."""


class Folder(NamedTuple):
    """Arrays or pictures in a folder that is committed whole."""

    path: str
    """Below the study's folder, with `{epoch}` and `{layer}`."""
    content: str
    """Arrays, their axes and types, in words."""


class Page(NamedTuple):
    """A file in a folder that other artefacts may share."""

    path: str
    """Below the study's folder."""


class CheckpointFiles(NamedTuple):
    """The checkpoints of featcx's own training, committed epoch by epoch."""


Holding = Rows | Folder | Page | CheckpointFiles


class Check(NamedTuple):
    """Something that must hold of what was made."""

    name: str
    """As the web UI lists it."""
    description: str
    """One sentence."""
    function: str
    """`module:function`, from a `StudyReader` to a `Finding`."""


@dataclass(frozen=True, eq=False)
class Artefact:
    """The declaration of one artefact."""

    name: str
    """Last part of its asset key; the name that `analyses.run` and `--only` accept."""
    group: str
    """Group in the web UI: sources, features, measures, dynamics or report; internal ones are not shown."""
    kinds: frozenset[str]
    """Technologies, as the web UI shows them."""
    description: str
    """One paragraph: the formula or content in words, and one row or array per …"""
    grain: Grain
    """Its partitions."""
    make: str
    """`module:function`, resolved when it is first run. It takes a `Given` and yields partitions with their rows.
    Artefacts with the same function are made in one call an epoch."""
    holds: tuple[Holding, ...]
    """Tables, arrays and files that it commits."""
    version: int
    """Raised by hand when the result changes for the same input."""
    when: When = "every"
    """At which epochs it is made."""
    layers: Literal["all", "blocks", "penultimate"] = "all"
    """At which layers, for one with layers: all, residual blocks with branches, or the one before the head."""
    asked: Asked = "always"
    """Who asks for it."""
    comes_with: "tuple[Artefact, ...]" = ()
    """For `asked = "with"`: it is made wherever all of these are asked for."""
    needs: tuple[Need, ...] = ()
    """Inputs among the artefacts."""
    reads_tables: bool = False
    """Whether it also reads, where they are there, the tables of all artefacts that come before the report."""
    grows: bool = True
    """For one made once: whether its time and size grow with the number of epochs, as the estimate takes it."""
    fields: tuple[str, ...] = ()
    """Fields of the study that it depends on, dotted, a whole part where all of it counts."""
    outside: tuple[Outside, ...] = ()
    """Inputs that are no artefacts."""
    is_possible: "Callable[[Study], bool]" = field(default=lambda study: True)
    """Whether a study can have it at all."""
    checks: tuple[Check, ...] = ()
    """Beside the checks of its tables against their description."""
    preview: str = ""
    """`module:function`, from a `StudyReader` and a partition to pictures (PNG) by title, for the web UI."""
    figures: str = ""
    """`module:function`, from the artefact's rows to figures by name, which the report shows. Rows are a data frame;
    with several tables, data frames by table."""
    findings: str = ""
    """`module:function`, from the same rows to a sequence of `Claim`s, which the report shows above the figures."""
    refuse: str = ""
    """`module:function`, from study, anatomy and images; raises StudyError for what would only fail after hours."""

    def __post_init__(self) -> None:
        """Raise ValueError for what would only fail when it is used."""
        for what, literal in (("grain", Grain), ("when", When), ("asked", Asked)):
            if getattr(self, what) not in get_args(literal):
                wanted = ", ".join(get_args(literal))
                raise ValueError(f"{self.name}: {what}: wanted one of: {wanted}; got {getattr(self, what)!r}")
        for what in ("name", "group"):
            if not getattr(self, what).isidentifier():
                raise ValueError(f"{what}: wanted letters, digits and _, got {getattr(self, what)!r}")
        for path in self.fields:
            if path not in study_fields():
                raise ValueError(f"{self.name}: fields: no field {path!r} of a study; {nearest(path, study_fields())}")

    @property
    def is_internal(self) -> bool:
        """Whether it is only stored on the way."""
        return self.asked == "internal"

    @property
    def is_own(self) -> bool:
        """Whether it is featcx's, not another package's."""
        return self.make.startswith(f"{__name__.partition('.')[0]}.")

    @property
    def has_epochs(self) -> bool:
        """Whether it has partitions by epoch."""
        return self.grain in ("epoch", "layer")

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables that it writes."""
        return tuple(holding.table for holding in self.holds if isinstance(holding, Rows))

    @property
    def folders(self) -> tuple[Folder, ...]:
        """The folders that it writes."""
        return tuple(holding for holding in self.holds if isinstance(holding, Folder))


def resolve(reference: str) -> Any:
    """Return the function that `module:function` names. Raises ValueError where there is none."""
    module, _, name = reference.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"wanted module:function that can be imported, got {reference!r}: {error}") from error
