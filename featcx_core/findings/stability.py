"""Stability of the concepts over seeds of the factorisation, in words."""

import pandas as pd

from featcx_core.findings.evidence import number, percent
from featcx_core.findings.selection import mean_of, not_measured

FOUND = 0.5
"""Share of the other seeds below which a concept counts as one that is not found again."""


def stability_finding(stability: pd.DataFrame, *, epoch: int) -> str:
    """Return in words how many of an epoch's concepts other seeds find again, and how far K moves.

    >>> rows = pd.DataFrame({"epoch": 2,
    ...     "n_seeds": 5, "found_fraction": [1.0, 0.4], "complexity_spread": [0.02, None]})
    >>> stability_finding(rows, epoch=2)[:75]
    'Of 5 other seeds of the factorisation, one finds 70 % of the concepts again'
    """
    rows = stability[stability["epoch"] == epoch].dropna(subset=["found_fraction"])
    if rows.empty:
        why = not_measured(stability, epoch=epoch)
        return f"{why[0].upper()}{why[1:]}"
    n_lost, n_seeds = int((rows["found_fraction"] < FOUND).sum()), int(rows["n_seeds"].iloc[0])
    found, spread = percent(mean_of(rows["found_fraction"])), number(mean_of(rows["complexity_spread"]), digits=3)
    return (
        f"Of {n_seeds} other seeds of the factorisation, one finds {found} % of the concepts again on average; "
        f"{n_lost} of {len(rows)} concepts are in fewer than half of them. K of a concept and of the atoms that are "
        f"found for it has a standard deviation of {spread}."
    )
