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
    low: list[float | int | str | None] | None = None
    """Lower end of each value's 95 % interval over images; None where it has none."""
    high: list[float | int | str | None] | None = None
    """Upper end."""


PROPERTIES = (
    Property("shows", "shows", "concept_effects", "shows", "text"),
    Property("class_name", "class", "concepts", "class_name", "text", in_table=False),
    Property("super_class", "super-class", "clusters", "super_class", "text"),
    Property("complexity", "complexity", "complexity", "complexity", "share"),
    Property("importance", "importance", "importance", "importance", "value"),
    Property("signed_importance", "signed importance", "importance", "signed_importance", "value", in_table=False),
    Property(
        "importance_when_active",
        "importance when active",
        "importance",
        "importance_when_active",
        "value",
        in_table=False,
    ),
    Property("flipped_fraction", "flips without it", "concept_effects", "flipped_fraction", "percent"),
    Property(
        "accuracy_without", "accuracy without it", "concept_effects", "accuracy_without", "percent", in_table=False
    ),
    Property("ablation_logit", "logit lost without it", "importance", "ablation_logit", "value", in_table=False),
    Property("ablation_loss", "loss without it", "importance", "ablation_loss", "value", in_table=False),
    Property("decode_time_normalised", "learned late", "decode_time", "decode_time_normalised", "share"),
    Property("decode_time", "time to decode", "decode_time", "decode_time", "share", in_table=False),
    Property("first_epoch", "first epoch", "decode_time", "first_epoch", "count"),
    Property("prevalence_fraction", "on images", "concepts", "prevalence_fraction", "percent"),
    Property("class_information", "class information", "concepts", "class_information", "share"),
    Property("variance", "variance", "concepts", "variance", "value", in_table=False),
    Property("hoyer", "sparsity (Hoyer)", "concepts", "hoyer", "share", in_table=False),
    Property("cluster", "cluster", "clusters", "cluster", "count"),
    Property("x", "plane, across", "clusters", "x", "value", in_table=False),
    Property("y", "plane, up", "clusters", "y", "value", in_table=False),
)
"""Properties with one value per concept; redundancy and sensitivity, with one per level, come in between."""
BARELY = 0.1
"""A concept whose V-information is lower in every layer is barely readable anywhere."""
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


def concept_columns(
    tables: StudyTables, *, effects: pd.DataFrame, importance_ends: pd.DataFrame, reference_epoch: int
) -> list[ConceptColumn]:
    """Return a column for each property of the reference epoch's concepts that has any value.

    Values are in the order of the concepts' numbers, 0 to n - 1. Properties that the study does not measure are left
    out, so that the table has no empty columns. So is the class, where concepts were fitted on all classes.

    effects: rows of `concept_effects`. importance_ends: `concept`, `low` and `high` of importance's interval.

    Raises: ValueError where there is no concept at that epoch.
    """
    of_epoch = {
        name: _of_epoch(getattr(tables, name), reference_epoch)
        for name in ("concepts", "complexity", "importance", "decode_time", "clusters", "redundancy", "sensitivity")
    } | {"concept_effects": _of_epoch(effects, reference_epoch)}
    concepts = range(len(of_epoch["concepts"]))
    if not concepts:
        raise ValueError(f"wanted the concepts of epoch {reference_epoch}, got none; materialise codes first")
    of_complexity = of_epoch["complexity"].rename(columns={"low_images": "low", "high_images": "high"})
    of_decoding = of_epoch["decode_time"].rename(columns={"first_epoch_low": "low", "first_epoch_high": "high"})
    ends = {"complexity": of_complexity, "importance": importance_ends, "first_epoch": of_decoding}
    columns = []
    for row in PROPERTIES:
        if row.name == "cluster":
            columns += [_best_information(tables, reference_epoch, concepts), *_levels(of_epoch, concepts)]
        rows = of_epoch[row.table].set_index("concept")
        if row.name in NUMBERED:
            rows = rows[rows[NUMBERED[row.name]] >= 0]
        meaning, values = _meaning(row.table, row.column), _listed(rows[row.column], concepts)
        column = ConceptColumn(row.name, row.label, meaning, row.form, row.in_table, values)
        if row.name in ends:
            low, high = (_listed(ends[row.name].set_index("concept")[end], concepts) for end in ("low", "high"))
            column = column._replace(low=low, high=high)
        columns.append(column)
    return [column for column in columns if any(value is not None for value in column.values)]


def _best_information(tables: StudyTables, epoch: int, concepts: range) -> ConceptColumn:
    """Return V-information in the layer in which each concept is read best."""
    rows = _of_epoch(tables.v_information, epoch)
    best = rows[rows["dictionary_epoch"] == epoch].groupby("concept")["v_information"].max()
    meaning = "V-information in the layer where it is highest: 1 = read without error, 0 = not at all."
    values = _listed(best, concepts)
    return ConceptColumn("best_information", "readable at best", meaning, "share", in_table=False, values=values)


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
