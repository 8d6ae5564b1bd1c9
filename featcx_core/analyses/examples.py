"""The probe images on which the reference epoch's concepts are strongest, and where in them they are active."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from featcx_core.analyses.activations import POSITIONS
from featcx_core.analyses.codes import CODES
from featcx_core.analyses.codes.make import read_probe
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.artefacts.given import StudyReader
from featcx_core.features.examples import TopImages, position_codes, top_images
from featcx_core.networks.anatomy import Layer

_NUMBERS_AT_ONCE = 1 << 24  # activations of positions that are held: 64 MB
_MOST_IMAGES = 64  # and images read together


class Maps(NamedTuple):
    """Heat maps of some concepts on some images."""

    places: Int[np.ndarray, "map 2"]
    """Concept and rank of each, as in `TopImages`."""
    maps: Float[np.ndarray, "map height width"]
    """The positions' codes, >= 0."""


def read_top_images(reader: StudyReader, *, n_images: int) -> TopImages:
    """Return each concept's strongest probe images at the reference epoch, a chunk of codes at a time."""
    probe = read_probe(reader, epoch=reader.study.reference_epoch, kinds=("concept",))
    return top_images((probe.codes_of(chunk) for chunk in probe.chunks()), n_images=n_images)


def map_shape(reader: StudyReader) -> tuple[int, int] | None:
    """Return height and width of the layer before the head; None where it gives one vector an image."""
    layer = _penultimate(reader)
    return (layer.height, layer.width) if layer.height * layer.width > 1 else None


def maps_are_of_patches(reader: StudyReader) -> bool:
    """Return whether heat maps are of patches that the head does not read, because it reads a class token."""
    return map_shape(reader) is not None and _penultimate(reader).layout == "class_token"


def _penultimate(reader: StudyReader) -> Layer:
    return next(row for row in reader.anatomy.layers if row.role == "penultimate")


def heat_maps(
    reader: StudyReader, images: Int[np.ndarray, "concept rank"], *, of: Callable[[int], int] = int
) -> Iterator[Maps]:
    """Yield where concepts are active in these probe images, image after image, so that each is read once.

    images: rows of the probe images, -1 for none; `of` says which concept a row of them belongs to. Of a network whose
    head reads a class token, the positions are the patches of the same layer, encoded like the token.
    Memory holds some images' positions, never all. Yields nothing where `map_shape` is None.
    """
    shape, epoch, settings = map_shape(reader), reader.study.reference_epoch, reader.study.dictionary
    if shape is None:
        return
    positions = reader.arrays(POSITIONS, epoch=epoch, layer=reader.anatomy.penultimate)
    codes, atoms = reader.arrays(CODES, epoch=epoch)["concept"], read_dictionary(reader, epoch=epoch).atoms
    shown = np.unique(images[images >= 0])
    at_once = max(1, min(_MOST_IMAGES, _NUMBERS_AT_ONCE // int(np.prod(positions.shape[1:]))))
    for start in range(0, len(shown), at_once):
        chunk = shown[start : start + at_once]
        places = np.argwhere(np.isin(images, chunk))
        pairs = np.stack(
            [np.searchsorted(chunk, images[*places.T]), [of(row) for row in places[:, 0].tolist()]], axis=1
        )
        codes_there = position_codes(
            np.asarray(positions.oindex[chunk], dtype=np.float32),
            atoms,
            np.asarray(codes.oindex[chunk], dtype=np.float32),
            pairs,
            l1=settings.l1,
            l2=settings.l2,
        )
        yield Maps(places, codes_there.reshape(-1, *shape))
