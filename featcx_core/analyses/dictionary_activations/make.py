"""Activations of the dictionary images by position: recorded once, or streamed into the fit."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import zarr
from jaxtyping import Float32

from featcx_core.analyses.dictionary_activations import DICTIONARY_ACTIVATIONS
from featcx_core.artefacts.given import Given, StudyReader, Tools
from featcx_core.artefacts.partition import Partition
from featcx_core.features.recording import by_class
from featcx_core.features.writing import Writer, checked, layout
from featcx_core.images.data import dictionary_images, selection_digest
from featcx_core.images.further import further_images
from featcx_core.networks.anatomy import Layer

logger = logging.getLogger("featcx")


def record_classes(given: Given) -> Iterator[tuple[Partition, None]]:
    """Record the dictionary images' penultimate activations: for each class one array (image, position, unit).

    Where they are more than the study keeps (`dictionary.keep_positions_gb`), no forward pass is made and an empty
    group is committed, which says that the fit streams them. Raises what `activations` raises.
    """
    (place,) = given.partitions
    draft, row, dtype = given.draft(place), _penultimate(given), given.study.activations.dtype
    if dictionary_activation_bytes(given) > given.study.dictionary.keep_positions_gb * 1e9:
        zarr.create_group(store=str(draft), attributes={"kept": False, "epoch": given.epoch})
    else:
        images = dictionary_images(given.data, given.study)
        if (further := further_images(given.study, given.data)) is not None:
            images = [*images, further.split["train"]]
        about = {"kept": True, "layer": row.layer, "height": row.height, "width": row.width, "epoch": given.epoch}
        group = zarr.create_group(store=str(draft), attributes={**about, "images": selection_digest(images)})
        for class_id, indices, pieces in _passed(given, given.epoch, given.tools):
            shape = (len(indices), row.n_samples, row.units)
            writer = Writer(group.create_array(str(class_id), **layout(shape, dtype)))
            for values in pieces:
                writer.append(checked(values, epoch=given.epoch, layer=row.layer, dtype=dtype))
            writer.close()
    yield place, None


def class_positions(reader: StudyReader, *, epoch: int, tools: Tools) -> Iterator[Float32[np.ndarray, "sample unit"]]:
    """Yield the samples of each dictionary: penultimate activations, every position of every image, class after class.

    Of a class token, where the head reads that. From the store where they are committed, otherwise by a forward pass,
    class by class, with the same numbers. With scope `all`, one array of all classes, however many: one factorisation
    goes over all samples again and again. Raises what `activations` raises.
    """
    parts = _class_positions(reader, epoch, tools)
    if reader.study.dictionary.scope == "all":
        yield _joined(reader, parts)
    else:
        yield from parts


def dictionary_activation_bytes(reader: StudyReader) -> int:
    """Return the size of an epoch's dictionary activations, before compression."""
    row, study = _penultimate(reader), reader.study
    return sum(images_by_dictionary(reader)) * row.n_samples * row.units * np.dtype(study.activations.dtype).itemsize


def _class_positions(reader: StudyReader, epoch: int, tools: Tools) -> Iterator[Float32[np.ndarray, "sample unit"]]:
    row, dtype = _penultimate(reader), reader.study.activations.dtype
    if reader.has(DICTIONARY_ACTIVATIONS, epoch=epoch):
        group = reader.arrays(DICTIONARY_ACTIVATIONS, epoch=epoch)
        if group.attrs["kept"]:
            for class_id in range(len(reader.data.class_names) + bool(reader.study.data.dictionary)):
                yield np.asarray(group[str(class_id)]).reshape(-1, row.units).astype(np.float32)
            return
    for _, _, pieces in _passed(reader, epoch, tools):
        # Through the stored type, so that keeping the positions or not changes no number.
        rows = [checked(values, epoch=epoch, layer=row.layer, dtype=dtype) for values in pieces]
        samples = np.concatenate(rows) if rows else np.empty((0, row.units))  # a class may have none with scope all
        yield samples.reshape(-1, row.units).astype(np.float32)


def _passed(reader: StudyReader, epoch: int, tools: Tools) -> Iterator[tuple[int, np.ndarray, Iterator[np.ndarray]]]:
    """Yield each class, its images and their values in pieces, from one forward pass; then the further images."""
    network, row = reader.network(epoch=epoch, device=tools.device), _penultimate(reader)
    images = dictionary_images(network.data, reader.study)
    logger.info("forward pass: epoch %d, %d training images, positions of %s", epoch, sum(map(len, images)), row.layer)
    settings: Any = {"batch_size": tools.batch_size, "progress": tools.progress}
    yield from by_class(network, images, row, **settings)
    if (further := further_images(reader.study, network.data)) is not None:
        others, rows = network._replace(data=further), further.split["train"]
        for _, indices, pieces in by_class(others, [rows], row, **settings):
            yield len(images), indices, pieces


def _joined(reader: StudyReader, parts: Iterator[Float32[np.ndarray, "_ unit"]]) -> Float32[np.ndarray, "sample unit"]:
    """Return all samples in one array, beside which one part at a time is held."""
    row, study = _penultimate(reader), reader.study
    n_samples = row.n_samples * sum(images_by_dictionary(reader))
    samples = np.empty((n_samples, row.units), dtype=np.float32)
    if samples.nbytes > study.dictionary.keep_positions_gb * 1e9:
        logger.warning(
            "one dictionary over all images is fitted on %.1f GB in memory; dictionary.images_per_class makes it less",
            samples.nbytes / 1e9,
        )
    start = 0
    for part in parts:
        samples[start : start + len(part)] = part
        start += len(part)
    assert start == n_samples
    return samples


def images_by_dictionary(reader: StudyReader) -> list[int]:
    """Return how many images each class's dictionary has; with scope `all` one number, further ones included."""
    counts = [len(rows) for rows in dictionary_images(reader.data, reader.study)]
    if reader.study.dictionary.scope == "class":
        return counts
    further = further_images(reader.study, reader.data)
    return [sum(counts) + (len(further.split["train"]) if further else 0)]


def _penultimate(reader: StudyReader) -> Layer:
    return next(row for row in reader.anatomy.layers if row.role == "penultimate")
