"""The concept explorer of a study: every concept of the reference epoch, to look at in a browser."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import zarr
from jaxtyping import Float32, Int, UInt8

from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.examples import heat_maps, map_shape, read_top_images
from featcx_core.analyses.v_information import REFERENCE_V_INFORMATION, V_INFORMATION, V_INFORMATION_TABLE
from featcx_core.analyses.visualisation import VISUALISATION
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.features.examples import TopImages
from featcx_core.findings.study_tables import StudyTables
from featcx_core.images.data import StudyImages
from featcx_core.images.decoding import read_ahead
from featcx_core.images.visible import is_coloured
from featcx_core.measures.neighbours import neighbours
from featcx_core.report.explorer.charts import charts
from featcx_core.report.explorer.columns import concept_columns
from featcx_core.report.explorer.page import Looks, Made, Setting, concepts_script, details_scripts, fixed_files
from featcx_core.report.explorer.pictures import LARGEST_MAP, LOSSLESS, SmallMaps, as_text, small_maps, thumbnail
from featcx_core.store.parquet import without_rows

N_IMAGES = 8
"""Images that a concept's page shows."""
N_NEIGHBOURS = 8
"""Nearest concepts on it."""
_IMAGES_AT_ONCE = 256
_CURVES = CHECKPOINT.tables[0].name  # of which all epochs are shown


def write_explorer(given: Given) -> None:
    """Write the explorer's folder. Raises ValueError where there are no concepts."""
    epoch, data, tables, (place,) = given.study.reference_epoch, given.data, _read_tables(given), given.partitions
    columns = concept_columns(tables, reference_epoch=epoch)
    curves = charts(tables, n_concepts=len(columns[0].values), reference_epoch=epoch)
    top, made, draft = read_top_images(given, n_images=N_IMAGES), _made(given), given.draft(place)
    setting = _setting(given, data)
    looks = _looks(given, data, top, made=made)
    strongest = [look.images[0] if look.images else None for look in looks]
    for folder in (draft, draft / "data", draft / "images", draft / "made"):
        folder.mkdir()
    for picture in made.values():
        shutil.copyfile(given.folder(VISUALISATION, epoch=epoch) / Path(picture.file).name, draft / picture.file)
    for name, content in fixed_files(setting, n_concepts=len(looks)):
        (draft / name).write_bytes(content)
    (draft / "concepts.js").write_text(concepts_script(setting, columns, curves, strongest), encoding="utf-8")
    for name, text in details_scripts(looks, curves):
        (draft / "data" / name).write_text(text, encoding="utf-8")
    for image, content in _thumbnails(data, top.images):
        (draft / "images" / f"{image:06d}.webp").write_bytes(content)


def _setting(given: Given, data: StudyImages) -> Setting:
    _, height, width = data.image_shape
    return Setting(
        study=given.study.name,
        reference_epoch=given.study.reference_epoch,
        class_names=data.class_names,
        image_shape=(height, width),
        map_shape=_shown_shape(given),
        n_images=N_IMAGES,
        smallest_smooth=LOSSLESS,
        in_colour=is_coloured(data.images[data.probe[:_IMAGES_AT_ONCE]]),
    )


def _read_tables(reader: StudyReader) -> StudyTables:
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


def _made(reader: StudyReader) -> dict[int, Made]:
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


def _looks(reader: StudyReader, data: StudyImages, top: TopImages, *, made: Mapping[int, Made]) -> list[Looks]:
    labels, shares, highest = data.labels[data.probe], *_small_maps(reader, top.images)
    near = neighbours(read_dictionary(reader, epoch=reader.study.reference_epoch).atoms, n_neighbours=N_NEIGHBOURS)
    looks = []
    for concept, images in enumerate(top.images):
        is_shown, others = images >= 0, near.concepts[concept] >= 0
        codes, maps = top.codes[concept, is_shown], SmallMaps(shares[concept, is_shown], highest[concept, is_shown])
        nearest = zip(near.concepts[concept, others].tolist(), near.cosines[concept, others].tolist(), strict=True)
        looks.append(
            Looks(
                images=images[is_shown].tolist(),
                labels=labels[images[is_shown]].tolist(),
                strengths=(codes / codes[:1]).tolist(),
                heat_maps=as_text(maps),
                neighbours=list(nearest),
                made=[made[concept]] if concept in made else [],
            )
        )
    return looks


def _small_maps(
    reader: StudyReader, images: Int[np.ndarray, "concept rank"]
) -> tuple[UInt8[np.ndarray, "concept rank height width"], Float32[np.ndarray, "concept rank"]]:
    """All heat maps, a byte a place, and the highest place of each; maps without places where there are none."""
    height, width = _shown_shape(reader) or (0, 0)
    shares = np.zeros((*images.shape, height, width), dtype=np.uint8)
    highest = np.zeros(images.shape, dtype=np.float32)
    for maps in heat_maps(reader, images):
        small = small_maps(maps.maps)
        shares[*maps.places.T], highest[*maps.places.T] = small.shares, small.highest
    return shares, highest


def _shown_shape(reader: StudyReader) -> tuple[int, int] | None:
    shape = map_shape(reader)
    return shape and (min(shape[0], LARGEST_MAP), min(shape[1], LARGEST_MAP))


def _thumbnails(data: StudyImages, images: Int[np.ndarray, "concept rank"]) -> Iterator[tuple[int, bytes]]:
    """Each probe image that any concept shows, once: its row and its file."""
    shown = np.unique(images[images >= 0])
    chunks = [shown[start : start + _IMAGES_AT_ONCE] for start in range(0, len(shown), _IMAGES_AT_ONCE)]
    for rows, pixels in zip(chunks, read_ahead(data.images, iter([data.probe[rows] for rows in chunks])), strict=True):
        yield from zip(rows.tolist(), map(thumbnail, pixels), strict=True)
