"""The small charts of a concept's page."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from featcx_core.findings.passes import Progress, training_progress
from featcx_core.findings.selection import of_kind
from featcx_core.findings.study_tables import StudyTables


class Chart(NamedTuple):
    """A line chart on every concept's page."""

    title: str
    """The question that it answers."""
    across: str
    """Label of the horizontal axis."""
    up: str
    """Label of the vertical axis."""
    places: list[str] | list[int]
    """Places along the horizontal axis: names in their order, or epochs."""
    series: dict[str, Float[np.ndarray, "concept place"]]
    """The lines; NaN where there is no value."""
    errors: Float[np.ndarray, "concept place"] | None = None
    """Standard errors of the first line."""
    is_share: bool = False
    """Whether the vertical axis is 0 to 1."""


def charts(tables: StudyTables, *, n_concepts: int, reference_epoch: int) -> list[Chart]:
    """Return the charts for which the study has values.

    tables: `v_information` needs the reference epoch's concepts only, in all layers of their own epoch and in the
    penultimate layer of the other epochs.
    """
    every = [
        _by_layer(tables, n_concepts, reference_epoch),
        _by_epoch(tables, n_concepts, reference_epoch),
        *_paths(tables.concept_paths, n_concepts, training_progress(tables.epochs)),
        _branches(tables.branches, n_concepts, reference_epoch),
    ]
    return [chart for chart in every if chart.places and any(np.isfinite(v).any() for v in chart.series.values())]


def _by_layer(tables: StudyTables, n_concepts: int, epoch: int) -> Chart:
    """Return I_V by layer at the concepts' own epoch."""
    rows = _information(tables, epoch)
    rows = rows[rows["epoch"] == epoch]
    measured = set(rows["layer"])
    layers = [str(name) for name in tables.layers.sort_values("depth")["layer"] if name in measured]
    return Chart(
        "Where can it be read?",
        f"layer, epoch {epoch}",
        "readable (V-information)",
        layers,
        {"V-information": _grid(rows, "v_information", n_concepts, "layer", layers)},
        _grid(rows, "standard_error", n_concepts, "layer", layers),
        is_share=True,
    )


def _by_epoch(tables: StudyTables, n_concepts: int, epoch: int) -> Chart:
    """Return I_V in the penultimate layer over training."""
    rows = _information(tables, epoch)
    rows = rows[rows["layer"].isin(tables.layers.loc[tables.layers["role"] == "penultimate", "layer"])]
    epochs, progress = _epochs(rows), training_progress(tables.epochs)
    return Chart(
        "When could it be read?",
        f"{progress.label}, layer before the head",
        "readable (V-information)",
        _along_training(epochs, progress),
        {"V-information": _grid(rows, "v_information", n_concepts, "epoch", epochs)},
        _grid(rows, "standard_error", n_concepts, "epoch", epochs),
        is_share=True,
    )


def _information(tables: StudyTables, epoch: int) -> pd.DataFrame:
    rows = tables.v_information
    return rows[(rows["dictionary_epoch"] == epoch) & (rows["kind"] == "concept")]


def _paths(paths: pd.DataFrame, n_concepts: int, progress: Progress) -> list[Chart]:
    """Return K and Γ of the matched concepts, and the cosines of the matches, over training."""
    epochs = _epochs(paths)
    places = _along_training(epochs, progress)

    def series(**columns: str) -> dict[str, Float[np.ndarray, "concept place"]]:
        return {name: _grid(paths, column, n_concepts, "epoch", epochs) for name, column in columns.items()}

    is_match = ~(paths["cosine"] <= paths["null_cosine"])  # a match by chance says nothing of the concept
    paths = paths.assign(**{name: paths[name].where(is_match) for name in ("complexity", "importance")})
    across, above = f"{progress.label}, matched concept", f"{progress.label}, matched above chance"
    return [
        Chart("How complex was it?", above, "complexity", places, series(complexity="complexity"), is_share=True),
        Chart("How important was it?", above, "importance", places, series(importance="importance")),
        Chart("Was it there?", across, "cosine of atoms", places, series(matched="cosine", chance="null_cosine")),
    ]


def _branches(branches: pd.DataFrame, n_concepts: int, epoch: int) -> Chart:
    """Return CKA by block, one line a branch."""
    rows = of_kind(branches[branches["epoch"] == epoch], "concept")
    blocks = [str(name) for name in rows["block"].unique()]
    series = {
        str(branch): _grid(rows[rows["branch"] == branch], "cka", n_concepts, "block", blocks)
        for branch in rows["branch"].unique()
    }
    return Chart("Which branch carries it?", f"block, epoch {epoch}", "CKA", blocks, series)


def _along_training(epochs: list[int], progress: Progress) -> list[str] | list[int]:
    """Return the checkpoints' places: names at even steps where some lie within a pass, else their numbers."""
    if not progress.is_fine:
        return epochs
    return [f"{place:.3g}" for place in progress.of(pd.Series(epochs, dtype="int64"))]


def _epochs(rows: pd.DataFrame) -> list[int]:
    return sorted(int(epoch) for epoch in rows["epoch"].unique())


def _grid(
    rows: pd.DataFrame, column: str, n_concepts: int, by: str, places: list[str] | list[int]
) -> Float[np.ndarray, "concept place"]:
    """Return one value per concept and place; NaN where the table has none."""
    grid = np.full((n_concepts, len(places)), np.nan)
    row = pd.RangeIndex(n_concepts).get_indexer(pd.Index(rows["concept"]))
    place = pd.Index(places).get_indexer(pd.Index(rows[by]))
    has_place = (row >= 0) & (place >= 0)
    grid[row[has_place], place[has_place]] = rows[column].to_numpy(dtype=float, na_value=np.nan)[has_place]
    return grid
