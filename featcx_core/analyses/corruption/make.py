"""Rows of the labels that a study had drawn at random."""

import numpy as np
import pandas as pd

from featcx_core.analyses.corruption import CORRUPTION
from featcx_core.artefacts.given import Given
from featcx_core.store.parquet import without_rows


def corrupted_rows(given: Given) -> pd.DataFrame:
    """Return a row for each training image whose label was drawn; none where the study corrupts no labels."""
    drawn, names = given.data.drawn, np.array(given.data.class_names, dtype=object)
    if drawn is None:
        return without_rows(CORRUPTION.tables[0])
    return pd.DataFrame(
        {
            "image": drawn.drawn,
            "label_before": drawn.before,
            "class_before": names[drawn.before],
            "label": drawn.after,
            "class_name": names[drawn.after],
            "is_changed": drawn.before != drawn.after,
        }
    )
