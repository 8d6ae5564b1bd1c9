"""Rows of the recorded layers."""

import pandas as pd

from featcx_core.artefacts.given import Given


def layer_rows(given: Given) -> pd.DataFrame:
    """Return one row per recorded layer, in forward order."""
    return pd.DataFrame([row.model_dump(exclude={"branches"}) for row in given.anatomy.layers])
