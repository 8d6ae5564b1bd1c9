"""Inputs of the explorer: tables, heat maps, and the numbers from which predictions are computed anew."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import zarr
from jaxtyping import Float32, Int, UInt8

from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.analyses.codes.make import read_probe
from featcx_core.analyses.concept_effects import CONCEPT_EFFECTS
from featcx_core.analyses.concept_effects.make import Effects, read_effects
from featcx_core.analyses.examples import heat_maps, map_shape
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.memorisation import MEMORISATION
from featcx_core.analyses.strongest_images import STRONGEST_IMAGES
from featcx_core.analyses.v_information import REFERENCE_V_INFORMATION, V_INFORMATION, V_INFORMATION_TABLE
from featcx_core.analyses.visualisation import VISUALISATION
from featcx_core.artefacts.given import StudyReader
from featcx_core.features.code_range import ActiveCodes, active_codes
from featcx_core.findings.study_tables import StudyTables
from featcx_core.images.data import StudyImages
from featcx_core.measures.intervals import jackknife_interval
from featcx_core.report.explorer.looks import Ablated, Made, Memorised
from featcx_core.report.explorer.pictures import LARGEST_MAP, small_maps
from featcx_core.store.parquet import without_rows

MOST_ABLATED = 2000
"""Images on which the page computes predictions without concepts, at most."""
MOST_LOGITS = 1_000_000
"""Logits that it holds for that, at most."""
N_MEMORISED = 100
"""Training images of the largest cumulative loss that are listed."""
_CURVES = CHECKPOINT.tables[0].name  # of which all epochs are shown


class Ablation(NamedTuple):
    """Numbers behind predictions without concepts."""

    images: Ablated
    """The images and their logits."""
    effects: Effects
    """What each concept does to each output."""
    active: ActiveCodes
    """Codes above zero on these images, by their place among them."""


def read_tables(reader: StudyReader) -> StudyTables:
    """The visible rows that are shown: a small part of V-information, and of other tables by epoch the reference's."""
    catalogue, frames = reader.snapshot.catalogue, {V_INFORMATION_TABLE.name: _information(reader)}
    for name in (name for name in StudyTables._fields if name not in frames):
        of_epochs = any(artefact.grain == "epoch" for artefact in catalogue.holders[name]) and name != _CURVES
        epochs = {reader.study.reference_epoch} if of_epochs else None
        frames[name] = reader.table(name, columns=catalogue.tables[name].scalars, epochs=epochs)
    return StudyTables(**frames)


def _information(reader: StudyReader) -> pd.DataFrame:
    """The reference epoch's concepts: in every layer of their own epoch, before the head at the others."""
    reference, penultimate = reader.study.reference_epoch, reader.anatomy.penultimate
    columns = [(V_INFORMATION, reference, layer) for layer in reader.anatomy.names]
    others = [(REFERENCE_V_INFORMATION, epoch, penultimate) for epoch in reader.snapshot.epochs]
    wanted = ["epoch", "layer", "dictionary_epoch", "kind", "concept", "v_information", "standard_error"]
    parts = [without_rows(V_INFORMATION_TABLE)[wanted]]
    for artefact, epoch, layer in (*columns, *others):
        if reader.has(artefact, epoch=epoch, layer=layer):
            rows = reader.rows(artefact, epoch=epoch, layer=layer, columns=wanted)
            parts.append(rows[rows["kind"] == "concept"])
    return pd.concat(parts, ignore_index=True)


def read_effect_tables(reader: StudyReader) -> dict[str, pd.DataFrame]:
    """Return the reference epoch's rows of single concepts and images, by table."""
    epoch = reader.study.reference_epoch
    return {table.name: reader.rows(CONCEPT_EFFECTS, epoch=epoch, table=table.name) for table in CONCEPT_EFFECTS.tables}


def read_importance_ends(reader: StudyReader) -> pd.DataFrame:
    """Return the ends of importance's interval over images, by concept; no row where it is not measured."""
    epoch = reader.study.reference_epoch
    if not reader.has(IMPORTANCE, epoch=epoch):
        return pd.DataFrame(columns=["concept", "low", "high"])
    columns = ["concept", "importance", "jackknife"]
    rows = reader.rows(IMPORTANCE, epoch=epoch, table="importance", columns=columns).dropna()
    left_out = np.stack([*rows["jackknife"]]) if len(rows) else np.zeros((0, 2))
    low, high = jackknife_interval(rows["importance"].to_numpy(), left_out, within=(0.0, np.inf))
    return rows[["concept"]].assign(low=low, high=high)


def read_strongest(reader: StudyReader, *, n_images: int) -> dict[int, pd.DataFrame]:
    """Return the strongest images of each epoch's own concepts, by epoch."""
    epochs = [epoch for epoch in reader.snapshot.epochs if reader.has(STRONGEST_IMAGES, epoch=epoch)]
    tables = {epoch: reader.rows(STRONGEST_IMAGES, epoch=epoch) for epoch in epochs}
    return {epoch: rows[rows["rank"] < n_images] for epoch, rows in tables.items()}


def read_memorised(reader: StudyReader) -> list[Memorised]:
    """Return the training images of the largest cumulative loss, the largest first; none where it is not measured."""
    if not reader.has(MEMORISATION):
        return []
    rows = reader.rows(MEMORISATION, table="memorisation")
    rows = rows.sort_values(["cumulative_loss", "image"], ascending=[False, True]).head(N_MEMORISED)
    names = [name for name in Memorised._fields if name != "file"]
    return [Memorised._make((*values, reader.data.file_of(values[0]))) for values in tuples(rows, *names)]


def read_ablation(reader: StudyReader) -> Ablation:
    """Return what predictions without concepts follow from, on all probe images or on some at even steps."""
    epoch, data = reader.study.reference_epoch, reader.data
    effects = read_effects(reader, epoch=epoch)
    probe = read_probe(reader, epoch=epoch, kinds=("concept", "class_logit"))
    n_concepts, n_outputs = effects.weights.shape
    n_images = max(1, min(probe.n_images, MOST_ABLATED, MOST_LOGITS // n_outputs))
    chosen = np.linspace(0, probe.n_images - 1, n_images).round().astype(np.int64)
    codes, logits = [], []
    for chunk in probe.chunks():
        inside = chosen[(chosen >= chunk.start) & (chosen < chunk.stop)] - chunk.start
        of_concepts, of_outputs = np.split(probe.codes_of(chunk)[inside], [n_concepts], axis=1)
        codes.append(of_concepts)
        logits.append(of_outputs)
    images = data.probe[chosen]
    ablated = Ablated(
        images=images.tolist(),
        labels=data.labels[images].tolist(),
        logits=np.concatenate(logits),
        class_of=None if effects.class_of is None else effects.class_of.tolist(),
        n_probe=probe.n_images,
    )
    return Ablation(ablated, effects, active_codes(codes))


def read_made(reader: StudyReader) -> dict[int, Made]:
    """The pictures that were made to excite concepts, by concept; none where the study makes none."""
    epoch = reader.study.reference_epoch
    if not reader.has(VISUALISATION, epoch=epoch):
        return {}
    group = zarr.open_group(str(reader.folder(VISUALISATION, epoch=epoch) / "arrays.zarr"), mode="r")
    concepts, reached, best = (np.asarray(group[name]).tolist() for name in ("concept", "projection", "best_image"))
    return {
        concept: Made(f"made/{concept:06d}.png", *activations)
        for concept, *activations in zip(concepts, reached, best, strict=True)
    }


def made_source(reader: StudyReader, made: Made) -> Path:
    """Return the file of a picture that was made."""
    return reader.folder(VISUALISATION, epoch=reader.study.reference_epoch) / Path(made.file).name


def shown_shape(reader: StudyReader) -> tuple[int, int] | None:
    """Return height and width of the heat maps on the page; None where there are none."""
    shape = map_shape(reader)
    return shape and (min(shape[0], LARGEST_MAP), min(shape[1], LARGEST_MAP))


def read_small_maps(
    reader: StudyReader, images: Int[np.ndarray, "concept rank"]
) -> tuple[UInt8[np.ndarray, "concept rank height width"], Float32[np.ndarray, "concept rank"]]:
    """All heat maps, a byte a place, and the highest place of each; maps without places where there are none.

    images: rows of the probe images, -1 for none.
    """
    height, width = shown_shape(reader) or (0, 0)
    shares = np.zeros((*images.shape, height, width), dtype=np.uint8)
    highest = np.zeros(images.shape, dtype=np.float32)
    for maps in heat_maps(reader, images):
        small = small_maps(maps.maps)
        shares[*maps.places.T], highest[*maps.places.T] = small.shares, small.highest
    return shares, highest


def rows_in_probe(data: StudyImages, images: pd.DataFrame, *, n_concepts: int, n_ranks: int) -> np.ndarray:
    """Return the place among the probe images of each concept's image by rank; -1 for none."""
    place = pd.Series(np.arange(len(data.probe)), index=data.probe)
    found = np.full((n_concepts, n_ranks), -1, dtype=np.int64)
    found[images["concept"], images["rank"]] = place.loc[images["image"]].to_numpy()
    return found


def grouped(rows: pd.DataFrame, by: str = "concept") -> dict[Any, pd.DataFrame]:
    """Return the rows of each concept, or of each image."""
    return dict(iter(rows.groupby(by, sort=False)))


def tuples(rows: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """Return the values of some columns, row by row, as JSON has them; None for missing ones."""
    if rows.empty:
        return []
    return [tuple(map(_plain, row)) for row in zip(*(rows[name].tolist() for name in columns), strict=True)]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    return None if value is None or value is pd.NA or value != value else value
