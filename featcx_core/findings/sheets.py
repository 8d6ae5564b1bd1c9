"""Concepts and groups that a sheet of pictures shows, and the label of each."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from featcx_core.findings.evidence import number
from featcx_core.findings.meta_features import cluster_labels

N_GROUPS = 20
N_CONCEPTS = 8


class ShownGroup(NamedTuple):
    """A cluster on the sheet of groups."""

    label: str
    """Its number, size, mean K, mean Γ, most common class and the concepts that are shown."""
    concepts: list[int]
    """The concepts that are shown, the most important first."""


def choose_concepts(complexity: pd.DataFrame, *, epoch: int, n_concepts: int = 10) -> list[int]:
    """Return concepts at even steps of the ranks of K at an epoch, from the simplest to the most complex one."""
    scored = complexity[(complexity["epoch"] == epoch) & (complexity["kind"] == "concept")]
    ranked = scored.dropna(subset=["complexity"]).sort_values(["complexity", "concept"])["concept"].to_numpy(dtype=int)
    return [int(concept) for concept in ranked[_even_steps(len(ranked), n_concepts)]]


def _even_steps(n_ranks: int, n_places: int) -> np.ndarray:
    """Return at most `n_places` ranks at even steps, the first and the last among them."""
    return np.linspace(0, n_ranks - 1, min(n_places, n_ranks)).round().astype(int)


def how_chosen(n_shown: int, *, epoch: int, complexity: pd.DataFrame) -> str:
    """Return two sentences for the sheet's reader: how its concepts were chosen, and how they are named."""
    scored = complexity[(complexity["epoch"] == epoch) & (complexity["kind"] == "concept")]
    return (
        f"Shown: {n_shown} of the {scored['complexity'].count()} concepts that have a K, at even steps of its ranks "
        f"from the simplest to the most complex. Named by the classes of their images."
    )


def concept_labels(
    chosen: Sequence[int],
    *,
    epoch: int,
    complexity: pd.DataFrame,
    concepts: pd.DataFrame,
    importance: pd.DataFrame,
    decode_time: pd.DataFrame,
    names: Mapping[int, str] | None = None,
) -> list[str]:
    """Return each chosen concept's label: what it shows, number, K, Γ, normalised Λ where it tells, and prevalence.

    names: concept -> what it shows; without, it is the class on whose images the concept was fitted. A dash stands for
    an unknown number.
    """
    late = decode_time.rename(columns={"reference_epoch": "epoch"})
    scored = complexity[complexity["kind"] == "concept"]
    tells_when = bool((late["decode_time_normalised"] > 0).any())  # of one checkpoint it is 0 throughout

    def value(table: pd.DataFrame, column: str, concept: int) -> Any:
        values = table.loc[(table["epoch"] == epoch) & (table["concept"] == concept), column]
        return values.iloc[0] if len(values) else float("nan")

    def when(concept: int) -> str:
        return f"Λ {number(value(late, 'decode_time_normalised', concept))}   " if tells_when else ""

    def label(concept: int) -> str:
        is_of_all = value(concepts, "class_id", concept) < 0
        fitted_on = "all classes" if is_of_all else f"class {value(concepts, 'class_name', concept)[:18]}"
        first = fitted_on if names is None else names[concept]
        gamma = float(value(importance, "importance", concept))
        share = number(100 * float(value(concepts, "prevalence_fraction", concept)), digits=0)
        return (
            f"{textwrap.shorten(first, 34, placeholder=' …')}\nconcept {concept}   "
            f"K {number(value(scored, 'complexity', concept))}   Γ {gamma:.2g}\n"
            f"{when(concept)}on {share} % of images"
        )

    return [label(concept) for concept in chosen]


def choose_groups(
    clustered: pd.DataFrame, *, n_groups: int = N_GROUPS, n_concepts: int = N_CONCEPTS
) -> list[ShownGroup]:
    """Return clusters at even steps of the ranks of their mean K, each with its most important concepts.

    clustered: as `clustered_concepts` returns it. Concepts without a K are left out, and so are clusters that have
    only such concepts.
    """
    labels, groups = cluster_labels(clustered[clustered["cluster"] >= 0]), []
    scored = clustered[clustered["cluster"] >= 0].dropna(subset=["complexity"])
    means = scored.groupby("cluster")[["complexity", "importance"]].mean().sort_values("complexity", kind="stable")
    places = _even_steps(len(means), n_groups)
    for cluster, (k, gamma) in zip(means.index[places], means.to_numpy()[places], strict=True):
        name, size, *of_class = labels[int(cluster)].split(" · ")
        label = "\n".join([f"cluster {name} · {size}", f"mean K {number(k)}   mean Γ {number(gamma)}", *of_class])
        members = scored[scored["cluster"] == cluster].sort_values("importance", ascending=False, kind="stable")
        shown = members["concept"].head(n_concepts).tolist()
        listed = f"concept{'s' * (len(shown) > 1)} {', '.join(map(str, shown))}"
        groups.append(ShownGroup(f"{label}\n{listed}", shown))
    return groups
