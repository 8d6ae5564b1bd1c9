"""Whether K and its correlation with Γ hang on the choice of layers or on the reader being linear."""

from typing import NamedTuple

import pandas as pd

from featcx_core.findings.evidence import Estimate, number
from featcx_core.findings.selection import not_measured

NAMES = {
    "all": "all layers, linear reader (K)",
    "without_first": "without the first layer",
    "without_last": "without the last layer",
    "one_a_stage": "one layer a stage",
    "projected": "all layers at equal width",
    "rbf": "all layers, radial reader",
}
"""Choice in the table -> its name in the report."""


class ChoiceRow(NamedTuple):
    """A choice of layers or reader in the report's table."""

    name: str
    """The choice in words."""
    layers: str
    """Layers that count, and how many different things they say."""
    complexity: str
    """Mean K of this choice."""
    order: str
    """Spearman of K of this choice and K, with its interval over concepts."""
    importance: str
    """Spearman of K of this choice and Γ, with its interval over concepts."""


def choice_rows(choices: pd.DataFrame, *, epoch: int) -> list[ChoiceRow]:
    """Return the rows of an epoch, K itself first."""
    rows = choices[choices["epoch"] == epoch]
    return [
        ChoiceRow(
            name=NAMES.get(str(row["choice"]), str(row["choice"])),
            layers=f"{int(row['n_layers'])} ({number(float(row['effective_layers']), digits=1)} effective)",
            complexity=number(float(row["mean_complexity"])),
            order=str(_estimate(row, "rank_correlation")),
            importance=str(_estimate(row, "importance_correlation")),
        )
        for _, row in rows.iterrows()
    ]


def choices_finding(choices: pd.DataFrame, *, epoch: int) -> str:
    """Return in words how far the order of concepts and K with Γ move with the choice."""
    rows = choices[choices["epoch"] == epoch]
    others = rows[rows["choice"] != "all"].dropna(subset=["rank_correlation"])
    if others.empty:
        why = not_measured(choices, epoch=epoch)
        return f"{why[0].upper()}{why[1:]}"
    least = others.nsmallest(1, "rank_correlation").iloc[0]
    orders = f"rank concepts as K does with a Spearman of at least {_estimate(least, 'rank_correlation')}"
    sentence = f"Other choices {orders} ({NAMES.get(str(least['choice']), least['choice'])})."
    with_gamma = rows.dropna(subset=["importance_correlation"])["importance_correlation"].astype(float)
    if len(with_gamma) > 1:
        ends = number(with_gamma.min()), number(with_gamma.max())
        sentence += f" K with Γ ranges from {ends[0]} to {ends[1]} over all of them."
    if "rbf" not in set(rows["choice"]):
        sentence += ' A non-linear reader is measured where `analyses.run` names "readers".'
    return sentence


def _estimate(row: "pd.Series", name: str) -> Estimate:
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return Estimate(value, low, high, int(row["n_concepts"]))
