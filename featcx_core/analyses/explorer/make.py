"""The concept explorer of a study: every concept of the reference epoch, to look at in a browser."""

import shutil
from collections.abc import Iterator, Sequence

import numpy as np

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.examples import maps_are_of_patches
from featcx_core.analyses.explorer.gathering import Gathered, image_looks, looks_of
from featcx_core.analyses.explorer.reading import (
    made_source,
    read_ablation,
    read_effect_tables,
    read_importance_ends,
    read_made,
    read_memorised,
    read_small_maps,
    read_strongest,
    read_tables,
    rows_in_probe,
    shown_shape,
)
from featcx_core.analyses.strongest_images.make import N_IMAGES
from featcx_core.artefacts.given import Given
from featcx_core.artefacts.partition import Partition
from featcx_core.findings.passes import training_progress
from featcx_core.images.data import StudyImages
from featcx_core.images.decoding import read_ahead
from featcx_core.images.visible import is_coloured
from featcx_core.measures.neighbours import neighbours
from featcx_core.report.explorer.charts import charts
from featcx_core.report.explorer.columns import ConceptColumn, concept_columns
from featcx_core.report.explorer.page import Listed, Setting, concepts_script, fixed_files
from featcx_core.report.explorer.pictures import LOSSLESS, thumbnail
from featcx_core.report.explorer.scripts import (
    ablation_script,
    details_scripts,
    gallery_scripts,
    image_scripts,
    memorised_script,
)

N_NEIGHBOURS = 8
"""Nearest concepts on a concept's page."""
_IMAGES_AT_ONCE = 256


def write_explorer(given: Given) -> None:
    """Write the explorer's folder. Raises ValueError where there are no concepts."""
    epoch, data, tables, (place,) = given.study.reference_epoch, given.data, read_tables(given), given.partitions
    effects, memorised, made = read_effect_tables(given), read_memorised(given), read_made(given)
    columns = concept_columns(
        tables,
        effects=effects["concept_effects"],
        importance_ends=read_importance_ends(given),
        reference_epoch=epoch,
    )
    n_concepts = len(columns[0].values)
    curves = charts(tables, n_concepts=n_concepts, reference_epoch=epoch)
    strongest, ablation = read_strongest(given, n_images=N_IMAGES), read_ablation(given)
    rows = rows_in_probe(data, strongest[epoch], n_concepts=n_concepts, n_ranks=N_IMAGES)
    near = neighbours(read_dictionary(given, epoch=epoch).atoms, n_neighbours=N_NEIGHBOURS)
    gathered = Gathered(
        effects, strongest, tables.concept_paths, made, read_small_maps(given, rows), near, ablation, data.labels, epoch
    )
    looks = looks_of(gathered, n_concepts=n_concepts)
    shown = sorted({image for look in looks for image in look.all_images} | {*ablation.images.images})
    order = by_complexity(columns)
    listed = Listed(
        strongest=[look.images[0].image if look.images else None for look in looks],
        order=order,
        images=shown,
        n_memorised=len(memorised),
        can_ablate=True,
    )
    setting = _setting(given, data, output_names=ablation.effects.names)._replace(
        moment="checkpoint" if training_progress(tables.epochs).is_fine else "epoch"
    )
    draft = given.draft(place)
    for folder in (draft, draft / "data", draft / "images", draft / "made"):
        folder.mkdir()
    for picture in made.values():
        shutil.copyfile(made_source(given, picture), draft / picture.file)
    for name, content in fixed_files(setting, n_concepts=n_concepts):
        (draft / name).write_bytes(content)
    (draft / "concepts.js").write_text(concepts_script(setting, columns, curves, listed), encoding="utf-8")
    n_places = int(np.prod(setting.map_shape)) if setting.map_shape else 0
    scripts = [
        ablation_script(ablation.images),
        memorised_script(memorised),
        *image_scripts(image_looks(effects, shown)),
        *gallery_scripts(looks, order, places=n_places),
        *details_scripts(looks, curves),
    ]
    for name, text in scripts:
        (draft / "data" / name).write_text(text, encoding="utf-8")
    for image, content in _thumbnails(data, sorted({*shown, *(row.image for row in memorised)})):
        (draft / "images" / f"{image:06d}.webp").write_bytes(content)


def by_complexity(columns: Sequence[ConceptColumn]) -> list[int]:
    """Return the concepts from simple to complex; those without a complexity come last, all where there is none."""
    values = next((column.values for column in columns if column.name == "complexity"), [None] * len(columns[0].values))
    known = [float("inf") if value is None else float(value) for value in values]
    return [int(concept) for concept in np.argsort(known, kind="stable")]


def _setting(given: Given, data: StudyImages, *, output_names: tuple[str, ...]) -> Setting:
    (_, height, width), epoch = data.image_shape, given.study.reference_epoch
    return Setting(
        study=given.study.name,
        reference_epoch=epoch,
        class_names=data.class_names,
        image_shape=(height, width),
        map_shape=shown_shape(given),
        n_images=N_IMAGES,
        smallest_smooth=LOSSLESS,
        in_colour=is_coloured(data.images[data.probe[:_IMAGES_AT_ONCE]]),
        of_patches=maps_are_of_patches(given),
        output_names=output_names,
        made_from=given.snapshot.fingerprint(Partition(CODES.name, epoch)),
    )


def _thumbnails(data: StudyImages, shown: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Yield each image that is shown, once: its index and its file."""
    images = np.array(shown, dtype=np.int64)
    chunks = [images[start : start + _IMAGES_AT_ONCE] for start in range(0, len(images), _IMAGES_AT_ONCE)]
    for rows, pixels in zip(chunks, read_ahead(data.images, iter(chunks)), strict=True):
        yield from zip(rows.tolist(), map(thumbnail, pixels), strict=True)
