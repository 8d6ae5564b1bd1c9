"""V-information of a radial reader and of layers at equal width, about an epoch's own concepts."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.codes.make import read_probe
from featcx_core.artefacts.given import Given
from featcx_core.features.by_group import GroupedSums
from featcx_core.features.moments import Moments
from featcx_core.features.probe_reader import HALVES, ProbeReader
from featcx_core.measures.cross_fitted import CrossFitted, cross_fitted_of_sums
from featcx_core.measures.random_features import Projected, radial_features, random_projection
from featcx_core.networks.models import sums_device
from featcx_core.progress import silent


def reader_rows(given: Given) -> pd.DataFrame:
    """Return V-information of every layer in K about every concept, by each reader, with its error."""
    return pd.concat(_by_layer(given), ignore_index=True)


def _by_layer(given: Given) -> Iterator[pd.DataFrame]:
    units = {row.layer: row.units for row in given.anatomy.layers}
    settings, layers = given.study.readers, given.anatomy.in_complexity
    width = min(units[layer] for layer in layers) if settings.width == "auto" else settings.width
    for layer in (given.tools.progress or silent)(layers, desc=f"readers, epoch {given.epoch}"):
        acts = given.arrays(ACTIVATIONS, epoch=given.epoch, layer=layer)
        probe = read_probe(given, epoch=given.epoch, kinds=("concept",), acts=acts)
        radial = radial_features(_some(acts), n_features=settings.features, seed=given.study.seed)
        basis = random_projection(units[layer], width, seed=given.study.seed)
        changes: dict[str, Callable[[Any], Any]] = {
            "rbf": radial.__call__,
            "projected": Projected(basis).__call__,
        }
        for name, change in changes.items():
            result, n_features = _read(given, probe, change)
            dead = ~probe.alive
            yield pd.DataFrame(
                {
                    "epoch": given.epoch,
                    "layer": layer,
                    "reader": name,
                    "concept": np.arange(len(dead)),
                    "n_features": n_features,
                    "v_information": np.where(dead, np.nan, np.asarray(result.v_information.cpu())),
                    "standard_error": np.where(dead, np.nan, np.asarray(result.standard_error.cpu())),
                }
            )


def _read(given: Given, probe: ProbeReader, change: Callable[[Any], Any]) -> tuple[CrossFitted, int]:
    """Return the cross-fitted V-information of what `change` makes of the activations, and how many features it has."""
    where, halves = sums_device(given.tools.device), []
    n_features = 0
    for half in HALVES:
        sums = GroupedSums(Moments, groups=given.study.probe.groups)
        for chunk in probe.chunks(half):
            acts, codes = probe.tensors(chunk, where)
            features = change(acts)
            n_features = features.shape[1]
            sums.add(features, codes)
        halves.append(sums)
    return cross_fitted_of_sums(*halves, penalties=given.study.probe.penalties), n_features


def _some(acts: Any) -> np.ndarray:
    """Return every so-many-th image's activations, about a thousand: what the width is taken from."""
    rows: np.ndarray = np.asarray(acts[:: max(1, acts.shape[0] // 1000)], dtype=np.float64)
    return rows
