"""The figures of a study's report: those of its tables, and sheets of concepts with their images."""

import logging

import numpy as np
import zarr
from jaxtyping import Int, Num
from matplotlib.figure import Figure

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.examples import heat_maps, map_shape, maps_are_of_patches, read_top_images
from featcx_core.analyses.figures import FAILED, FIGURES
from featcx_core.analyses.figures.names import shown_names
from featcx_core.analyses.memorisation import MEMORISATION
from featcx_core.analyses.memorisation.sheet import memorised_sheet
from featcx_core.analyses.reading import read_tables
from featcx_core.analyses.visualisation import VISUALISATION
from featcx_core.artefacts.declaration import resolve
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.artefacts.partition import Partition
from featcx_core.figures.canvas import nothing_to_show, png
from featcx_core.figures.concepts import concept_sheet
from featcx_core.figures.dynamics import training_curves
from featcx_core.figures.groups import group_sheet
from featcx_core.figures.pictures import concept_pictures
from featcx_core.figures.vector import svg
from featcx_core.findings.evidence import number
from featcx_core.findings.meta_features import clustered_concepts
from featcx_core.findings.selection import not_measured
from featcx_core.findings.sheets import choose_concepts, choose_groups, concept_labels, how_chosen
from featcx_core.findings.study_tables import StudyTables
from featcx_core.images.outputs import chance
from featcx_core.report.gallery import gallery

logger = logging.getLogger("featcx")

N_TOP_IMAGES = 8


def draw(given: Given) -> None:
    """Draw every figure of the study's tables and the sheets of concepts, as PNG and as SVG files."""
    tables, study, (place,) = read_tables(given), given.study, given.partitions
    figures = gallery(
        tables,
        reference_epoch=study.reference_epoch,
        end_shares=study.analyses.end_shares,
        embedding=study.clusters.embedding,
    )
    guess = chance(study.model, n_outputs=given.anatomy.n_classes)
    figures["training_curves"] = training_curves(tables.epochs, chance=guess)
    figures["concept_sheet"] = _sheet(given, tables)
    figures["group_sheet"] = _group_sheet(given, tables)
    if given.has(VISUALISATION, epoch=study.reference_epoch):
        figures["concept_pictures"] = _made_pictures(given, tables)
    if sheet := memorised_sheet(given):
        figures[f"{MEMORISATION.name}.most_memorised"] = sheet
    draft = given.draft(place)
    draft.mkdir()
    for name, figure in {**figures, **_of_declarations(given)}.items():
        (draft / f"{name}.png").write_bytes(png(figure))
        (draft / f"{name}.svg").write_text(svg(figure, name=name.replace(".", "-")), encoding="utf-8")


def pictures(reader: StudyReader, partition: Partition) -> dict[str, bytes]:
    """Return the drawn figures by name."""
    return {path.stem: path.read_bytes() for path in sorted(reader.folder(FIGURES).glob("*.png"))}


def _of_declarations(given: Given) -> dict[str, Figure]:
    """Draw the figures that declarations name, each from its artefact's rows, as `artefact.figure`.

    Where that fails, a figure `artefact.failed` says why.
    """
    figures: dict[str, Figure] = {}
    for artefact in given.snapshot.catalogue.shown:
        is_drawn = artefact.figures and artefact.tables and given.is_made(artefact)
        if is_drawn and len(given.table(artefact.tables[0].name)):
            try:
                drawn: dict[str, Figure] = resolve(artefact.figures)(given.tables(artefact))
            except Exception as error:  # another package's code fails in any way
                reason = f"{artefact.figures} failed: {type(error).__name__}: {error}"
                logger.warning("%s: %s", artefact.name, reason)
                drawn = {FAILED: nothing_to_show(artefact.name, reason)}
            figures |= {f"{artefact.name}.{name}": figure for name, figure in drawn.items()}
    return figures


def _made_pictures(reader: StudyReader, tables: StudyTables) -> Figure:
    """Draw the pictures made to excite concepts, each beside the image on which its concept is strongest."""
    epoch = reader.study.reference_epoch
    group = zarr.open_group(str(reader.folder(VISUALISATION, epoch=epoch) / "arrays.zarr"), mode="r")
    chosen, made, best = (np.asarray(group[name]) for name in ("concept", "projection", "best_image"))
    codes = np.asarray(reader.arrays(CODES, epoch=epoch)["concept"].oindex[:, chosen])
    named = [_label(tables, epoch, *each) for each in zip(chosen.tolist(), made.tolist(), best.tolist(), strict=True)]
    images = _pictures(reader, codes.argmax(axis=0)[:, None])[:, 0]
    return concept_pictures(np.asarray(group["images"]), images, labels=named)


def _label(tables: StudyTables, epoch: int, concept: int, made: float, best: float) -> str:
    of_epoch = tables.complexity[(tables.complexity["epoch"] == epoch) & (tables.complexity["kind"] == "concept")]
    k = of_epoch.loc[of_epoch["concept"] == concept, "complexity"].iloc[0]
    names = tables.concepts[(tables.concepts["epoch"] == epoch) & (tables.concepts["concept"] == concept)]
    along = f"a {number(made, digits=1)} / {number(best, digits=1)}"
    class_label = "" if names["class_id"].iloc[0] < 0 else f"class {names['class_name'].iloc[0]} · "
    return f"{class_label}concept {concept}\nK {number(k)}, {along}"


def _sheet(reader: StudyReader, tables: StudyTables) -> Figure:
    """Draw top images of concepts along the spectrum of the reference epoch, with heat maps."""
    epoch = reader.study.reference_epoch
    chosen = choose_concepts(tables.complexity, epoch=epoch)
    if not chosen:
        return concept_sheet(np.zeros((0, 0, 1, 1, 1)), np.zeros((0, 0, 1, 1)), labels=[])
    top = read_top_images(reader, n_images=N_TOP_IMAGES).images[chosen]
    names = dict(zip(chosen, shown_names(reader.data, top), strict=True))
    images, heat = _pictures(reader, top), np.zeros((*top.shape, *(map_shape(reader) or (1, 1))), dtype=np.float32)
    for maps in heat_maps(reader, top, of=chosen.__getitem__):
        heat[*maps.places.T] = maps.maps
    labels = concept_labels(
        chosen,
        epoch=epoch,
        complexity=tables.complexity,
        concepts=tables.concepts,
        importance=tables.importance,
        decode_time=tables.decode_time,
        names=names,
    )
    remark = how_chosen(len(chosen), epoch=epoch, complexity=tables.complexity)
    if maps_are_of_patches(reader):
        remark += " The head reads the class token: heat maps are of the other tokens of its layer."
    return concept_sheet(images, heat, labels=labels, remark=remark)


def _group_sheet(reader: StudyReader, tables: StudyTables) -> Figure:
    """Draw the strongest image, with its heat map, of each concept of clusters along the reference epoch's spectrum."""
    epoch, shape = reader.study.reference_epoch, map_shape(reader) or (1, 1)
    clustered = clustered_concepts(tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=epoch)
    groups = choose_groups(clustered)
    if not groups:
        elsewhere = {"reason": not_measured(tables.clusters, epoch=epoch).rstrip(".")} if clustered.empty else {}
        return group_sheet(np.zeros((0, 0, 1, 1, 1)), np.zeros((0, 0, 1, 1)), groups, n_clusters=0, **elsewhere)
    n_ranks = max(len(group.concepts) for group in groups)
    chosen = np.array([group.concepts + [-1] * (n_ranks - len(group.concepts)) for group in groups])
    strongest = read_top_images(reader, n_images=1).images[:, 0]
    images, heat = np.where(chosen >= 0, strongest[chosen], -1), np.zeros((chosen.size, *shape), dtype=np.float32)
    for maps in heat_maps(reader, images.reshape(-1, 1), of=chosen.ravel().__getitem__):
        heat[maps.places[:, 0]] = maps.maps
    n_clusters = clustered.loc[(clustered["cluster"] >= 0) & clustered["complexity"].notna(), "cluster"].nunique()
    return group_sheet(_pictures(reader, images), heat.reshape(*chosen.shape, *shape), groups, n_clusters=n_clusters)


def _pictures(reader: StudyReader, top: Int[np.ndarray, "concept rank"]) -> Num[np.ndarray, "concept rank c h w"]:
    """Return their pixels in 0 … 1; white where a concept is active on fewer images."""
    data = reader.data
    images = data.images[data.probe[top.ravel()]].reshape(*top.shape, *data.image_shape)
    return np.where((top >= 0)[..., None, None, None], images / np.float32(255), np.nan)
