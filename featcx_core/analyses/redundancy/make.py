"""Redundancy of an epoch's concepts, from the stored sums."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from featcx_core.analyses.codes.make import coded
from featcx_core.analyses.jackknife import jackknife_cells
from featcx_core.analyses.v_information import SUMS
from featcx_core.artefacts.given import Given
from featcx_core.measures.redundancy import Redundancy, redundancy
from featcx_core.networks.models import sums_device


def redundancy_rows(given: Given) -> pd.DataFrame:
    """Return the share of every concept and random direction that is left when units are masked.

    Also without each group of images.
    """
    settings, codes = given.study.redundancy, coded(given, epoch=given.epoch)
    shares, dead = sorted(set(settings.masked_fractions)), ~codes["alive"].to_numpy(dtype=bool)
    where = sums_device(given.tools.device)

    def masked(xx: Any, xz: Any) -> list[Redundancy]:
        sums = [torch.from_numpy(np.asarray(part)).to(where) for part in (xx, xz)]
        mask = {"n_masks": settings.masks, "seed": given.study.seed}
        results = (redundancy(*sums, masked_fraction=share, **mask) for share in shares)
        return [Redundancy(*(np.asarray(part.cpu()) for part in each)) for each in results]

    sums = given.arrays(SUMS, epoch=given.epoch, layer=given.anatomy.penultimate)
    whole = masked(sums["xx"], sums["xz"])
    # One group at a time: each is as large as the whole.
    groups = [masked(sums["xx_without"][g], sums["xz_without"][g]) for g in range(given.study.probe.groups)]
    parts = []
    for share, of_all, without in zip(shares, whole, zip(*groups, strict=True), strict=True):
        rows = {name: np.where(dead, np.nan, values) for name, values in of_all._asdict().items()}
        for name, column in (("redundancy", "jackknife"), ("as_printed", "jackknife_as_printed")):
            left_out = np.stack([getattr(each, name) for each in without], axis=1)
            rows[column] = jackknife_cells(left_out, unknown=dead)
        parts.append(codes[["kind", "concept"]].assign(**rows, masked_fraction=share))
    frame = pd.concat(parts, ignore_index=True).rename(columns={"as_printed": "redundancy_as_printed"})
    return frame.assign(epoch=given.epoch, n_masks=settings.masks)
