"""Claims on how much the network relies on its concepts, and how they change (Fel et al. 2024, §5 and §6)."""

import numpy as np
import pandas as pd

from featcx_core.findings.claim import (
    MARGIN_OF_CORRELATION,
    Claim,
    mark_of,
    mark_of_untrained,
    unmeasured,
    yes_if,
)
from featcx_core.findings.correlations import by_controls, correlation, correlations_in_words
from featcx_core.findings.evidence import NOT_MEASURED, Estimate, difference, number
from featcx_core.findings.passes import training_progress
from featcx_core.findings.rule import Expected, Mark, Marks
from featcx_core.findings.sedimentation import band, sedimentation_curve, smallest_top_group
from featcx_core.findings.study_tables import StudyTables

OTHER_IMPORTANCES = {
    "importance_when_active": "with Γ per active image",
    "ablation_loss": "with the loss when the concept is removed",
}
"""Other measures of how much the network relies on a concept, in words; the signed one says for or against, too."""
SETTLED = 0.25  # a curve has settled when, over its last third, it moves by less than this share of its range
_NO_TIME = "not measured: it takes two trained epochs or more."


def simple_is_important_at_the_end(tables: StudyTables, *, trained: list[int]) -> Claim:
    """Judge Spearman of K and Γ at the last trained epoch: wanted negative, with each control, not before training.

    It must be negative with the other measures of importance, too, and more so than of random directions.
    """
    statement = "At the end of training the network relies on its simple concepts: K and Γ go against each other."
    if not trained:
        return unmeasured(statement, "not measured: no trained epoch.")
    marks, numbers = _importance_marks(tables.correlations, epoch=trained[-1], expected="negative")
    otherwise, sentence = _measured_otherwise(tables.correlations, epoch=trained[-1])
    marks, numbers = marks._replace(controls={**marks.controls, **otherwise}), f"{numbers}{sentence}"
    before = correlation(tables.correlations, epoch=0, y="importance")
    learned = mark_of_untrained(
        tables, before, expected="negative", margin=MARGIN_OF_CORRELATION, reference_epoch=trained[-1]
    )
    untrained = f" Before training (epoch 0): {before}." if before.n else ""
    beyond, of_controls = _beyond_controls(tables.correlations, epoch=trained[-1])
    marks = marks._replace(learned=learned, beyond_null=beyond)
    return Claim(statement, marks, f"{numbers}{of_controls}{untrained}")


def _beyond_controls(correlations: pd.DataFrame, *, epoch: int) -> tuple[Mark | None, str]:
    """Return whether K and Γ go against each other more than in random directions, and a sentence on every control."""
    kinds = {"random_direction": "random directions", "unit": "single units", "principal_component": "components"}
    found = {words: correlation(correlations, epoch=epoch, y="importance", kind=kind) for kind, words in kinds.items()}
    measured = {words: estimate for words, estimate in found.items() if estimate.n}
    sentence = "".join(f" {words.capitalize()}: {estimate}." for words, estimate in measured.items())
    null = found["random directions"]
    if not null.n:
        return None, sentence
    beyond = difference(null, correlation(correlations, epoch=epoch, y="importance"))
    return mark_of(beyond, expected="negative"), f"{sentence} Concepts less random directions: {beyond}."


def no_trend_at_the_beginning(tables: StudyTables, *, trained: list[int]) -> Claim:
    """Judge Spearman of K and Γ at the first trained epoch: wanted within ±0.3, with each control."""
    statement = "At the beginning of training K and Γ show no trend."
    if len(trained) < 2:
        return unmeasured(statement, _NO_TIME)
    marks, numbers = _importance_marks(tables.correlations, epoch=trained[0], expected="zero")
    passes = training_progress(tables.epochs).places.get(trained[0], trained[0])
    late = f" The first stored checkpoint is epoch {trained[0]}, hardly the beginning." if passes > 1 else ""
    return Claim(statement, marks, f"{numbers}{late}")


def _importance_marks(correlations: pd.DataFrame, *, epoch: int, expected: Expected) -> tuple[Marks, str]:
    """Return the marks of K and Γ at an epoch, raw and with each control held fixed, and a sentence of numbers."""
    raw = correlation(correlations, epoch=epoch, y="importance")
    controlled = by_controls(correlations, epoch=epoch, y="importance")

    def answer(estimate: Estimate) -> Mark:
        return mark_of(estimate, expected=expected, margin=MARGIN_OF_CORRELATION)

    marks = Marks(answer(raw), {name: answer(estimate) for name, estimate in controlled.items()})
    return marks, correlations_in_words(raw, controlled, epoch)


def _measured_otherwise(correlations: pd.DataFrame, *, epoch: int) -> tuple[dict[str, Mark], str]:
    """Return the marks of K and the other measures of importance that the table has, and a sentence on each."""
    marks, sentences = dict[str, Mark](), ""
    for y, words in OTHER_IMPORTANCES.items():
        with_complexity = correlation(correlations, epoch=epoch, y=y)
        if with_complexity.n:
            marks[words] = mark_of(with_complexity, expected="negative")
            with_importance = correlation(correlations, epoch=epoch, x="importance", y=y)
            sentences += f" K {words}: {with_complexity}; Γ with it: {with_importance}."
    return marks, sentences


def mean_complexity_rises(tables: StudyTables) -> Claim:
    """Judge mean K of all concepts, first to last trained epoch: wanted a rise, then a last third that is flat."""
    statement = "The mean complexity of all concepts rises, then plateaus."
    curve = sedimentation_curve(tables.sedimentation, "all")
    if len(curve) < 2:
        return unmeasured(statement, _NO_TIME)
    change, numbers = _change(curve)
    plateau, sentence = _plateau(curve.assign(place=training_progress(tables.epochs).of(curve["epoch"])))
    return Claim(statement, Marks(mark_of(change, expected="positive"), {"plateau": plateau}), f"{numbers}{sentence}")


def _plateau(curve: pd.DataFrame) -> tuple[Mark, str]:
    """Return whether a curve is flat over the last third of the training, by passes where known, and a sentence."""
    values, epochs = (curve[column].to_numpy(dtype=float) for column in ("mean_complexity", "place"))
    if len(values) < 4:
        return "missing", " Too few epochs to see a plateau."
    tail = values[np.searchsorted(epochs, epochs[-1] - (epochs[-1] - epochs[0]) / 3, side="right") - 1 :]
    moved = tail.max() - tail.min()
    sentence = f" The last third of the training moves it by {number(moved, digits=3)} at the most."
    return yes_if(bool(moved <= SETTLED * (values.max() - values.min()))), sentence


def important_concepts_become_simpler(sedimentation: pd.DataFrame) -> Claim:
    """Judge mean K of the most important concepts, first to last trained epoch: wanted a fall, larger than that of all.

    The null is all concepts: the difference of the two changes, with its own interval.
    """
    statement = "The most important concepts become simpler (sedimentation)."
    group = smallest_top_group(sedimentation)
    if group is None:
        return unmeasured(statement, "not measured: no group of important concepts that differs from all.")
    curve, curve_of_all = (sedimentation_curve(sedimentation, name) for name in (group, "all"))
    if len(curve) < 2:
        return unmeasured(statement, _NO_TIME)
    change, numbers = _change(curve)
    of_all, numbers_of_all = _change(curve_of_all) if len(curve_of_all) > 1 else (NOT_MEASURED, "")
    beyond = difference(of_all, change)
    marks = Marks(mark_of(change, expected="negative"), beyond_null=mark_of(beyond, expected="negative"))
    numbers = f"{numbers} All concepts: {numbers_of_all} The difference of the two changes is {beyond}."
    return Claim(statement, marks, numbers, null="more than all concepts")


def _change(curve: pd.DataFrame) -> tuple[Estimate, str]:
    """Return the change from the first to the last trained epoch, and a sentence on it."""
    first, last = band(curve, 0), band(curve, -1)
    change = difference(first, last)
    return change, (
        f"Mean K {first} at epoch {int(curve['epoch'].iloc[0])}, {last} at epoch {int(curve['epoch'].iloc[-1])} "
        f"({last.n} concepts); the change is {change}."
    )
