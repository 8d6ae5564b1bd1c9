"""The figures of a study and its report."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Num
from matplotlib.figure import Figure

from featcx_core.analyses.examples import heat_maps, map_shape, read_top_images
from featcx_core.analyses.features import open_codes
from featcx_core.analyses.over_epochs import refuse_stale
from featcx_core.analyses.reading import doubts, read_tables
from featcx_core.analyses.visualisation import open_visualisation
from featcx_core.artefacts.state import Partition, State
from featcx_core.figures.canvas import png
from featcx_core.figures.concepts import concept_sheet
from featcx_core.figures.dynamics import training_curves
from featcx_core.figures.groups import group_sheet
from featcx_core.figures.pictures import concept_pictures
from featcx_core.figures.spectrum import complexity_spectrum
from featcx_core.findings.evidence import number
from featcx_core.findings.meta_features import clustered_concepts
from featcx_core.findings.selection import not_measured
from featcx_core.findings.sheets import choose_concepts, choose_groups, concept_labels, how_chosen
from featcx_core.findings.study_tables import StudyTables
from featcx_core.images.classes import chance
from featcx_core.images.data import load_data
from featcx_core.networks.anatomy import Anatomy
from featcx_core.report.gallery import gallery
from featcx_core.report.report import render_report
from featcx_core.store.places import Store, epoch_key, write_bytes
from featcx_core.study.fields import Study

N_TOP_IMAGES = 8
_ATOMS = {"class": "atoms a class", "all": "atoms for all classes together"}


def make_figures(store: Store) -> dict[str, bytes]:
    """Draw every figure of the study's tables and the sheet of concepts; commits them as PNG files.

    Raises ValueError where a table over all epochs can be made and is not current.
    """
    state = State(store)
    refuse_stale(state, "figures")
    fingerprint = state.cross_epoch("figures")
    store.write_current(state.visible())
    tables = read_tables(store)
    study = store.study
    figures = gallery(
        tables,
        reference_epoch=study.reference_epoch,
        end_shares=study.analyses.end_shares,
        embedding=study.clusters.embedding,
    )
    guess = chance(study.model, n_outputs=store.anatomy.n_classes)
    figures["training_curves"] = training_curves(tables.epochs, chance=guess)
    figures["concept_sheet"] = _sheet(store, tables)
    figures["group_sheet"] = _group_sheet(store, tables)
    if Partition("visualisation", store.study.reference_epoch) in state.current:
        figures["concept_pictures"] = _made_pictures(store, tables)
    pictures = {name: png(figure) for name, figure in figures.items()}
    with store.writing(store.figures, fingerprint=fingerprint) as draft:
        draft.mkdir()
        for name, picture in pictures.items():
            (draft / f"{name}.png").write_bytes(picture)
    return pictures


def epoch_spectrum(store: Store, *, epoch: int) -> bytes:
    """The complexity spectrum of one epoch's concepts, with its controls; small, since the run history keeps it."""
    figure = complexity_spectrum(store.read_partition("complexity", epoch_key(epoch)), reference_epoch=epoch)
    return png(figure, dots_per_inch=72)


def make_report(store: Store, *, with_explorer: bool = False) -> str:
    """Write the study's report, one HTML file with its pictures inside; returns it.

    It leads to the explorer where that is there, or made next, `with_explorer`.

    Raises ValueError where the figures can be made and are not current.
    """
    state = State(store)
    refuse_stale(state, "report")
    fingerprint = state.cross_epoch("report")
    study, anatomy = store.study, store.anatomy
    tables = read_tables(store)
    data = load_data(study)
    n_used = sum(map(len, data.split.values())) + len(data.broken)
    left_out = f"{len(data.broken)} of the {n_used} image files that are used cannot be read and are left out"
    broken = f"; {left_out}" if data.broken else ""
    facts = {
        "data": f"{study.data.source}, {len(data.labels)} images of {len(data.class_names)} classes{broken}",
        "split": ", ".join(f"{len(rows)} {name}" for name, rows in data.split.items()),
        "network": _network(study, anatomy),
        "checkpoints": f"{len(tables.epochs)}: epochs {', '.join(map(str, sorted(tables.epochs['epoch'])))}",
        "dictionary": f"{study.dictionary.atoms_per_class} {_ATOMS[study.dictionary.scope]}, seed {study.seed}",
    }
    if doubtful := doubts(store):
        facts["to be looked at"] = " ".join(doubtful)
    pictures = {path.stem: path.read_bytes() for path in sorted(store.figures.glob("*.png"))}
    html = render_report(
        tables,
        study=study.name,
        facts=facts,
        reference_epoch=study.reference_epoch,
        figures=pictures,
        has_explorer=with_explorer or store.committed(store.explorer) is not None,
    )
    write_bytes(store.report / "index.html", html.encode())
    store.mark(store.report, fingerprint=fingerprint)
    return html


def _network(study: Study, anatomy: Anatomy) -> str:
    model, n_outputs = study.model, anatomy.n_classes
    found = [f"{model.source}, {len(anatomy.layers)} recorded layers, {len(anatomy.in_complexity)} in K"]
    if model.weights:
        found.append(f"starts from {Path(model.weights).name if model.weights_path else model.weights}")
    if model.outputs == "none":
        found.append(f"{n_outputs} outputs, none of them a class of the data: accuracy and loss are not measured")
    elif isinstance(model.outputs, dict):
        found.append(f"{n_outputs} outputs, {len(model.outputs)} of them classes of the data; accuracy is over all")
    return "; ".join(found)


def _made_pictures(store: Store, tables: StudyTables) -> Figure:
    """The pictures made to excite concepts, each beside the image on which its concept is strongest."""
    epoch = store.study.reference_epoch
    group = open_visualisation(store, epoch=epoch)
    chosen, made, best = (np.asarray(group[name]) for name in ("concept", "projection", "best_image"))
    codes = np.asarray(open_codes(store, epoch=epoch).oindex[:, chosen])
    named = [_label(tables, epoch, *each) for each in zip(chosen.tolist(), made.tolist(), best.tolist(), strict=True)]
    images = _pictures(store, codes.argmax(axis=0)[:, None])[:, 0]
    return concept_pictures(np.asarray(group["images"]), images, labels=named)


def _label(tables: StudyTables, epoch: int, concept: int, made: float, best: float) -> str:
    own = tables.complexity[(tables.complexity["epoch"] == epoch) & (tables.complexity["kind"] == "concept")]
    k = own.loc[own["concept"] == concept, "complexity"].iloc[0]
    names = tables.concepts[(tables.concepts["epoch"] == epoch) & (tables.concepts["concept"] == concept)]
    along = f"a {number(made, digits=1)} / {number(best, digits=1)}"
    of = "" if names["class_id"].iloc[0] < 0 else f"class {names['class_name'].iloc[0]} · "
    return f"{of}concept {concept}\nK {number(k)}, {along}"


def _sheet(store: Store, tables: StudyTables) -> Figure:
    """Top images of concepts along the spectrum of the reference epoch, with heat maps from the positions' codes."""
    epoch = store.study.reference_epoch
    chosen = choose_concepts(tables.complexity, epoch=epoch)
    if not chosen:
        return concept_sheet(np.zeros((0, 0, 1, 1, 1)), np.zeros((0, 0, 1, 1)), labels=[])
    top = read_top_images(store, n_images=N_TOP_IMAGES).images[chosen]
    images, heat = _pictures(store, top), np.zeros((*top.shape, *(map_shape(store) or (1, 1))), dtype=np.float32)
    for found in heat_maps(store, top, of=chosen.__getitem__):
        heat[*found.places.T] = found.maps
    labels = concept_labels(
        chosen,
        epoch=epoch,
        complexity=tables.complexity,
        concepts=tables.concepts,
        importance=tables.importance,
        decode_time=tables.decode_time,
    )
    remark = how_chosen(len(chosen), epoch=epoch, complexity=tables.complexity, concepts=tables.concepts)
    return concept_sheet(images, heat, labels=labels, remark=remark)


def _group_sheet(store: Store, tables: StudyTables) -> Figure:
    """The strongest image of each concept of clusters along the spectrum of the reference epoch, with its heat map."""
    epoch, shape = store.study.reference_epoch, map_shape(store) or (1, 1)
    known = clustered_concepts(tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=epoch)
    groups = choose_groups(known)
    if not groups:
        elsewhere = {"reason": not_measured(tables.clusters, epoch=epoch).rstrip(".")} if known.empty else {}
        return group_sheet(np.zeros((0, 0, 1, 1, 1)), np.zeros((0, 0, 1, 1)), groups, n_clusters=0, **elsewhere)
    n_ranks = max(len(group.concepts) for group in groups)
    chosen = np.array([group.concepts + [-1] * (n_ranks - len(group.concepts)) for group in groups])
    strongest = read_top_images(store, n_images=1).images[:, 0]
    images, heat = np.where(chosen >= 0, strongest[chosen], -1), np.zeros((chosen.size, *shape), dtype=np.float32)
    for found in heat_maps(store, images.reshape(-1, 1), of=chosen.ravel().__getitem__):
        heat[found.places[:, 0]] = found.maps
    n_clusters = known.loc[(known["cluster"] >= 0) & known["complexity"].notna(), "cluster"].nunique()
    return group_sheet(_pictures(store, images), heat.reshape(*chosen.shape, *shape), groups, n_clusters=n_clusters)


def _pictures(store: Store, top: Int[np.ndarray, "concept rank"]) -> Num[np.ndarray, "concept rank c h w"]:
    """Their pixels in 0 … 1; white where a concept is active on fewer images."""
    data = load_data(store.study)
    images = data.images[data.probe[top.ravel()]].reshape(*top.shape, *data.image_shape)
    return np.where((top >= 0)[..., None, None, None], images / np.float32(255), np.nan)
