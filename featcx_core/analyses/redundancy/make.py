"""Redundancy of an epoch's concepts, from sums over the probe images."""

from typing import Any

import numpy as np
import pandas as pd

from featcx_core.analyses.codes.make import coded
from featcx_core.analyses.jackknife import jackknife_cells
from featcx_core.analyses.v_information.make import Halves, LayerCodes, Reading
from featcx_core.artefacts.given import Given
from featcx_core.features.by_group import outside_each
from featcx_core.features.moments import Moments
from featcx_core.measures.redundancy import Redundancy, redundancy


def redundancy_rows(given: Given) -> pd.DataFrame:
    """Return the share of every concept and random direction that is left when units are masked.

    Also without each group of images. The sums are added up anew and not stored: those without each group would take
    `groups · units · (units + concepts)` numbers, far more than the activations that they follow from.
    """
    settings, codes = given.study.redundancy, coded(given, epoch=given.epoch)
    shares, dead = sorted(set(settings.masked_fractions)), ~codes["alive"].to_numpy(dtype=bool)
    layer = given.anatomy.penultimate
    own = LayerCodes.read(given, layer, is_own=True, kinds=("concept", "random_direction"))
    measured = [_measured(given, halves, shares) for halves in Reading(given, layer, [own]).parts()]
    parts = []
    for number, share in enumerate(shares):
        # (set of images, concept): of all images, then without each group
        columns = {
            name: np.concatenate([[getattr(of_set[number], name) for of_set in part] for part in measured], axis=1)
            for name in Redundancy._fields
        }
        rows = {name: np.where(dead, np.nan, values[0]) for name, values in columns.items()}
        for name, column in (("redundancy", "jackknife"), ("as_printed", "jackknife_as_printed")):
            rows[column] = jackknife_cells(columns[name][1:].T, unknown=dead)
        parts.append(codes[["kind", "concept"]].assign(**rows, masked_fraction=share))
    frame = pd.concat(parts, ignore_index=True).rename(columns={"as_printed": "redundancy_as_printed"})
    return frame.assign(epoch=given.epoch, n_masks=settings.masks)


def _measured(given: Given, halves: Halves, shares: list[float]) -> list[list[Redundancy]]:
    """Return, for all images and then without each group of them, the redundancy of some codes at each share."""
    mask: dict[str, Any] = {"n_masks": given.study.redundancy.masks, "seed": given.study.seed}
    fit, score = halves

    def at_each_share(sums: Moments) -> list[Redundancy]:
        centred = sums.centred()
        results = (redundancy(centred.xx, centred.xz, masked_fraction=share, **mask) for share in shares)
        return [Redundancy(*(np.asarray(part.cpu()) for part in each)) for each in results]

    return [at_each_share(sums) for sums in (fit.whole.merge(score.whole), *outside_each(fit, score))]
