"""Time to decode Λ of the reference epoch's concepts."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from featcx_core.analyses.jackknife import jackknife_of
from featcx_core.analyses.over_images import ImageResamples, information_of
from featcx_core.analyses.v_information import REFERENCE_V_INFORMATION, V_INFORMATION
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.measures.decode_time import (
    TimesOverImages,
    decode_time,
    decode_time_normalised,
    first_epoch,
    times_over_images,
)
from featcx_core.measures.over_images import Redrawn, redraw_information


def decode_time_rows(given: Given) -> pd.DataFrame:
    """Return Λ of the reference epoch's concepts, over the checkpoints 1 … reference."""
    reference, curves = given.study.reference_epoch, followed_information(given)
    epochs = np.array(sorted(curves))
    information = np.stack([curves[epoch]["v_information"].to_numpy() for epoch in epochs])
    first = first_epoch(information, epochs).astype(float)
    first[first < 0] = np.nan
    over_images = times_in_resamples(ImageResamples(given), curves)
    ends = {"low": np.fmin(first, over_images.first_low), "high": np.fmax(first, over_images.first_high)}
    return pd.DataFrame(
        {
            "reference_epoch": reference,
            "concept": curves[reference]["concept"].to_numpy(),
            "decode_time": decode_time(information),
            "decode_time_normalised": decode_time_normalised(information),
            "first_epoch": _whole(first),
            # without a value at the reference epoch there is nothing to reach
            **{f"first_epoch_{end}": _whole(np.where(np.isnan(first), np.nan, value)) for end, value in ends.items()},
        }
    )


def times_in_resamples(resamples: ImageResamples, curves: dict[int, pd.DataFrame]) -> TimesOverImages:
    """Return when concepts became readable in each resample of the images."""

    def redrawn(epoch: int) -> Redrawn:
        part = curves[epoch]
        left_out = jackknife_of(part, resamples.groups)
        return redraw_information(part["v_information"].to_numpy(), left_out, resamples.weights)

    epochs = sorted(curves)
    return times_over_images(map(redrawn, epochs), np.array(epochs), at_reference=redrawn(epochs[-1]))


def followed_information(reader: StudyReader) -> dict[int, pd.DataFrame]:
    """Return V-information of the layer before the head about the reference epoch's concepts, by epoch up to it."""
    reference, layer = reader.study.reference_epoch, reader.anatomy.penultimate
    curves: dict[int, pd.DataFrame] = {}
    for epoch in reader.snapshot.epochs:
        artefact = V_INFORMATION if epoch == reference else REFERENCE_V_INFORMATION
        if 1 <= epoch <= reference and reader.has(artefact, epoch=epoch, layer=layer):
            curves[epoch] = information_of(reader, artefact, epoch, layer)
    return curves


def _whole(values: Float[np.ndarray, "concept"]) -> "pd.Series[int]":
    """Return whole numbers, missing where NaN."""
    return pd.Series(values).astype("Int64")
