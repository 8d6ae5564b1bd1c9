"""Inhibitors: concepts whose presence lowers the logit of the predicted class."""

import pandas as pd

from featcx_core.findings.evidence import number

N_LISTED = 10
"""Concepts in the list of the strongest inhibitors."""


def signed_contributions(
    importance: pd.DataFrame, complexity: pd.DataFrame, concepts: pd.DataFrame, *, epoch: int
) -> pd.DataFrame:
    """Return an epoch's concepts that have an importance, the strongest inhibitor first.

    Columns: concept, importance Γ, signed importance, complexity K and class name; NaN for an unknown K or class.
    """
    scored = complexity.loc[
        (complexity["epoch"] == epoch) & (complexity["kind"] == "concept"), ["concept", "complexity"]
    ]
    names = concepts.loc[concepts["epoch"] == epoch, ["concept", "class_name"]]
    columns = ["concept", "importance", "signed_importance"]
    return (
        importance.loc[importance["epoch"] == epoch, columns]
        .dropna()
        .merge(scored, on="concept", how="left")
        .merge(names, on="concept", how="left")
        .sort_values("signed_importance", kind="stable")
    )


def inhibitors_finding(contributions: pd.DataFrame) -> str:
    """Return one sentence: how many concepts are inhibitors, their K, and the share of negative contributions.

    A concept's negative contributions are half of what its Γ exceeds its signed importance by.
    """
    if contributions.empty:
        return "Not measured."
    is_inhibitor = contributions["signed_importance"] < 0
    against, others = contributions[is_inhibitor], contributions[~is_inhibitor]
    gamma = float(contributions["importance"].sum())
    negative = float((contributions["importance"] - contributions["signed_importance"]).sum()) / 2
    share = 100 * negative / gamma if gamma > 0 else float("nan")
    sentence = f"{len(against)} of {len(contributions)} concepts are inhibitors on the whole"
    if len(against) and against["complexity"].notna().any() and len(others):
        median, median_of_others = (float(rows["complexity"].median()) for rows in (against, others))
        sentence += f" (median K {number(median)}, the others {number(median_of_others)})"
    return f"{sentence}; of all contributions to the predicted class's logit {number(share, digits=1)} % are negative."


def strongest_inhibitors(contributions: pd.DataFrame) -> tuple[str, str]:
    """Return the title and the text of a list: concepts below 0, or the most divided concepts where none is."""
    listed = contributions[contributions["signed_importance"] < 0]
    title = "strongest inhibitors"
    if listed.empty:
        share = contributions["signed_importance"] / contributions["importance"]
        listed = contributions.loc[share.sort_values(kind="stable").index]
        title = "none below 0; the largest shares against:"
    lines = [f"{'concept':>7}  {'class':<12} {'K':>5} {'signed':>8} {'against':>8}"]
    for _, row in listed.head(N_LISTED).iterrows():
        name = str(row["class_name"])[:12] if isinstance(row["class_name"], str) else "–"
        signed, gamma = float(row["signed_importance"]), float(row["importance"])
        against = f"{50 * (1 - signed / gamma):.0f} %" if gamma > 0 else "–"
        sign = f"{signed:.2g}".replace("-", "−")
        k = number(float(row["complexity"]))
        lines.append(f"{int(row['concept']):>7}  {name:<12} {k:>5} {sign:>8} {against:>8}")
    return title, "\n".join(lines)
