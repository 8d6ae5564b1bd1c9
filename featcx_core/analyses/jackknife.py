"""Values without each group of probe images, as tables hold them: a list a row."""

import numpy as np
import pandas as pd


def jackknife_cells(left_out: np.ndarray, *, unknown: np.ndarray) -> np.ndarray:
    """Return a list for each row of (row, group); None where the row is `unknown`, as for a dead concept."""
    cells, values = np.full(len(unknown), None, dtype=object), left_out.astype(np.float32)
    for row in np.flatnonzero(~unknown):
        cells[row] = values[row]
    return cells


def jackknife_of(rows: pd.DataFrame, n_groups: int, *, column: str = "jackknife") -> np.ndarray:
    """Return the stored lists as (row, group); NaN where there is none."""
    missing = np.full(n_groups, np.nan, dtype=np.float32)
    cells = [missing if cell is None else cell for cell in rows[column]]
    return np.array(cells, dtype=np.float32).reshape(-1, n_groups)
