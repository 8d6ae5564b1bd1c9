"""Time to decode Λ of the reference epoch's concepts."""

import numpy as np
import pandas as pd

from featcx_core.analyses.over_images import information_of
from featcx_core.analyses.v_information import REFERENCE_V_INFORMATION, V_INFORMATION
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.measures.decode_time import decode_time, first_epoch


def decode_time_rows(given: Given) -> pd.DataFrame:
    """Return Λ of the reference epoch's concepts, over the checkpoints 1 … reference."""
    reference, curves = given.study.reference_epoch, followed_information(given)
    epochs = np.array(sorted(curves))
    information = np.stack([curves[epoch]["v_information"].to_numpy() for epoch in epochs])
    first = first_epoch(information, epochs)
    return pd.DataFrame(
        {
            "reference_epoch": reference,
            "concept": curves[reference]["concept"].to_numpy(),
            "decode_time": decode_time(information),
            "first_epoch": pd.Series(first, dtype="Int64").mask(pd.Series(first < 0)),
        }
    )


def followed_information(reader: StudyReader) -> dict[int, pd.DataFrame]:
    """Return V-information of the layer before the head about the reference epoch's concepts, by epoch up to it."""
    reference, layer = reader.study.reference_epoch, reader.anatomy.penultimate
    curves: dict[int, pd.DataFrame] = {}
    for epoch in reader.snapshot.epochs:
        artefact = V_INFORMATION if epoch == reference else REFERENCE_V_INFORMATION
        if 1 <= epoch <= reference and reader.has(artefact, epoch=epoch, layer=layer):
            curves[epoch] = information_of(reader, artefact, epoch, layer)
    return curves
