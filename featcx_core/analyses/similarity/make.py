"""Similarities of layers from their stored activations; each layer is decomposed once for all its pairs."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.jackknife import jackknife_cells
from featcx_core.analyses.similarity.planned import Planned, planned
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.images.data import StudyImages
from featcx_core.measures.decomposed import Decomposed, decompose_side
from featcx_core.measures.layer_similarities import Compared, compare_layers
from featcx_core.networks.anatomy import Anatomy, Layer
from featcx_core.networks.models import sums_device
from featcx_core.study.fields import Study

_AT_ONCE = 4
"""Threads."""
Labels: TypeAlias = Int[np.ndarray, "image"] | None
"""Class of each image, where class means are subtracted."""
GaussianNull: TypeAlias = Float[np.ndarray, "measure layer other"]
"""Similarities of Gaussian data."""


class Side(NamedTuple):
    """Layers of one side of a comparison."""

    study: str
    """Name of the study; empty: the study itself."""
    epoch: int
    """Checkpoint."""
    layers: tuple[str, ...]
    """Names of the layers."""


def similarity_of_layers(given: Given) -> pd.DataFrame:
    """Return the similarity of all layers of an epoch with each other."""
    names = tuple(given.anatomy.names)
    side, n = Side("", given.epoch, names), n_images(given)

    def part(plan: Planned, labels: Labels) -> pd.DataFrame:
        layers = decomposed(given, given.epoch, names, labels=labels)
        return rows_of(compared(given.study, plan, layers), plan, side, side, n_images=n)

    return pd.concat(_at_once(part, plans_of(given)), ignore_index=True)


def similarity_to_end(given: Given) -> pd.DataFrame:
    """Return the similarity of each layer with itself at the reference epoch."""
    end, n, plans = given.study.reference_epoch, n_images(given), plans_of(given)
    null_of: dict[tuple[int, str], GaussianNull] = {}

    def part(row: Layer, plan: Planned, labels: Labels) -> pd.DataFrame:
        now, later = (decomposed(given, epoch, [row.layer], labels=labels) for epoch in (given.epoch, end))
        shape = row.units, plan.centring
        result = compared(given.study, plan, now, later, null=null_of.get(shape))
        null_of[shape] = result.null_gaussian
        sides = Side("", given.epoch, (row.layer,)), Side("", end, (row.layer,))
        return rows_of(result, plan, *sides, n_images=n)

    places = [(row, *plan) for plan in plans for row in given.anatomy.layers]
    return pd.concat(_at_once(part, places), ignore_index=True)


def _at_once(part: Callable[..., pd.DataFrame], places: Sequence[tuple[object, ...]]) -> list[pd.DataFrame]:
    """Call for each place, several at once: small layers do not keep a second core busy."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(lambda place: part(*place), places))


def plans_of(reader: StudyReader, *, widest: int = 0) -> list[tuple[Planned, Labels]]:
    """Return the study's centrings with their measures, and the labels that centre (None: the mean over all images).

    widest: units of the widest layer; 0: of the study's network.
    """
    labels = _labels(reader.study, reader.data)
    widest = widest or max(row.units for row in reader.anatomy.layers)
    plans = planned(reader.study.similarity, labels, widest=widest, groups=reader.study.probe.groups)
    return [(plan, labels if plan.centring == "within_classes" else None) for plan in plans]


def decomposed(
    reader: StudyReader, epoch: int, layers: Sequence[str], *, labels: Labels, most: int = 0
) -> list[Decomposed]:
    """Decompose the stored activations of an epoch's layers. Raises ValueError for NaN, naming layer and epoch.

    most: images, at most; 0: as the study says.
    """
    where = sums_device(reader.tools.device if isinstance(reader, Given) else "cpu")
    sides = []
    for layer in layers:
        acts = torch.from_numpy(activations(reader, epoch, layer, most=most)).to(where)
        sides.append(decompose_side(acts, labels=labels, what=f"activations of layer {layer} at epoch {epoch}"))
    return sides


def activations(reader: StudyReader, epoch: int, layer: str, *, most: int = 0) -> Float[np.ndarray, "image unit"]:
    """Read a layer's activations on the images that similarities are measured on; at most so many."""
    stored = np.asarray(reader.arrays(ACTIVATIONS, epoch=epoch, layer=layer)[:], dtype=np.float32)
    chosen: np.ndarray = stored[_chosen(most or reader.study.similarity.images, len(stored))]
    return chosen


def n_images(reader: StudyReader) -> int:
    """Return the number of images that similarities are measured on."""
    return len(_labels(reader.study, reader.data))


def compared(
    study: Study,
    plan: Planned,
    layers: list[Decomposed],
    others: list[Decomposed] | None = None,
    *,
    null: GaussianNull | None = None,
) -> Compared:
    """Compare layers by the study's settings, with nulls and intervals.

    null: that of Gaussian data, where it is known from other layers of the same shapes.
    """
    settings = study.similarity
    result = compare_layers(
        layers,
        others,
        measures=plan.measures,
        threshold=settings.threshold,
        n_neighbours=settings.neighbours,
        n_draws=settings.draws if null is None else 0,
        n_permutations=settings.permutations,
        groups=study.probe.groups,
        seed=study.seed,
    )
    return result if null is None else result._replace(null_gaussian=null)


def rows_of(result: Compared, plan: Planned, side_a: Side, side_b: Side, *, n_images: int) -> pd.DataFrame:
    """Return a row for each measure and pair of layers."""
    values = result._asdict()
    left_out = values.pop("left_out")
    measure, layer_a, layer_b = (part.ravel() for part in np.indices(result.value.shape))
    is_constant = np.isnan(result.value).ravel()
    return pd.DataFrame(
        {
            "study_a": side_a.study,
            "epoch_a": side_a.epoch,
            "layer_a": np.array(side_a.layers, dtype=object)[layer_a],
            "study_b": side_b.study,
            "epoch_b": side_b.epoch,
            "layer_b": np.array(side_b.layers, dtype=object)[layer_b],
            "measure": np.array(plan.measures, dtype=object)[measure],
            "centring": plan.centring,
            **{name: part.ravel() for name, part in values.items()},
            "n_images": n_images,
            "jackknife": jackknife_cells(left_out.reshape(len(is_constant), -1), unknown=is_constant),
        }
    )


def refuse_too_few_images(study: Study, anatomy: Anatomy, data: StudyImages) -> None:
    """Raise StudyError where a measure or a centring is named for which there are too few probe images."""
    widest = max(row.units for row in anatomy.layers)
    planned(study.similarity, _labels(study, data), widest=widest, groups=study.probe.groups)


def _labels(study: Study, data: StudyImages) -> Int[np.ndarray, "image"]:
    probe = data.probe
    labels: np.ndarray = data.labels[probe[_chosen(study.similarity.images, len(probe))]]
    return labels


def _chosen(most: int, n_images: int) -> Int[np.ndarray, "image"]:
    """Return which of the probe images are used: all, or evenly spread ones."""
    places: np.ndarray = np.linspace(0, n_images - 1, min(most, n_images)).round().astype(np.int64)
    return places
