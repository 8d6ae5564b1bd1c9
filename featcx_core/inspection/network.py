"""Survey of a network, on the study's own images."""

from collections.abc import Iterator
from math import prod

from featcx_core.images.data import load_data
from featcx_core.inspection.images import ImagesFound
from featcx_core.networks.anatomy import Anatomy
from featcx_core.networks.layers import resolve_anatomy
from featcx_core.networks.models import build_model
from featcx_core.study.fields import Study, StudyError


def find_network(study: Study, images: ImagesFound) -> tuple[Anatomy | None, str]:
    """The network's layers; None, and why, where it cannot take the images or they cannot be used.

    Raises StudyError where there is no such network, or its factory refuses the arguments.
    """
    lacking, shape = "", (images.channels, images.short_side, images.short_side)
    try:
        shape = load_data(study).image_shape
    except StudyError as error:
        lacking = str(error)
    model = build_model(study, n_classes=len(images.class_names), image_shape=shape)
    if lacking:
        return None, lacking
    try:
        return resolve_anatomy(model, study, image_shape=shape), ""
    except StudyError as error:
        return None, str(error)


def network_lines(study: Study, anatomy: Anatomy) -> Iterator[str]:
    """Yield the survey, for people."""
    n_numbers = sum(map(prod, anatomy.parameters.values()))
    yield f"model: {study.model.source}: {n_numbers:,} numbers in {len(anatomy.parameters)} tensors"
    first, last, blocks = (
        anatomy.layers[0],
        anatomy.layers[-1],
        [row.shortcut for row in anatomy.layers if row.shortcut],
    )
    projected = f" ({blocks.count('projection')} with a projection)" if "projection" in blocks else ""
    described = f", {len(blocks)} of them residual blocks{projected}" if blocks else ", no residual blocks"
    yield f"  layers: {len(anatomy.layers)}, {first.layer} … {last.layer}{described}"
    shape = " x ".join(map(str, anatomy.image_shape))
    signed = ", also below zero: semi-NMF" if anatomy.signed else ""
    yield f"  input: {shape}; before the head: {anatomy.penultimate}, {anatomy.n_units} units{signed}"
    yield f"  head: {anatomy.head}, {anatomy.n_classes} outputs"
