"""The concept explorer of a study: every concept of the reference epoch, to look at in a browser."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int, UInt8

from featcx_core.analyses.examples import heat_maps, map_shape, read_top_images
from featcx_core.analyses.features import read_dictionary
from featcx_core.analyses.over_epochs import refuse_stale
from featcx_core.analyses.visualisation import open_visualisation
from featcx_core.artefacts.state import DETAILED, Partition, State, table_partition
from featcx_core.features.examples import TopImages
from featcx_core.findings.study_tables import StudyTables
from featcx_core.images.data import Data, load_data
from featcx_core.images.decoding import read_ahead
from featcx_core.images.visible import is_coloured
from featcx_core.measures.neighbours import neighbours
from featcx_core.report.explorer.charts import charts
from featcx_core.report.explorer.columns import concept_columns
from featcx_core.report.explorer.page import Looks, Made, Setting, concepts_script, details_scripts, fixed_files
from featcx_core.report.explorer.pictures import LARGEST_MAP, LOSSLESS, SmallMaps, as_text, small_maps, thumbnail
from featcx_core.store.places import Store, epoch_key
from featcx_core.store.tables import without_lists

N_IMAGES = 8
"""Images that a concept's page shows."""
N_NEIGHBOURS = 8
"""Nearest concepts on it."""
_IMAGES_AT_ONCE = 256
_BY_EPOCH = ("concepts", "complexity", "importance", *DETAILED)  # tables of which one epoch is shown


def make_explorer(store: Store) -> Path:
    """Write the explorer's folder, whole or not at all; returns its page.

    Raises ValueError where a table that it shows can be made and is not current, or there are no concepts.
    """
    state = State(store)
    refuse_stale(state, "explorer")
    fingerprint = state.cross_epoch("explorer")
    store.write_current(state.visible())
    epoch, data, tables = store.study.reference_epoch, load_data(store.study), _read_tables(state)
    columns = concept_columns(tables, reference_epoch=epoch)
    found = charts(tables, n_concepts=len(columns[0].values), reference_epoch=epoch)
    top = read_top_images(store, n_images=N_IMAGES)
    _, height, width = data.image_shape
    setting = Setting(
        study=store.study.name,
        reference_epoch=epoch,
        class_names=data.class_names,
        image_shape=(height, width),
        map_shape=_shown_shape(store),
        n_images=N_IMAGES,
        smallest_smooth=LOSSLESS,
        in_colour=is_coloured(data.images[data.probe[:_IMAGES_AT_ONCE]]),
    )
    made = _made(state)
    looks = _looks(store, data, top, made=made)
    strongest = [look.images[0] if look.images else None for look in looks]
    with store.writing(store.explorer, fingerprint=fingerprint) as draft:
        for folder in (draft, draft / "data", draft / "images", draft / "made"):
            folder.mkdir()
        for picture in made.values():
            shutil.copyfile(store.visualisation(epoch) / Path(picture.file).name, draft / picture.file)
        for name, content in fixed_files(setting, n_concepts=len(looks)):
            (draft / name).write_bytes(content)
        (draft / "concepts.js").write_text(concepts_script(setting, columns, found, strongest), encoding="utf-8")
        for name, text in details_scripts(looks, found):
            (draft / "data" / name).write_text(text, encoding="utf-8")
        for image, content in _thumbnails(data, top.images):
            (draft / "images" / f"{image:06d}.webp").write_bytes(content)
    return store.explorer / "index.html"


def _read_tables(state: State) -> StudyTables:
    """The visible rows that are shown: a small part of V-information, and of other tables by epoch the reference's."""
    store, reference = state.store, [epoch_key(state.study.reference_epoch)]
    frames = {}
    for name in (name for name in StudyTables._fields if name != "v_information"):
        partitions = reference if name in _BY_EPOCH else None
        frames[name] = store.read_table(name, columns=without_lists(name), partitions=partitions)
    return StudyTables(v_information=_information(state), **frames)


def _information(state: State) -> pd.DataFrame:
    """The reference epoch's concepts: in every layer of their own epoch, before the head at the others."""
    store, reference = state.store, state.study.reference_epoch
    own = [Partition("v_information", reference, layer) for layer in state.anatomy.names]
    others = [
        Partition("reference_v_information", epoch, state.anatomy.penultimate) for epoch in sorted(state.survey.digests)
    ]
    wanted = ["epoch", "layer", "dictionary_epoch", "kind", "concept", "v_information", "standard_error"]
    parts = [store.read_table("v_information", columns=wanted).iloc[:0]]
    for partition in (p for p in (*own, *others) if p in state.current):
        rows = store.read_partition("v_information", table_partition(partition), columns=wanted)
        parts.append(rows[rows["kind"] == "concept"])
    return pd.concat(parts, ignore_index=True)


def _made(state: State) -> dict[int, Made]:
    """The pictures that were made to excite concepts, by concept; none where the study makes none."""
    epoch = state.study.reference_epoch
    if Partition("visualisation", epoch) not in state.current:
        return {}
    group = open_visualisation(state.store, epoch=epoch)
    concepts, reached, best = (np.asarray(group[name]).tolist() for name in ("concept", "projection", "best_image"))
    return {
        concept: Made(f"made/{concept:06d}.png", *activations)
        for concept, *activations in zip(concepts, reached, best, strict=True)
    }


def _looks(store: Store, data: Data, top: TopImages, *, made: Mapping[int, Made]) -> list[Looks]:
    labels, shares, highest = data.labels[data.probe], *_small_maps(store, top.images)
    near = neighbours(read_dictionary(store, epoch=store.study.reference_epoch).atoms, n_neighbours=N_NEIGHBOURS)
    found = []
    for concept, images in enumerate(top.images):
        there, others = images >= 0, near.concepts[concept] >= 0
        codes, maps = top.codes[concept, there], SmallMaps(shares[concept, there], highest[concept, there])
        nearest = zip(near.concepts[concept, others].tolist(), near.cosines[concept, others].tolist(), strict=True)
        found.append(
            Looks(
                images=images[there].tolist(),
                labels=labels[images[there]].tolist(),
                strengths=(codes / codes[:1]).tolist(),
                heat_maps=as_text(maps),
                neighbours=list(nearest),
                made=[made[concept]] if concept in made else [],
            )
        )
    return found


def _small_maps(
    store: Store, images: Int[np.ndarray, "concept rank"]
) -> tuple[UInt8[np.ndarray, "concept rank height width"], Float32[np.ndarray, "concept rank"]]:
    """All heat maps, a byte a place, and the highest place of each; maps without places where there are none."""
    height, width = _shown_shape(store) or (0, 0)
    shares = np.zeros((*images.shape, height, width), dtype=np.uint8)
    highest = np.zeros(images.shape, dtype=np.float32)
    for found in heat_maps(store, images):
        small = small_maps(found.maps)
        shares[*found.places.T], highest[*found.places.T] = small.shares, small.highest
    return shares, highest


def _shown_shape(store: Store) -> tuple[int, int] | None:
    shape = map_shape(store)
    return shape and (min(shape[0], LARGEST_MAP), min(shape[1], LARGEST_MAP))


def _thumbnails(data: Data, images: Int[np.ndarray, "concept rank"]) -> Iterator[tuple[int, bytes]]:
    """Each probe image that any concept shows, once: its row and its file."""
    shown = np.unique(images[images >= 0])
    chunks = [shown[start : start + _IMAGES_AT_ONCE] for start in range(0, len(shown), _IMAGES_AT_ONCE)]
    for rows, pixels in zip(chunks, read_ahead(data.images, iter([data.probe[rows] for rows in chunks])), strict=True):
        yield from zip(rows.tolist(), map(thumbnail, pixels), strict=True)
