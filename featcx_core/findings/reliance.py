"""Reliance: accuracy without the simplest, the most complex and random concepts, and what follows from it."""

import math
from typing import NamedTuple

import pandas as pd

from featcx_core.findings.evidence import Estimate
from featcx_core.findings.rule import Mark, mark
from featcx_core.findings.selection import nearest_level

KEPT_SHARE = 0.65
"""Share of the concepts that is kept: a third is removed, fixed before any curve is seen."""
_ORDERS = {"simplest": "complexity_ascending", "random": "random", "most complex": "complexity_descending"}
_SINGLE_RANDOM = ("orders_low", "orders_high")


class Reliance(NamedTuple):
    """Accuracy of an epoch's network without a third of its concepts."""

    whole: float
    """Accuracy with all concepts; without classes, the share of predictions kept."""
    n_removed: int
    """Concepts removed."""
    n_concepts: int
    """Concepts there are."""
    left: dict[str, float]
    """`simplest`, `random` and `most complex` -> what is left without them."""
    beyond_random: dict[str, Estimate]
    """`simplest` and `most complex` -> share of the images lost beyond that lost at random, with its interval."""
    marks: dict[str, Mark]
    """`simplest` and `most complex` -> whether removing them costs more than at random."""
    has_classes: bool
    """Whether it is accuracy."""

    @property
    def quantity(self) -> str:
        """Name of the quantity: accuracy, or predictions kept."""
        return "accuracy" if self.has_classes else "predictions kept"

    @property
    def conclusion(self) -> str:
        """Conclusion in words: the concepts that the network relies on."""
        simple, complex_ = (self.marks[end] == "yes" for end in ("simplest", "most complex"))
        if simple and complex_:
            return "simple and complex concepts, both more than random ones"
        if simple or complex_:
            return "simple concepts" if simple else "complex concepts"
        return "concepts of every complexity about alike"


def reliance(support: pd.DataFrame, *, epoch: int) -> Reliance | None:
    """Return what is left of an epoch's accuracy without a third of the concepts; None where it was not measured.

    Removing an end costs more than at random where that is so over images and in each single random order.
    """
    rows = support[support["epoch"] == epoch]
    has_classes = bool(rows["accuracy"].notna().any())
    column, relative = (
        ("accuracy", "relative_accuracy") if has_classes else ("predictions_kept_fraction", "predictions_kept_fraction")
    )
    rows = rows.dropna(subset=[column])
    removed, level = nearest_level(rows[rows["kept_fraction"] < 1], "kept_fraction", near=KEPT_SHARE)
    whole, _ = nearest_level(rows, "kept_fraction", near=1.0)
    if math.isnan(level) or not {*_ORDERS.values()} <= {*removed["order"]}:
        return None
    by_order = {str(row["order"]): row for _, row in removed.iterrows()}
    n_concepts = int(whole["n_kept"].iloc[0])
    accuracy = float(whole[column].iloc[0])
    times = accuracy if has_classes else 1.0  # the table's is a share of the accuracy with all concepts
    beyond = {end: _beyond(by_order[_ORDERS[end]], times=times) for end in ("simplest", "most complex")}
    single = tuple(float(by_order["random"][end]) for end in _SINGLE_RANDOM)
    losses = {end: 1 - float(by_order[_ORDERS[end]][relative]) for end in beyond}
    return Reliance(
        whole=accuracy,
        n_removed=n_concepts - int(removed["n_kept"].iloc[0]),
        n_concepts=n_concepts,
        left={end: float(by_order[order][column]) for end, order in _ORDERS.items()},
        beyond_random=beyond,
        marks={end: _mark(beyond[end], losses[end], single) for end in beyond},
        has_classes=has_classes,
    )


def _beyond(row: "pd.Series[float]", *, times: float) -> Estimate:
    """Return how much more an order costs than the random one, with its interval over images."""
    value, low, high = (-times * float(row[f"beyond_random{end}"]) for end in ("", "_high", "_low"))
    return Estimate(value, math.nan, math.nan, 0, low, high)


def _mark(beyond: Estimate, loss: float, single: tuple[float, ...]) -> Mark:
    """Return whether a loss is more than at random, over images and over single random orders."""
    if math.isnan(beyond.low_images + beyond.high_images):
        return "missing"
    fewest, most = 1 - single[1], 1 - single[0]
    return mark([*beyond.intervals, (loss - most, loss - fewest)], expected="positive")
