"""Rows of the range of each concept's codes: images of its middle and lower end, and its histogram."""

import numpy as np
import pandas as pd

from featcx_core.analyses.image_columns import named_images
from featcx_core.features.code_range import N_BINS, ActiveCodes, histogram, middle_and_least
from featcx_core.images.data import StudyImages


def example_rows(data: StudyImages, active: ActiveCodes) -> pd.DataFrame:
    """Return the rows of `concept_examples`."""
    concepts, parts, ranks = [], [], []
    for concept, n_active in enumerate(np.diff(active.starts).tolist()):
        for part, chosen in zip(("middle", "least"), middle_and_least(n_active), strict=True):
            concepts += [concept] * len(chosen)
            parts += [part] * len(chosen)
            ranks += chosen
    first = active.starts[concepts].astype(np.int64)
    pairs = first + np.array(ranks, dtype=np.int64)
    return pd.DataFrame(
        {
            "concept": np.array(concepts, dtype=np.int64),
            "part": parts,
            "rank": np.array(ranks, dtype=np.int64),
            **named_images(data, data.probe[active.images[pairs]].tolist()),
            "code": active.codes[pairs],
            "code_fraction": active.codes[pairs] / active.codes[first],
        }
    )


def histogram_rows(data: StudyImages, active: ActiveCodes, *, n_images: int) -> pd.DataFrame:
    """Return the rows of `concept_histogram`; a concept that is active on no image has the bin of code 0 alone."""
    found = [histogram(*active.of(concept), n_images=n_images) for concept in range(len(active.starts) - 1)]
    low, high, counts, rows = (np.stack(parts) for parts in zip(*found, strict=True))
    is_shown = np.repeat(np.diff(active.starts)[:, None] > 0, N_BINS + 1, axis=1)
    is_shown[:, 0] = True
    concepts, bins = np.nonzero(is_shown)
    images = np.where(rows[is_shown] < 0, -1, data.probe[rows[is_shown]])
    return pd.DataFrame(
        {
            "concept": concepts,
            "bin": bins,
            "low": low[is_shown],
            "high": high[is_shown],
            "n_images": counts[is_shown],
            "image": pd.Series(images, dtype="Int64").mask(images < 0),
            "file": ["" if image < 0 else data.file_of(image) for image in images.tolist()],
        }
    )
