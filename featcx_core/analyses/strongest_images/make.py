"""The images on which each concept of an epoch is strongest."""

import numpy as np
import pandas as pd

from featcx_core.analyses.codes.make import read_probe
from featcx_core.analyses.image_columns import named_images
from featcx_core.artefacts.given import Given
from featcx_core.features.examples import top_images

N_IMAGES = 8
"""Images of a concept, at most."""


def strongest_rows(given: Given) -> pd.DataFrame:
    """Return each concept's strongest probe images; of equal codes the earlier image counts."""
    probe, data = read_probe(given, epoch=given.epoch, kinds=("concept",)), given.data
    top = top_images((probe.codes_of(chunk) for chunk in probe.chunks()), n_images=N_IMAGES)
    concepts, ranks = np.nonzero(top.images >= 0)
    codes = top.codes[concepts, ranks].astype(np.float64)
    return pd.DataFrame(
        {
            "epoch": given.epoch,
            "concept": concepts,
            "rank": ranks,
            **named_images(data, data.probe[top.images[concepts, ranks]].tolist()),
            "code": codes,
            "code_fraction": codes / top.codes[concepts, 0],
        }
    )
