"""Rows and epochs of a study that findings, figures and pages are about."""

import math

import pandas as pd

from featcx_core.findings.study_tables import StudyTables


def of_kind(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rows of concepts, or of a control; a table without the column `kind` holds concepts only."""
    if "kind" in table:
        return table[table["kind"] == kind]
    return table if kind == "concept" else table.iloc[:0]


def trained_epochs(tables: StudyTables) -> list[int]:
    """Return the epochs after the initialisation that have a complexity, in order."""
    scored = tables.complexity[tables.complexity["kind"] == "concept"].dropna(subset=["complexity"])
    return sorted({int(epoch) for epoch in scored["epoch"] if epoch > 0})


def epochs_to_show(table: pd.DataFrame, *, reference_epoch: int) -> list[int]:
    """Return the table's first epoch and the reference epoch, or its last epoch where it lacks the reference epoch.

    >>> epochs_to_show(pd.DataFrame({"epoch": [9, 6, 3]}), reference_epoch=12)
    [3, 9]
    """
    measured = sorted({int(epoch) for epoch in table["epoch"]})
    last = [reference_epoch] if reference_epoch in measured else measured[-1:]
    return sorted({*measured[:1], *last})


def last_clustered(clusters: pd.DataFrame, *, reference_epoch: int) -> int:
    """Return the reference epoch, or the last epoch with clusters where the reference epoch has none."""
    return max(epochs_to_show(clusters, reference_epoch=reference_epoch), default=reference_epoch)


def nearest_level(rows: pd.DataFrame, column: str, *, near: float) -> tuple[pd.DataFrame, float]:
    """Return the rows at the level of `column` that is nearest to `near`, and the level; NaN without rows."""
    if rows.empty:
        return rows, math.nan
    level = min(rows[column].astype(float).unique(), key=lambda value: (abs(value - near), value))
    return rows[rows[column] == level], float(level)


def not_measured(table: pd.DataFrame, *, epoch: int) -> str:
    """Return the sentence for a table without rows of an epoch; it names the epochs that have rows.

    >>> not_measured(pd.DataFrame({"epoch": [6, 3, 3]}), epoch=12)
    'not measured at epoch 12; measured at 3, 6 (`analyses.epochs`).'
    """
    epochs = sorted({int(measured) for measured in table["epoch"]})
    if not epochs or epoch in epochs:
        return "not measured."
    return f"not measured at epoch {epoch}; measured at {', '.join(map(str, epochs))} (`analyses.epochs`)."


def epoch_name(epoch: int) -> str:
    """Return an epoch's name as the title of a panel writes it.

    >>> epoch_name(0), epoch_name(3)
    ('epoch 0 (before training)', 'epoch 3')
    """
    return f"epoch {epoch}" + (" (before training)" if epoch == 0 else "")


def mean_of(column: "pd.Series[float]") -> float:
    """Return the mean of a column's known values; NaN where it has none."""
    return float(column.astype(float).mean())
