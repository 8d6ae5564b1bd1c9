"""Tables in words: a row, and each column's type, unit and range.

An artefact's declaration describes its tables with these. Files on disk, views with their comments, the web UI's column
schemas and the checks all follow from the description.
"""

from typing import Literal, NamedTuple

Dtype = Literal["string", "int64", "float64", "bool", "list<float>"]


class Column(NamedTuple):
    """One column."""

    name: str
    """Carries the unit where there is one (`_fraction`, `_seconds`)."""
    dtype: Dtype
    """Type on disk."""
    description: str
    """One sentence, with direction."""
    low: float | None = None
    """Smallest value allowed."""
    high: float | None = None
    """Largest value allowed."""
    nullable: bool = False
    """Whether a value may be missing (and the description says when)."""


class Table(NamedTuple):
    """One result table."""

    name: str
    """Name of its folder and of its view."""
    row: str
    """One row per …"""
    keys: tuple[str, ...]
    """Columns that together are unique within a study."""
    columns: tuple[Column, ...]
    """All columns, in order; `study` first, `fingerprint` last."""

    @property
    def scalars(self) -> list[str]:
        """Names of the columns that hold one value a row: all but lists, the values without each group of images."""
        return [column.name for column in self.columns if column.dtype != "list<float>"]


def share(name: str, description: str, *, nullable: bool = False) -> Column:
    """Describe a number from 0 to 1."""
    return Column(name, "float64", description, 0.0, 1.0, nullable)


def real(
    name: str, description: str, low: float | None = None, high: float | None = None, *, nullable: bool = False
) -> Column:
    """Describe a real number between low and high."""
    return Column(name, "float64", description, low, high, nullable)


def count(name: str, description: str, low: float = 0.0) -> Column:
    """Describe a whole number from low upwards."""
    return Column(name, "int64", description, low)


def text(name: str, description: str) -> Column:
    """Describe a string."""
    return Column(name, "string", description)


def left_out(name: str, description: str, *, nullable: bool = False) -> Column:
    """Describe a list: a value without each group of probe images."""
    return Column(name, "list<float>", description, nullable=nullable)


def over_images(low: float, high: float, *, of: str = "") -> tuple[Column, Column]:
    """Describe the ends of the t-interval over images, cut to the range of what is measured."""
    meaning = "of the 95 % t-interval over groups of probe images, cut to the range"
    return (
        real(f"{of}low_images", f"Lower end {meaning}.", low, high, nullable=True),
        real(f"{of}high_images", f"Upper end {meaning}.", low, high, nullable=True),
    )


def intervals(prefix: str, low: float | None = None, high: float | None = None, *, over: str) -> tuple[Column, ...]:
    """Describe the ends of the interval over concepts and of that over images, of a value between low and high."""
    sources = {"": over, "_images": "groups of probe images"}
    return tuple(
        real(f"{prefix}{end}{which}", f"{word} end of the 95 % interval over {source}.", low, high, nullable=True)
        for which, source in sources.items()
        for end, word in (("low", "Lower"), ("high", "Upper"))
    )


STUDY = text("study", "Name of the study.")
FINGERPRINT = text("fingerprint", "Digest of everything the row was made from.")
EPOCH = count("epoch", "Number of the checkpoint, in order; 0 = initialisation; `epochs.passes` says how far it is.")
LAYER = text("layer", "Module name.")
CONCEPT = count("concept", "Index of the concept within its kind and its epoch's dictionary.")
KIND = text("kind", "concept, or a control: random_direction, shuffled, class_logit, unit, principal_component.")
CONCEPT_OR_DIRECTION = text("kind", "concept, or the control random_direction.")


def table(name: str, row: str, keys: tuple[str, ...], *columns: Column, study: Column = STUDY) -> Table:
    """Describe a table; the columns `study` and `fingerprint` are added."""
    return Table(name, row, keys, (study, *columns, FINGERPRINT))
