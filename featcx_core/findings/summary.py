"""Tables and notes of a report: concepts, super-classes, controls, the dictionary, and what figures show."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.findings.evidence import NOT_MEASURED, number, percent
from featcx_core.findings.inhibitors import inhibitors_finding, signed_contributions
from featcx_core.findings.layer_choices import choices_finding
from featcx_core.findings.meta_features import groups_finding, means_of_groups
from featcx_core.findings.paths import paths_finding
from featcx_core.findings.predictions import more_would_do
from featcx_core.findings.selection import last_clustered, mean_of, of_kind
from featcx_core.findings.stability import stability_finding
from featcx_core.findings.study_tables import StudyTables

MOST_NAMES = 8  # classes without a super-class that the report names


class ConceptRow(NamedTuple):
    """A concept in the report's tables; a dash stands for an unknown number."""

    concept: int
    """Index in the dictionary."""
    shows: str
    """What its strongest images show; where that is not known, the class on whose images it was fitted."""
    complexity: str
    """K ± its standard error; 0 = simple, 1 = complex."""
    importance: str
    """Γ; higher = relied on more."""
    decode_time: str
    """Λ relative to the end, and Λ; low = available early."""
    prevalence: str
    """Share of probe images on which it is active, in per cent."""


class SuperClassRow(NamedTuple):
    """A super-class in the report's table."""

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


def concept_rows(
    tables: StudyTables, *, reference_epoch: int, n_rows: int = 5, names: Mapping[int, str] | None = None
) -> dict[str, list[ConceptRow]]:
    """Return the simplest, the most complex and the most important concepts of the reference epoch.

    names: concept -> what it shows.
    """
    epoch = reference_epoch
    scored = tables.complexity[(tables.complexity["epoch"] == epoch) & (tables.complexity["kind"] == "concept")]
    late = tables.decode_time[tables.decode_time["reference_epoch"] == epoch]
    gamma = tables.importance.loc[tables.importance["epoch"] == epoch, ["concept", "importance"]]
    named = tables.concepts.loc[tables.concepts["epoch"] == epoch, ["concept", "class_name", "prevalence_fraction"]]
    joined = scored.dropna(subset=["complexity"])[["concept", "complexity", "standard_error"]]
    for other in (named, gamma, late[["concept", "decode_time", "decode_time_normalised"]]):
        joined = joined.merge(other, on=["concept"], how="left")
    joined = joined.astype({"complexity": float, "importance": float})  # an empty table has no types
    orders = {
        "simplest": joined.nsmallest(n_rows, "complexity"),
        "most complex": joined.nlargest(n_rows, "complexity"),
        "most important": joined.dropna(subset=["importance"]).nlargest(n_rows, "importance"),
    }
    return {
        name: [_concept_row(record, names or {}) for _, record in order.iterrows()] for name, order in orders.items()
    }


def _concept_row(record: pd.Series, names: Mapping[int, str]) -> ConceptRow:
    gamma, name, concept = float(record["importance"]), str(record["class_name"]), int(record["concept"])
    return ConceptRow(
        concept=concept,
        shows=names.get(concept, "–" if name == "nan" else f"fitted on {name}"),
        complexity=f"{number(float(record['complexity']))} ± {number(float(record['standard_error']))}",
        importance=f"{gamma:.3g}" if gamma == gamma else "–",
        decode_time=f"{number(float(record['decode_time_normalised']))} ({number(float(record['decode_time']))})",
        prevalence=f"{percent(float(record['prevalence_fraction']))} %",
    )


def super_class_rows(tables: StudyTables, *, reference_epoch: int) -> list[SuperClassRow]:
    """Return mean K and Γ of each super-class of the reference epoch, from simple to complex; empty without any."""
    means = means_of_groups(tables.meta_features, epoch=reference_epoch, grouping="super_class")
    k, gamma = (means.get(measure, {}) for measure in ("complexity", "importance"))
    groups = tables.clusters.loc[tables.clusters["epoch"] == reference_epoch, ["concept", "super_class"]]
    scored = tables.complexity[tables.complexity["epoch"] == reference_epoch].query("kind == 'concept'")
    named = tables.concepts.loc[tables.concepts["epoch"] == reference_epoch, ["concept", "class_name"]]
    members = groups.merge(scored.dropna(subset=["complexity"])[["concept"]]).merge(named)
    without = sorted(members.loc[members["super_class"] == "", "class_name"].unique())
    none = f"none: {', '.join(without[:MOST_NAMES])}" + (" …" if len(without) > MOST_NAMES else "")
    counts = members.groupby("super_class")["class_name"].nunique()
    return [
        SuperClassRow(name or none, int(counts[name]), k[name].n, str(k[name]), str(gamma.get(name, NOT_MEASURED)))
        for name in sorted(k, key=lambda name: k[name].value)
    ]


def _clustered_complexity(tables: StudyTables, epoch: int) -> Float[np.ndarray, "concept"]:
    """Return K of an epoch's concepts that are in a cluster."""
    clusters = tables.clusters[(tables.clusters["epoch"] == epoch) & (tables.clusters["cluster"] >= 0)]
    scored = of_kind(tables.complexity[tables.complexity["epoch"] == epoch], "concept").dropna(subset=["complexity"])
    k: np.ndarray = scored[scored["concept"].isin(clusters["concept"])]["complexity"].to_numpy(dtype=float)
    return k


def notes(tables: StudyTables, *, reference_epoch: int) -> dict[str, str]:
    """Return a sentence with its statistic on each figure about which the paper claims nothing."""
    clustered = last_clustered(tables.clusters, reference_epoch=reference_epoch)
    contributions = signed_contributions(tables.importance, tables.complexity, tables.concepts, epoch=reference_epoch)
    return {
        "groups": groups_finding(tables.meta_features, _clustered_complexity(tables, clustered), epoch=clustered),
        "paths": paths_finding(tables.concept_paths, reference_epoch=reference_epoch),
        "inhibitors": inhibitors_finding(contributions),
        "stability": stability_finding(tables.stability, epoch=reference_epoch),
        "learning_curve": more_would_do(tables.learning_curve, epoch=reference_epoch) or "Not measured.",
        "choices": choices_finding(tables.layer_choices, epoch=reference_epoch),
    }


def control_rows(tables: StudyTables, *, reference_epoch: int) -> list[tuple[str, int, str, str]]:
    """Return kind, count, mean K and mean I_V of the concepts and of every control, epoch 0 included."""
    rows = []
    kinds = ("concept", "random_direction", "unit", "principal_component", "class_logit", "shuffled")
    for epoch, kind in [(reference_epoch, kind) for kind in kinds] + [(0, "concept")]:
        scores = tables.complexity[(tables.complexity["epoch"] == epoch) & (tables.complexity["kind"] == kind)]
        information = tables.v_information[
            (tables.v_information["epoch"] == epoch)
            & (tables.v_information["dictionary_epoch"] == epoch)
            & (tables.v_information["kind"] == kind)
        ]
        name = kind.replace("_", " ") + (" before training (epoch 0)" if epoch == 0 else "")
        mean_information = number(mean_of(information["v_information"]), digits=3)
        rows.append(
            (name, int(scores["complexity"].notna().sum()), number(mean_of(scores["complexity"])), mean_information)
        )
    return rows


def dictionary_facts(dictionaries: pd.DataFrame, *, reference_epoch: int) -> dict[str, str]:
    """Return every known column of the reference epoch's dictionary with its meaning; new ones appear by themselves."""
    rows = dictionaries[dictionaries["epoch"] == reference_epoch]
    if rows.empty:
        return {}
    record = rows.iloc[0].drop(labels=["study", "fingerprint", "epoch"], errors="ignore").dropna()
    meaning = {column.name: column.description for column in catalogue().tables["dictionaries"].columns}
    return {
        str(name).replace("_", " "): (f"{value:.4g}" if isinstance(value, float) else str(value))
        + (f" ({meaning[str(name)].rstrip('.')})" if name in meaning else "")
        for name, value in record.items()
    }
