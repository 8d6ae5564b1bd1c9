"""The numbers of a report: tables of concepts and controls, and the questions a reader may ask further."""

from typing import NamedTuple

import pandas as pd

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.figures.inhibitors import inhibitors_finding
from featcx_core.figures.meta_features import groups_finding, last_clustered, means_of
from featcx_core.figures.paths import paths_finding
from featcx_core.findings.evidence import NOT_MEASURED, number
from featcx_core.findings.study_tables import StudyTables

MOST_NAMES = 8  # classes without a super-class that the report names


class Row(NamedTuple):
    """A concept as the report's tables list it; a dash where a number is not known."""

    concept: int
    """Index in the dictionary."""
    class_name: str
    """Class whose images it was fitted on."""
    complexity: str
    """K ± its standard error; 0 = simple, 1 = complex."""
    importance: str
    """Γ; higher = relied on more."""
    decode_time: str
    """Λ; low = available early."""
    prevalence: str
    """Share of probe images on which it is active, in per cent."""


class SuperClass(NamedTuple):
    """A super-class as the report's table lists it."""

    name: str
    """As the study names it; `none:` and the classes that are in none."""
    n_classes: int
    """Classes in it that have concepts."""
    n: int
    """Concepts that have a complexity."""
    complexity: str
    """Mean K with its intervals."""
    importance: str
    """Mean Γ with its intervals."""


def concept_rows(tables: StudyTables, *, reference_epoch: int, n_rows: int = 5) -> dict[str, list[Row]]:
    """The simplest, the most complex and the most important concepts of the reference epoch."""
    at, keys = reference_epoch, ["concept"]
    scored = tables.complexity[(tables.complexity["epoch"] == at) & (tables.complexity["kind"] == "concept")]
    late = tables.decode_time[tables.decode_time["reference_epoch"] == at]
    gamma = tables.importance.loc[tables.importance["epoch"] == at, ["concept", "importance"]]
    named = tables.concepts.loc[tables.concepts["epoch"] == at, ["concept", "class_name", "prevalence_fraction"]]
    joined = scored.dropna(subset=["complexity"])[["concept", "complexity", "standard_error"]]
    for other in (named, gamma, late[["concept", "decode_time"]]):
        joined = joined.merge(other, on=keys, how="left")
    joined = joined.astype({"complexity": float, "importance": float})  # an empty table has no types
    orders = {
        "simplest": joined.nsmallest(n_rows, "complexity"),
        "most complex": joined.nlargest(n_rows, "complexity"),
        "most important": joined.dropna(subset=["importance"]).nlargest(n_rows, "importance"),
    }
    return {name: [_row(record) for _, record in order.iterrows()] for name, order in orders.items()}


def super_class_rows(tables: StudyTables, *, reference_epoch: int) -> list[SuperClass]:
    """Mean K and Γ of each super-class of the reference epoch, from simple to complex; none where none is named."""
    means = means_of(tables.meta_features, epoch=reference_epoch, grouping="super_class")
    k, gamma = (means.get(measure, {}) for measure in ("complexity", "importance"))
    groups = tables.clusters.loc[tables.clusters["epoch"] == reference_epoch, ["concept", "super_class"]]
    scored = tables.complexity[tables.complexity["epoch"] == reference_epoch].query("kind == 'concept'")
    named = tables.concepts.loc[tables.concepts["epoch"] == reference_epoch, ["concept", "class_name"]]
    known = groups.merge(scored.dropna(subset=["complexity"])[["concept"]]).merge(named)
    left = sorted(known.loc[known["super_class"] == "", "class_name"].unique())
    none = f"none: {', '.join(left[:MOST_NAMES])}" + (" …" if len(left) > MOST_NAMES else "")
    counts = known.groupby("super_class")["class_name"].nunique()
    return [
        SuperClass(name or none, int(counts[name]), k[name].n, str(k[name]), str(gamma.get(name, NOT_MEASURED)))
        for name in sorted(k, key=lambda name: k[name].value)
    ]


def notes(tables: StudyTables, *, reference_epoch: int) -> dict[str, str]:
    """What figures show on which the paper claims nothing, a sentence each, with the statistic behind it."""
    complexity, importance, concepts = tables.complexity, tables.importance, tables.concepts
    clustered = last_clustered(tables.clusters, reference_epoch=reference_epoch)
    return {
        "groups": groups_finding(tables.meta_features, epoch=clustered),
        "paths": paths_finding(tables.concept_paths, reference_epoch=reference_epoch),
        "inhibitors": inhibitors_finding(importance, complexity, concepts, epoch=reference_epoch),
    }


def control_rows(tables: StudyTables, *, reference_epoch: int) -> list[tuple[str, int, str, str]]:
    """Kind, count, mean K and mean I_V of the concepts and of every control, epoch 0 included."""
    rows = []
    kinds = ("concept", "random_direction", "unit", "class_logit", "shuffled")
    for epoch, kind in [(reference_epoch, kind) for kind in kinds] + [(0, "concept")]:
        scores = tables.complexity[(tables.complexity["epoch"] == epoch) & (tables.complexity["kind"] == kind)]
        information = tables.v_information[
            (tables.v_information["epoch"] == epoch)
            & (tables.v_information["dictionary_epoch"] == epoch)
            & (tables.v_information["kind"] == kind)
        ]
        name = kind.replace("_", " ") + (" before training (epoch 0)" if epoch == 0 else "")
        mean_information = number(_mean(information["v_information"]), digits=3)
        rows.append(
            (name, int(scores["complexity"].notna().sum()), number(_mean(scores["complexity"])), mean_information)
        )
    return rows


def dictionary_facts(dictionaries: pd.DataFrame, *, reference_epoch: int) -> dict[str, str]:
    """Quality of the reference epoch's dictionary: every column of its row, so that new ones appear by themselves."""
    rows = dictionaries[dictionaries["epoch"] == reference_epoch]
    if rows.empty:
        return {}
    record = rows.iloc[0].drop(labels=["study", "fingerprint", "epoch"], errors="ignore")
    meaning = {column.name: column.description for column in catalogue().tables["dictionaries"].columns}
    return {
        str(name).replace("_", " "): (f"{value:.4g}" if isinstance(value, float) else str(value))
        + (f" ({meaning[str(name)].rstrip('.')})" if name in meaning else "")
        for name, value in record.items()
    }


def questions(study: str, *, reference_epoch: int) -> list[tuple[str, str]]:
    """Questions to ask further, each with the SQL that answers it."""
    here = f"study = '{study}' AND epoch = {reference_epoch}"
    return [
        (
            "Which concepts are simple and important at once?",
            "SELECT concept, class_name, complexity, importance\n"
            "FROM complexity JOIN importance USING (study, epoch, concept)\n"
            "  JOIN concepts USING (study, epoch, concept)\n"
            f"WHERE {here} AND kind = 'concept' AND complexity IS NOT NULL\n"
            "ORDER BY complexity, importance DESC LIMIT 10",
        ),
        (
            "At which layer can each concept first be read (half of its highest I_V)?",
            "WITH own AS (\n"
            "  SELECT *, max(v_information) OVER (PARTITION BY concept) AS highest\n"
            f"  FROM v_information JOIN layers USING (study, layer)\n  WHERE {here} AND dictionary_epoch = epoch\n"
            "    AND v_information.kind = 'concept')\n"
            "SELECT concept, arg_min(layer, depth) AS first_layer\n"
            "FROM own WHERE v_information >= highest / 2 GROUP BY concept ORDER BY concept",
        ),
        (
            "Does K change when only the blocks count, not the stem?",
            "SELECT concept, 1 - avg(v_information) AS complexity_of_blocks\n"
            f"FROM v_information JOIN layers USING (study, layer)\nWHERE {here} AND dictionary_epoch = epoch\n"
            "  AND v_information.kind = 'concept' AND role <> 'stem'\nGROUP BY concept ORDER BY complexity_of_blocks",
        ),
        (
            "How does the correlation of K and Γ develop, raw and with its confounds held fixed?",
            "SELECT epoch, controls, value, low, high, n FROM correlations\n"
            f"WHERE study = '{study}' AND kind = 'concept' AND y = 'importance' AND method = 'spearman'\n"
            "ORDER BY controls, epoch",
        ),
    ]


def _mean(column: "pd.Series[float]") -> float:
    return float(column.astype(float).mean())


def _row(record: pd.Series) -> Row:
    gamma, name = float(record["importance"]), str(record["class_name"])
    return Row(
        concept=int(record["concept"]),
        class_name="–" if name == "nan" else name,
        complexity=f"{number(float(record['complexity']))} ± {number(float(record['standard_error']))}",
        importance=f"{gamma:.3g}" if gamma == gamma else "–",
        decode_time=number(float(record["decode_time"])),
        prevalence=f"{number(100 * float(record['prevalence_fraction']), digits=0)} %",
    )
