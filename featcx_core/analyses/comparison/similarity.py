"""Similarity of the networks of several studies, from their activations on the same images."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.similarity import SIMILARITY_TABLE
from featcx_core.analyses.similarity.make import Labels, Side, compared, decomposed, n_images, plans_of, rows_of
from featcx_core.analyses.similarity.planned import Planned
from featcx_core.artefacts.given import StudyReader
from featcx_core.measures.decomposed import Decomposed
from featcx_core.store.parquet import without_rows


class Between(NamedTuple):
    """Similarities of networks, and why some pairs of studies have none."""

    rows: pd.DataFrame
    """Rows of the table `similarity`."""
    left_out: list[str]
    """Lines: pairs of studies without a similarity, and why."""


def similarity_between(readers: Sequence[StudyReader]) -> Between:
    """Measure the networks of all pairs of studies on their probe images, each at its own reference epoch.

    Networks of the same layers are compared layer by layer, others each layer with each. Measures, nulls and intervals
    follow the first study's section `similarity`. Pairs of studies of different images are left out, with a line.
    """
    usable, left_out = list[StudyReader](), list[str]()
    for reader in readers:
        lacking = [name for name in reader.anatomy.names if not _has(reader, name)]
        if lacking:
            left_out.append(f"{reader.study.name}: no activations of layer {lacking[0]} at its reference epoch")
        else:
            usable.append(reader)
    parts = list[pd.DataFrame]()
    for place, reader in enumerate(usable):
        left_out += [reason for other in usable[place + 1 :] if (reason := different_images(reader, other))]
    for alike in _of_same_images(usable):
        parts += [*_layer_by_layer(alike, alike[0]), *_each_with_each(alike, alike[0])]
    return Between(pd.concat(parts or [without_rows(SIMILARITY_TABLE)], ignore_index=True), left_out)


def different_images(one: StudyReader, other: StudyReader) -> str:
    """Return why two studies cannot be compared image by image; empty where they can.

    Their probe images must be the same, in the same order.
    """
    if _images(one) == _images(other):
        return ""
    return (
        f"{one.study.name} and {other.study.name}: wanted the same probe images, got others; try one data.split_seed, "
        "data.split and data.corruption.pixels for both"
    )


def _has(reader: StudyReader, layer: str) -> bool:
    return reader.has(ACTIVATIONS, epoch=reader.study.reference_epoch, layer=layer)


def _images(reader: StudyReader) -> str:
    acts = reader.arrays(ACTIVATIONS, epoch=reader.study.reference_epoch, layer=reader.anatomy.penultimate)
    return str(acts.attrs["images"])


def _of_same_images(readers: Sequence[StudyReader]) -> list[list[StudyReader]]:
    groups: dict[str, list[StudyReader]] = {}
    for reader in readers:
        groups.setdefault(_images(reader), []).append(reader)
    return list(groups.values())


def _layer_by_layer(readers: Sequence[StudyReader], first: StudyReader) -> Iterator[pd.DataFrame]:
    """Yield the similarities of each layer over all pairs of networks that have the same layers."""
    by_names: dict[tuple[str, ...], list[StudyReader]] = {}
    for reader in readers:
        by_names.setdefault(tuple(reader.anatomy.names), []).append(reader)
    for names, members in by_names.items():
        if len(members) > 1:
            for plan, labels in plans_of(first, widest=_widest(members)):
                yield from (_of_layer(members, name, plan, labels, first) for name in names)


def _of_layer(
    members: Sequence[StudyReader], layer: str, plan: Planned, labels: Labels, first: StudyReader
) -> pd.DataFrame:
    sides = [_decomposed(member, [layer], labels, first)[0] for member in members]
    side = Side("", 0, tuple(str(place) for place in range(len(members))))
    rows = rows_of(compared(first.study, plan, sides), plan, side, side, n_images=n_images(first))
    a, b = (rows[name].astype(int).to_numpy() for name in ("layer_a", "layer_b"))
    names = np.array([member.study.name for member in members], dtype=object)
    epochs = np.array([member.study.reference_epoch for member in members])
    rows = rows.assign(study_a=names[a], study_b=names[b], epoch_a=epochs[a], epoch_b=epochs[b], layer_a=layer)
    return rows.assign(layer_b=layer)[a < b]


def _each_with_each(readers: Sequence[StudyReader], first: StudyReader) -> Iterator[pd.DataFrame]:
    """Yield the similarities of all layers of one network with all of another that has other layers."""
    pairs = [(one, other) for place, one in enumerate(readers) for other in readers[place + 1 :]]
    for pair in pairs:
        if pair[0].anatomy.names != pair[1].anatomy.names:
            for plan, labels in plans_of(first, widest=_widest(pair)):
                sides = [Side(r.study.name, r.study.reference_epoch, tuple(r.anatomy.names)) for r in pair]
                layers = [_decomposed(reader, reader.anatomy.names, labels, first) for reader in pair]
                yield rows_of(compared(first.study, plan, *layers), plan, *sides, n_images=n_images(first))


def _decomposed(reader: StudyReader, layers: Sequence[str], labels: Labels, first: StudyReader) -> list[Decomposed]:
    most = first.study.similarity.images
    return decomposed(reader, reader.study.reference_epoch, layers, labels=labels, most=most)


def _widest(readers: Sequence[StudyReader]) -> int:
    return max(row.units for reader in readers for row in reader.anatomy.layers)
