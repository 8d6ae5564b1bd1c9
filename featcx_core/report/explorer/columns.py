"""Columns of the explorer's table: the properties of the reference epoch's concepts."""

import re
from typing import Literal, NamedTuple

import pandas as pd

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.findings.study_tables import StudyTables

Form = Literal["text", "count", "share", "percent", "value"]
"""Form of a column's values: a name, a whole number, two decimals, per cent, three significant digits."""


class Property(NamedTuple):
    """A property of concepts and its place in the tables."""

    name: str
    """Name in the scripts."""
    label: str
    """Name on the page."""
    table: str
    """Table that holds it."""
    column: str
    """Column of that table."""
    form: Form
    """Form of its values."""
    in_table: bool = True
    """Whether the explorer's table shows it; the others can be axes and filters."""


class ConceptColumn(NamedTuple):
    """A property with its values."""

    name: str
    """Name in the scripts."""
    label: str
    """Name on the page."""
    meaning: str
    """One sentence, with direction."""
    form: Form
    """Form of its values."""
    in_table: bool
    """Whether the explorer's table shows it."""
    values: list[float | int | str | None]
    """One value per concept, in the order of their numbers; None where there is none."""


PROPERTIES = (
    Property("class_name", "class", "concepts", "class_name", "text"),
    Property("super_class", "super-class", "clusters", "super_class", "text"),
    Property("complexity", "K", "complexity", "complexity", "share"),
    Property("importance", "Γ", "importance", "importance", "value"),
    Property("signed_importance", "signed Γ", "importance", "signed_importance", "value"),
    Property(
        "importance_when_active", "Γ when active", "importance", "importance_when_active", "value", in_table=False
    ),
    Property("ablation_logit", "logit lost", "importance", "ablation_logit", "value", in_table=False),
    Property("ablation_loss", "loss without it", "importance", "ablation_loss", "value", in_table=False),
    Property("decode_time_normalised", "normalised Λ", "decode_time", "decode_time_normalised", "share"),
    Property("decode_time", "Λ", "decode_time", "decode_time", "share"),
    Property("first_epoch", "first epoch", "decode_time", "first_epoch", "count", in_table=False),
    Property("first_epoch_low", "first epoch, at least", "decode_time", "first_epoch_low", "count", in_table=False),
    Property("first_epoch_high", "first epoch, at most", "decode_time", "first_epoch_high", "count", in_table=False),
    Property("prevalence_fraction", "prevalence", "concepts", "prevalence_fraction", "percent"),
    Property("class_information", "class information", "concepts", "class_information", "share"),
    Property("variance", "variance", "concepts", "variance", "value", in_table=False),
    Property("hoyer", "Hoyer", "concepts", "hoyer", "share", in_table=False),
    Property("cluster", "cluster", "clusters", "cluster", "count"),
    Property("x", "plane, across", "clusters", "x", "value", in_table=False),
    Property("y", "plane, up", "clusters", "y", "value", in_table=False),
    Property("standard_error", "error of K", "complexity", "standard_error", "share", in_table=False),
)
"""Properties with one value per concept; redundancy and sensitivity, with one per level, come in between."""
LEVELS: tuple[tuple[str, str, str, Form], ...] = (
    ("redundancy", "masked_fraction", "redundancy, {:.0%} masked", "share"),
    ("sensitivity", "sigma", "sensitivity, σ {:g}", "value"),
)
"""Property with several rows per concept, the column that tells them apart, label and form.

The explorer's table shows the level in the middle.
"""
NUMBERED = {"class_name": "class_id", "cluster": "cluster"}
"""Property -> column whose numbers below 0 mean that there is none."""
_ON_MISSING = re.compile(r"[;,] (null|empty|-1)\b.*")


def concept_columns(tables: StudyTables, *, reference_epoch: int) -> list[ConceptColumn]:
    """Return a column for each property of the reference epoch's concepts that has any value.

    Values are in the order of the concepts' numbers, 0 to n - 1. Properties that the study does not measure are left
    out, so that the table has no empty columns. So is the class, where concepts were fitted on all classes.

    Raises: ValueError where there is no concept at that epoch.
    """
    of_epoch = {
        name: _of_epoch(getattr(tables, name), reference_epoch)
        for name in ("concepts", "complexity", "importance", "decode_time", "clusters", "redundancy", "sensitivity")
    }
    concepts = range(len(of_epoch["concepts"]))
    if not concepts:
        raise ValueError(f"wanted the concepts of epoch {reference_epoch}, got none; materialise codes first")
    columns = []
    for row in PROPERTIES:
        if row.name == "cluster":
            columns += _levels(of_epoch, concepts)
        rows = of_epoch[row.table].set_index("concept")
        if row.name in NUMBERED:
            rows = rows[rows[NUMBERED[row.name]] >= 0]
        meaning, values = _meaning(row.table, row.column), _listed(rows[row.column], concepts)
        columns.append(ConceptColumn(row.name, row.label, meaning, row.form, row.in_table, values))
    return [column for column in columns if any(value is not None for value in column.values)]


def _of_epoch(table: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Return the concepts' rows of an epoch."""
    rows = table[table["reference_epoch" if "reference_epoch" in table else "epoch"] == epoch]
    return rows[rows["kind"] == "concept"] if "kind" in rows else rows


def _levels(of_epoch: dict[str, pd.DataFrame], concepts: range) -> list[ConceptColumn]:
    """Return a column for each level of redundancy and of sensitivity."""
    columns: list[ConceptColumn] = []
    for name, by, label, form in LEVELS:
        rows = of_epoch[name]
        levels = sorted(rows[by].unique())
        for place, level in enumerate(levels):
            values = _listed(rows[rows[by] == level].set_index("concept")[name], concepts)
            is_middle = place == len(levels) // 2
            columns.append(
                ConceptColumn(f"{name}_{place}", label.format(level), _meaning(name, name), form, is_middle, values)
            )
    return columns


def _listed(values: "pd.Series[float]", concepts: range) -> list[float | int | str | None]:
    """Return values in the order of the concepts; None for a missing value or an empty name."""
    return [_plain(value) for value in values.reindex(concepts)]


def _plain(value: object) -> float | int | str | None:
    """Return a value of a table as JSON has it."""
    if isinstance(value, str):
        return value or None
    number = float("nan") if value is None or value is pd.NA else float(str(value))
    return None if number != number else short(number)


def short(number: float) -> float | int:
    """Return a number with six significant digits: half of the bytes, and enough to round as the report does.

    >>> short(0.1949988), short(3.0)
    (0.194999, 3)
    """
    rounded = float(f"{number:.6g}")
    return int(rounded) if rounded.is_integer() else rounded


def _meaning(table: str, column: str) -> str:
    return for_readers(next(c.description for c in catalogue().tables[table].columns if c.name == column))


def for_readers(description: str) -> str:
    """Return a column's meaning without the words on missing values: the page shows a dash for these.

    >>> for_readers("Λ: 0 = available early in training, 1 = late; null if dead.")
    'Λ: 0 = available early in training, 1 = late.'
    """
    return _ON_MISSING.sub(".", description)
