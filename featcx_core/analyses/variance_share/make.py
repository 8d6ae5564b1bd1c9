"""Share of each layer's variance along the readers of an epoch's concepts and random directions."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.codes.make import read_probe
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.given import Given
from featcx_core.features.by_group import GroupedSums
from featcx_core.features.moments import Moments
from featcx_core.features.probe_reader import HALVES
from featcx_core.measures.variance_share import cross_fitted_share
from featcx_core.networks.models import sums_device

_KINDS = ("concept", "random_direction")


def variance_share_rows(given: Given) -> pd.DataFrame:
    """Return the variance share of every living concept and random direction in every layer in K, beside its I_V."""
    return pd.concat(_by_layer(given), ignore_index=True)


def _by_layer(given: Given) -> Iterator[pd.DataFrame]:
    where = sums_device(given.tools.device)
    for layer in given.anatomy.in_complexity:
        acts = given.arrays(ACTIVATIONS, epoch=given.epoch, layer=layer)
        probe = read_probe(given, epoch=given.epoch, kinds=_KINDS, acts=acts)
        halves = []
        for half in HALVES:
            sums = GroupedSums(Moments, groups=2)  # the fewest there are: nothing is left out
            for chunk in probe.chunks(half):
                sums.add(*probe.tensors(chunk, where))
            halves.append(sums)
        share = np.asarray(cross_fitted_share(*halves, penalties=given.study.probe.penalties).cpu())
        columns = ["kind", "concept", "v_information"]
        information = given.rows(V_INFORMATION, epoch=given.epoch, layer=layer, columns=columns)
        rows = probe.columns.assign(variance_share=np.where(probe.alive, share, np.nan))
        yield rows.merge(information, how="left", on=["kind", "concept"]).assign(epoch=given.epoch, layer=layer)
