"""The codes of an epoch's probe images, of concepts and of the controls that stand beside them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
import zarr

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.codes import CODES
from featcx_core.analyses.dictionary.make import read_dictionary, read_size
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.artefacts.partition import Partition
from featcx_core.features.class_sums import ClassSums
from featcx_core.features.components import Components, principal_components
from featcx_core.features.dictionary import Dictionary, random_atoms
from featcx_core.features.moments import Moments
from featcx_core.features.nnls import Encoder
from featcx_core.features.probe_reader import HALVES, IMAGES_AT_ONCE, KINDS, ProbeReader
from featcx_core.features.quality import count_active, dictionary_quality_streamed, hoyer, is_alive
from featcx_core.images.outputs import class_outputs
from featcx_core.measures.class_information import class_information, class_information_left_out
from featcx_core.measures.intervals import share_interval
from featcx_core.networks.models import sums_device
from featcx_core.study.fields import Study

N_RANDOM_DIRECTIONS = 100
N_COMPONENTS = 100
_STORED = ("concept", "random_direction", "class_logit", "principal_component")


def encode_probe_images(given: Given) -> Iterator[tuple[Partition, dict[str, pd.DataFrame]]]:
    """Encode the probe images in an epoch's dictionary; yields the rows of `concepts` and `dictionaries`.

    Beside the concepts' codes: those of random directions (same encoder; of either sign where the atoms are), the class
    logits, the scores of the layer's principal components, and which codes of each kind are alive.
    """
    (place,) = given.partitions
    dictionary = read_dictionary(given, epoch=given.epoch)
    acts = given.arrays(ACTIVATIONS, epoch=given.epoch, layer=given.anatomy.penultimate)
    group, kkt = _encode(given, place, dictionary, acts)
    reader = ProbeReader(
        {**{kind: group[kind] for kind in _STORED}, "unit": acts}, {}, int(acts.attrs["n_fit"]), ("concept",), 0, acts
    )
    alive = _alive(reader)
    for kind, flags in alive.items():
        group.create_array(f"alive_{kind}", data=flags)
    concepts = _concepts(given, dictionary, reader, alive["concept"])
    yield place, {"concepts": concepts, "dictionaries": _quality(given, dictionary, reader, concepts, kkt=kkt)}


def encoders(study: Study, dictionary: Dictionary, *, device: str = "auto") -> dict[str, Encoder]:
    """Return the encoders of an image, by kind: of the concepts, and of the random directions, each kind by itself.

    The directions follow from the seed and the number of units, so they are the same whenever they are asked for.
    """
    directions = _random_directions(study, dictionary)
    penalties, where = {"l1": study.dictionary.l1, "l2": study.dictionary.l2}, sums_device(device)
    atoms = {"concept": dictionary.atoms, "random_direction": directions}
    return {kind: Encoder(torch.from_numpy(rows).to(where), **penalties) for kind, rows in atoms.items()}


def read_probe(reader: StudyReader, *, epoch: int, kinds: tuple[str, ...] = KINDS, acts: Any = None) -> ProbeReader:
    """Open the committed codes of an epoch, with a layer's activations beside them. Raises ValueError for none."""
    group = reader.arrays(CODES, epoch=epoch)
    arrays = {kind: group["concept" if kind == "shuffled" else kind] for kind in kinds if kind != "unit"}
    if "unit" in kinds:
        arrays["unit"] = reader.arrays(ACTIVATIONS, epoch=epoch, layer=reader.anatomy.penultimate)
    alive = {kind: np.asarray(group[f"alive_{kind}"]) for kind in (*_STORED, "unit")}
    return ProbeReader(arrays, alive, int(group.attrs["n_fit"]), kinds, reader.study.seed, acts)


def directions_of(reader: StudyReader, *, epoch: int) -> dict[str, np.ndarray]:
    """Return the directions (code, unit) behind the codes of the controls that have one, by kind."""
    dictionary = read_dictionary(reader, epoch=epoch)
    return {
        "random_direction": _random_directions(reader.study, dictionary),
        "unit": np.eye(dictionary.atoms.shape[1], dtype=np.float32),
        "principal_component": np.asarray(reader.arrays(CODES, epoch=epoch)["components"]),
    }


def _random_directions(study: Study, dictionary: Dictionary) -> np.ndarray:
    is_signed, n_units = bool((dictionary.atoms < 0).any()), dictionary.atoms.shape[1]
    return random_atoms(N_RANDOM_DIRECTIONS, n_units, seed=study.seed, is_signed=is_signed)


def coded(reader: StudyReader, *, epoch: int) -> pd.DataFrame:
    """Return `kind`, `concept`, `variance` and `alive` of an epoch's concepts and, behind them, random directions."""
    columns = ["kind", "concept", "variance", "alive"]
    concepts = reader.rows(CODES, epoch=epoch, table="concepts", columns=columns[1:]).assign(kind="concept")
    probe = read_probe(reader, epoch=epoch, kinds=("random_direction",))
    control = probe.columns.assign(variance=np.asarray(probe.statistics().variance), alive=probe.alive)
    return pd.concat([concepts[columns], control[columns]], ignore_index=True)


def _encode(given: Given, place: Partition, dictionary: Dictionary, acts: Any) -> tuple[zarr.Group, float]:
    """Write the codes chunk by chunk; returns their group and the largest optimality residual."""
    weight, bias = given.head(epoch=given.epoch)
    where, kkt = sums_device(given.tools.device), 0.0
    encode, encode_random = encoders(given.study, dictionary, device=given.tools.device).values()
    group = zarr.create_group(store=str(given.draft(place)), attributes={"n_fit": int(acts.attrs["n_fit"])})
    components = _components(given, acts)
    widths = {"concept": len(dictionary.atoms), "random_direction": N_RANDOM_DIRECTIONS, "class_logit": len(bias)}
    widths["principal_component"] = components.directions.shape[1]
    group.create_array("components", data=np.ascontiguousarray(components.directions.T, dtype=np.float32))
    for kind, width in widths.items():
        shape, chunks = (acts.shape[0], width), (min(IMAGES_AT_ONCE, acts.shape[0]), width)
        group.create_array(kind, shape=shape, chunks=chunks, dtype="float32")
    stored: dict[str, Any] = {kind: group[kind] for kind in widths}
    for start in range(0, acts.shape[0], IMAGES_AT_ONCE):
        chunk = np.asarray(acts[start : start + IMAGES_AT_ONCE], dtype=np.float32)
        rows, x = slice(start, start + len(chunk)), torch.from_numpy(chunk).to(where)
        concepts = encode(x)
        kkt = max(kkt, float(concepts.kkt_residual.max()))
        stored["concept"][rows] = concepts.codes.cpu().numpy()
        stored["random_direction"][rows] = encode_random(x).codes.cpu().numpy()
        stored["class_logit"][rows] = chunk @ weight + bias
        stored["principal_component"][rows] = (chunk - components.mean) @ components.directions
    return group, kkt


def _components(given: Given, acts: Any) -> Components:
    """Return the principal components of the probe images' activations."""
    nothing, where = np.zeros((IMAGES_AT_ONCE, 0), dtype=np.float32), sums_device(given.tools.device)
    starts = range(0, acts.shape[0], IMAGES_AT_ONCE)
    chunks = (np.asarray(acts[start : start + IMAGES_AT_ONCE], dtype=np.float32) for start in starts)
    sums = Moments.over((torch.from_numpy(x).to(where), torch.from_numpy(nothing[: len(x)]).to(where)) for x in chunks)
    return Components(*(part.cpu().numpy() for part in principal_components(sums, n_components=N_COMPONENTS)))


def _alive(reader: ProbeReader) -> dict[str, np.ndarray]:
    """Return, for each kind, whether a code is active on enough images of both halves; decided here, once."""
    flags = {}
    for kind in reader.codes:
        of_kind = replace(reader, kinds=(kind,))
        fit, score = (
            np.sum([count_active(of_kind.codes_of(c)) for c in of_kind.chunks(half)], axis=0) for half in HALVES
        )
        flags[kind] = is_alive(fit, score)
    return flags


def _concepts(given: Given, dictionary: Dictionary, reader: ProbeReader, alive: np.ndarray) -> pd.DataFrame:
    names, statistics = given.data.class_names, reader.statistics()
    return pd.DataFrame(
        {
            "epoch": given.epoch,
            "concept": np.arange(len(dictionary.atoms)),
            "class_id": dictionary.class_of,
            "class_name": ["all" if c < 0 else names[c] for c in dictionary.class_of],
            "prevalence_fraction": statistics.prevalence_fraction,
            "variance": statistics.variance,
            **_of_classes(given, reader),
            "hoyer": hoyer(dictionary.atoms),
            "alive": alive,
        }
    )


def _of_classes(given: Given, reader: ProbeReader) -> dict[str, Any]:
    """Return the share of each code's variance that the label explains, and what controls are without each group.

    The share is NaN where too few images or classes say it.
    """
    labels, groups = given.data.labels[given.data.probe], given.study.probe.groups
    sums, active = (ClassSums(n_classes=max(2, len(given.data.class_names)), groups=groups) for _ in range(2))
    for chunk in reader.chunks():
        codes, rows = reader.codes_of(chunk), labels[chunk.start : chunk.stop]
        sums.add(codes, rows, first_image=chunk.first_image)
        active.add((codes > 0).astype(np.float32), rows, first_image=chunk.first_image)
    n_present, unknown = len(np.unique(labels)), np.full(reader.widths["concept"], np.nan)
    is_told = n_present >= 2 and len(labels) > n_present
    prevalence, variance = active.without_each_group()[0], sums.without_each_group()[1]
    without = {"prevalence": prevalence, "variance": variance, "class_information": class_information_left_out(sums)}
    return {
        "class_information": class_information(sums) if is_told else unknown,
        **{f"{name}_jackknife": list(np.asarray(part, dtype=np.float32)) for name, part in without.items()},
    }


def _quality(
    given: Given, dictionary: Dictionary, reader: ProbeReader, concepts: pd.DataFrame, *, kkt: float
) -> pd.DataFrame:
    pairs = ((reader.acts_of(chunk), reader.codes_of(chunk)) for chunk in reader.chunks())
    outputs, head = class_outputs(given.study.model, given.data.class_names), given.head(epoch=given.epoch)
    quality = dictionary_quality_streamed(pairs, dictionary.atoms, *head, class_outputs=outputs)
    size = read_size(given, epoch=given.epoch)
    low, high = share_interval(round(quality.predictions_kept_fraction * reader.n_images), reader.n_images)
    return pd.DataFrame(
        {
            "epoch": [given.epoch],
            "method": [dictionary.method],
            "n_concepts": [len(dictionary.atoms)],
            "atoms_per_class": [size.n_atoms],
            "atoms_chosen": [size.stopped_by],
            "held_out_kept_fraction": [size.kept],
            "relative_error": [quality.relative_error],
            "explained_variance": [quality.explained_variance],
            "predictions_kept_fraction": [quality.predictions_kept_fraction],
            "predictions_kept_low": [low],
            "predictions_kept_high": [high],
            "predictions_kept_classes_fraction": [quality.predictions_kept_classes_fraction],
            "logit_by_concepts": [quality.logit_by_concepts],
            "logit_by_rest": [quality.logit_by_rest],
            "logit_carried_fraction": [quality.logit_carried_fraction],
            "l0": [quality.l0],
            "code_hoyer": [quality.code_hoyer],
            "dead": [int((~concepts["alive"]).sum())],
            "kkt_residual": [kkt],
            "fit_relative_error": [float(np.sqrt(np.mean(np.square(dictionary.relative_error))))],
        }
    )
