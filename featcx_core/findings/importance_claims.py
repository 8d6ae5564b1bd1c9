"""Claims on how much the network relies on its concepts, and how they change (Fel et al. 2024, §5 and §6)."""

import numpy as np
import pandas as pd

from featcx_core.findings.correlations import correlations_in_words, raw_and_partial
from featcx_core.findings.evidence import difference, number
from featcx_core.findings.sedimentation import band, sedimentation_curve, smallest_top_group
from featcx_core.findings.verdicts import (
    NOT_LEARNED,
    STATUS_OF_VERDICT,
    Claim,
    Expected,
    Status,
    judge,
    weigh,
    with_doubts,
)

SETTLED = 0.25  # a curve has settled when, over its last third, it moves by less than this share of its range


def simple_is_important_at_the_end(correlations: pd.DataFrame, *, trained: list[int]) -> Claim:
    """Judge Spearman of K and Γ at the last trained epoch: wanted negative, raw and partial, not before training."""
    statement = "At the end of training the network relies on its simple concepts: K and Γ go against each other."
    if not trained:
        return Claim(statement, "missing", "not measured: no trained epoch.")
    raw, partial = raw_and_partial(correlations, epoch=trained[-1], y="importance")
    status, sentence = weigh(raw, partial, expected="negative")
    before, before_partial = raw_and_partial(correlations, epoch=0, y="importance")
    status_before, _ = weigh(before.over_concepts, before_partial.over_concepts, expected="negative")
    doubts = [NOT_LEARNED] if status_before in ("seen", "partly") else []
    status, sentence = with_doubts(status, sentence, doubts)
    untrained = f" Before training (epoch 0): {before}, partial {before_partial}." if before.n else ""
    return Claim(statement, status, f"{sentence}. {correlations_in_words(raw, partial, trained[-1])}{untrained}")


def no_trend_at_the_beginning(correlations: pd.DataFrame, *, trained: list[int]) -> Claim:
    """Judge Spearman of K and Γ at the first trained epoch: wanted indistinguishable from zero, raw and partial."""
    statement = "At the beginning of training K and Γ show no trend."
    if len(trained) < 2:
        return Claim(statement, "missing", "not measured: it takes two trained epochs or more.")
    raw, partial = raw_and_partial(correlations, epoch=trained[0], y="importance")
    status, sentence = weigh(raw, partial, expected="zero")
    late = f" The first stored checkpoint is epoch {trained[0]}, hardly the beginning." if trained[0] > 1 else ""
    return Claim(statement, status, f"{sentence}. {correlations_in_words(raw, partial, trained[0])}{late}")


def mean_complexity_rises(sedimentation: pd.DataFrame) -> Claim:
    """Judge mean K of all concepts, first against last trained epoch: wanted a rise, then a last third that is flat."""
    statement = "The mean complexity of all concepts rises, then plateaus."
    curve = sedimentation_curve(sedimentation, "all")
    sentence, status, numbers = _change(curve, expected="positive")
    if status != "seen":
        return Claim(statement, status, f"{sentence}: {numbers}")
    values, epochs = (curve[column].to_numpy(dtype=float) for column in ("mean_complexity", "epoch"))
    tail = values[np.searchsorted(epochs, epochs[-1] - (epochs[-1] - epochs[0]) / 3, side="right") - 1 :]
    if len(values) < 4:
        return Claim(statement, "partly", f"the rise holds here: {numbers} Too few epochs to see a plateau.")
    moved = tail.max() - tail.min()
    plateau = f"the last third of the training moves it by {number(moved, digits=3)} at the most"
    if moved <= SETTLED * (values.max() - values.min()):
        return Claim(statement, "seen", f"{sentence}: {numbers} It plateaus: {plateau}.")
    return Claim(statement, "partly", f"the rise holds here: {numbers} No plateau yet: {plateau}.")


def important_concepts_become_simpler(sedimentation: pd.DataFrame) -> Claim:
    """Judge mean K of the most important concepts, first against last trained epoch: wanted a fall, not one of all."""
    statement = "The most important concepts become simpler (sedimentation)."
    group = smallest_top_group(sedimentation)
    if group is None:
        return Claim(statement, "missing", "not measured: no group of important concepts that differs from all.")
    sentence, status, numbers = _change(sedimentation_curve(sedimentation, group), expected="negative")
    curve_of_all = sedimentation_curve(sedimentation, "all")
    _, status_of_all, of_all = _change(curve_of_all, expected="negative", is_doubt=True)
    if status == status_of_all == "seen":
        return Claim(statement, "partly", f"{sentence}: {numbers} But so do all concepts: {of_all}")
    return Claim(statement, status, f"{sentence}: {numbers}")


def _change(curve: pd.DataFrame, *, expected: Expected, is_doubt: bool = False) -> tuple[str, Status, str]:
    """Return verdict, status and numbers of the change from the first to the last trained epoch.

    is_doubt: judge by the interval over concepts alone.
    """
    if len(curve) < 2:
        return "not measured", "missing", "it takes two trained epochs or more."
    first, last = band(curve, 0), band(curve, -1)
    change = difference(first, last)
    on_change = judge(change.over_concepts if is_doubt else change, expected=expected)
    numbers = (
        f"mean K {first} at epoch {int(curve['epoch'].iloc[0])}, {last} at epoch {int(curve['epoch'].iloc[-1])} "
        f"({last.n} concepts); the change is {change}."
    )
    return on_change, STATUS_OF_VERDICT[on_change], numbers
