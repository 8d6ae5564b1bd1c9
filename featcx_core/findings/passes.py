"""Progress of training at each checkpoint: passes over the data, where they are known."""

from typing import NamedTuple

import pandas as pd


class Progress(NamedTuple):
    """Places of the checkpoints along the training."""

    places: dict[int, float]
    """Checkpoint -> passes over the data, or its own number where passes are not known."""
    label: str
    """What the places are."""

    def of(self, epochs: "pd.Series[int]") -> "pd.Series[float]":
        """Return the places of checkpoints; a checkpoint that is not known stands at its own number."""
        numbers = epochs.astype(float)
        return numbers.map(lambda number: self.places.get(int(number), number), na_action="ignore")

    @property
    def is_fine(self) -> bool:
        """Whether checkpoints lie within a pass."""
        return any(not float(place).is_integer() for place in self.places.values())

    @property
    def unit(self) -> str:
        """The places in one word."""
        return "passes" if self.label != "epoch" else "epoch"


def training_progress(epochs: pd.DataFrame) -> Progress:
    """Return the place of every checkpoint: its passes where all have them and they rise, else its number.

    Where each number is its passes, as of a checkpoint an epoch, both are the same.

    >>> training_progress(pd.DataFrame({"epoch": [0, 1, 2], "passes": [0.0, 0.5, 1.0]})).places
    {0: 0.0, 1: 0.5, 2: 1.0}
    """
    rows = epochs.sort_values("epoch")
    numbers, passes = [int(epoch) for epoch in rows["epoch"]], rows["passes"].astype(float)
    rises = len(rows) > 0 and passes.notna().all() and passes.is_monotonic_increasing and passes.nunique() > 1
    if rises and passes.tolist() != numbers:
        return Progress(dict(zip(numbers, passes.tolist(), strict=True)), "passes over the data")
    return Progress({number: float(number) for number in numbers}, "epoch")


def in_words(progress: Progress, epoch: int) -> str:
    """Return how far a checkpoint is, for a sentence; empty where its number says it.

    >>> in_words(Progress({12: 8.0}, "passes over the data"), 12)
    ' (after 8 passes over the data)'
    """
    place = progress.places.get(epoch, float(epoch))
    return "" if place == epoch else f" (after {place:.3g} {progress.label})"
