"""Accuracy of the reference epoch's network with one layer projected on few directions or units."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float

from featcx_core.analyses.direction_paths.make import choosing_epoch
from featcx_core.analyses.projection import PROJECTION
from featcx_core.analyses.similarity.make import activations
from featcx_core.artefacts.given import Given
from featcx_core.features.ablating import ablated_logits
from featcx_core.features.forward import Network
from featcx_core.images.answers import is_right
from featcx_core.images.data import batches
from featcx_core.images.outputs import Right, class_outputs, right_outputs
from featcx_core.measures.cca import IMAGES_A_UNIT
from featcx_core.measures.intervals import jackknife_interval
from featcx_core.measures.projection import Projection, most_active_units, project, random_units, svcca_projection
from featcx_core.networks.anatomy import Layer
from featcx_core.progress import silent
from featcx_core.store.parquet import without_rows

logger = logging.getLogger("featcx")


class Kept(NamedTuple):
    """A projection, and what it keeps."""

    basis: str
    """Name of the basis."""
    n_directions: int
    """Directions or units."""
    projection: Projection
    """The map of the layer's activations."""


def projection_rows(given: Given) -> pd.DataFrame:
    """Return the accuracy of every projection of every layer on the test images.

    A layer that part of the network passes by is left out, with a line in the log.

    Raises:
        ValueError: pooled activations that are not one number a unit, or outputs that are no classes.
    """
    study, data = given.study, given.data
    outputs = class_outputs(study.model, data.class_names)
    if study.activations.pooling != "gap":
        raise ValueError(
            f'projection: wanted activations.pooling = "gap", got {study.activations.pooling!r}; take projection out '
            "of analyses.run"
        )
    if not outputs:
        raise ValueError('projection: wanted outputs that are classes, got model.outputs = "none"; take it out')
    network, parts = given.network(epoch=study.reference_epoch, device=given.tools.device), list[pd.DataFrame]()
    right = right_outputs(outputs, data.labels[data.split["test"]])
    rows = [row for row in given.anatomy.layers if not row.rectified]
    for row in (given.tools.progress or silent)(rows, desc="projections"):
        kept = list(_projections(given, row.layer))
        try:
            is_correct = _whether_right(network, row, [each.projection for each in kept], right, given.tools.batch_size)
        except ValueError as error:
            logger.warning("projection: layer %s is left out: %s", row.layer, error)
            continue
        parts.append(_rows(kept, is_correct, groups=study.probe.groups).assign(layer=row.layer))
    frame = pd.concat(parts, ignore_index=True) if parts else without_rows(PROJECTION.tables[0])
    return frame.assign(epoch=study.reference_epoch)


def _projections(given: Given, layer: str) -> Iterator[Kept]:
    """Yield the projections of a layer: on units; with 5 images a unit, on SVCCA directions with an earlier epoch."""
    study, settings = given.study, given.study.similarity
    acts = activations(given, study.reference_epoch, layer).astype(np.float64)
    sizes = [size for size in sorted({*settings.kept}) if size <= acts.shape[1]]
    earlier = choosing_epoch(study, given.epochs)
    if earlier is not None and len(acts) >= IMAGES_A_UNIT * acts.shape[1]:
        before = activations(given, earlier, layer).astype(np.float64)
        for size in sizes:
            try:
                shared = svcca_projection(acts, before, n_directions=size, threshold=settings.threshold)
            except ValueError:  # SVCCA keeps fewer directions than that
                break
            yield Kept("svcca", size, shared)
    for size in sizes:
        yield Kept("most_active_units", size, most_active_units(acts, n_units=size))
        for draw in range(settings.unit_draws):
            yield Kept("random_units", size, random_units(acts, n_units=size, seed=study.seed + draw))


def _whether_right(
    network: Network, row: Layer, projections: list[Projection], right: Right, batch_size: int
) -> Bool[np.ndarray, "projection image"]:
    """Return whether each test image is classified rightly: first by the whole network, then by each projection."""
    data, device = network.data, network.device
    edits: list[Callable[[torch.Tensor], torch.Tensor] | None] = [None]
    for projection in projections:
        fixed = Projection(*(torch.from_numpy(part).to(device, torch.float32) for part in projection))
        edits.append(partial(project, projection=fixed))
    test = data.split["test"]
    inputs = batches(data, test, batch_size=data.at_once(batch_size), device=device)
    logits = ablated_logits(network.model, inputs, edits, layer=row.layer, layout=row.layout)
    guesses = np.concatenate([part.argmax(-1).cpu().numpy() for part in logits], axis=1)
    return is_right(torch.from_numpy(guesses), torch.from_numpy(right)).numpy()


def _rows(kept: list[Kept], is_correct: Bool[np.ndarray, "projection image"], *, groups: int) -> pd.DataFrame:
    whole, rows = is_correct[0].mean(), list[dict[str, object]]()
    group = np.arange(is_correct.shape[1]) % groups
    by_basis: dict[tuple[str, int], list[Float[np.ndarray, "image"]]] = {}
    for each, correct in zip(kept, is_correct[1:], strict=True):
        by_basis.setdefault((each.basis, each.n_directions), []).append(correct.astype(np.float64))
    for (basis, n_directions), draws in by_basis.items():
        share = np.mean(draws, axis=0)  # of the draws that classify the image rightly
        left_out = np.array([share[group != number].mean() for number in range(groups)])
        low, high = jackknife_interval(share.mean(keepdims=True), left_out[None], within=(0.0, 1.0))
        rows.append(
            {
                "basis": basis,
                "n_directions": n_directions,
                "accuracy": share.mean(),
                "low": low[0],
                "high": high[0],
                "relative_accuracy": share.mean() / whole if whole > 0 else np.nan,
                "n_images": len(share),
                "jackknife": left_out.astype(np.float32),
            }
        )
    return pd.DataFrame(rows)
