"""Claims on where in the network concepts can be read (Fel et al. 2024, §3)."""

import pandas as pd

from featcx_core.findings.claim import SHARE_BEFORE, Claim, mark_of, mark_of_untrained, unmeasured, yes_if
from featcx_core.findings.evidence import NOT_MEASURED, Estimate, difference, estimate, precise
from featcx_core.findings.nearness import Nearness, nearness_to_residual
from featcx_core.findings.rule import Mark, Marks
from featcx_core.findings.selection import not_measured
from featcx_core.findings.study_tables import StudyTables

NOTICEABLE_FALL = 0.05
"""Share of the whole rise by which a step must fall to be called one."""


def layers_reveal_progressively(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge the rise of mean I_V from the first to the last layer before the penultimate: wanted above 0, in steps.

    It must be more than that of random directions, and not there before training. The penultimate layer is left out:
    the codes are computed from it, so it would rise by construction.
    """
    statement = "Layers reveal concepts progressively, from input to output."
    layers = tables.layers
    before = layers[layers["in_complexity"].astype(bool) & (layers["role"] != "penultimate")].sort_values("depth")
    names = [str(name) for name in before["layer"]]
    concepts = _means(tables.layer_information, names, epoch=reference_epoch, kind="concept")
    if len(names) < 2 or not (concepts["n_concepts"] >= 4).all():
        return unmeasured(statement, "not measured: it takes two layers before the penultimate and four concepts.")
    rise = _rise(concepts)
    control = _rise(_means(tables.layer_information, names, epoch=reference_epoch, kind="random_direction"))
    untrained = _rise(_means(tables.layer_information, names, epoch=0, kind="concept"))
    beyond = difference(control, rise)
    steps, sentence = _steps(concepts, rise)
    marks = Marks(
        mark_of(rise, expected="positive"),
        steps,
        mark_of(beyond, expected="positive") if control.n else None,
        _learned(tables, rise, untrained, reference_epoch),
    )
    numbers = (
        f"Mean I_V changes by {rise} from {names[0]} to {names[-1]} (epoch {reference_epoch}, {rise.n} concepts; the "
        f"penultimate layer is left out, because the codes are computed from it).{sentence}"
    )
    if control.n:
        numbers += f" Random directions change by {control}; the difference is {beyond}."
    if untrained.n:
        numbers += f" Before training (epoch 0): {untrained}."
    return Claim(statement, marks, numbers)


def _learned(tables: StudyTables, trained: Estimate, untrained: Estimate, reference_epoch: int) -> Mark | None:
    """Return whether an effect is absent before training: below a quarter of what it is after training."""
    margin = SHARE_BEFORE * abs(trained.value)
    return mark_of_untrained(tables, untrained, expected="positive", margin=margin, reference_epoch=reference_epoch)


def _means(layer_information: pd.DataFrame, names: list[str], *, epoch: int, kind: str) -> pd.DataFrame:
    """Return a kind's rows of an epoch, one per layer in the order of the names."""
    rows = layer_information[(layer_information["epoch"] == epoch) & (layer_information["kind"] == kind)]
    return rows.set_index("layer").reindex(names)


def _rise(means: pd.DataFrame) -> Estimate:
    """Return the change of mean I_V from the first to the last of the layers; NaN where it was not measured."""
    measured = len(means) and means["n_concepts"].iloc[-1] > 0
    return estimate(means.iloc[-1], "gain", "n_concepts", prefix="gain_") if measured else NOT_MEASURED


def _steps(concepts: pd.DataFrame, rise: Estimate) -> tuple[dict[str, Mark], str]:
    """Return whether the rise goes in steps, and a sentence where it does not."""
    steps = concepts["v_information"].astype(float).diff().dropna()
    n_falls = int((steps < -NOTICEABLE_FALL * abs(rise.value)).sum())
    doubts = []
    if n_falls:
        doubts.append(f"{n_falls} of {len(steps)} steps fall")
    if len(steps) > 2 and float(steps.max()) > rise.value / 2 > 0:
        doubts.append(f"{steps.idxmax()} alone brings more than half of it")
    sentence = f" {'; '.join(doubts)}." if doubts else ""
    return {"in steps": yes_if(not doubts)}, sentence


def simple_by_the_residual(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge how much nearer the simplest concepts are to the residual than the most complex ones: wanted above 0.

    Nearness: CKA with the residual minus CKA with the main branch. The simplest must be above 0, the most complex
    below; so with I_V; more than in random directions; and not before training.
    """
    statement = "Simple concepts travel through the residual branch, complex ones are built in the main branch."

    def nearness(epoch: int, *, measure: str = "cka", kind: str = "concept") -> Nearness | None:
        return nearness_to_residual(
            tables.branches, tables.complexity, tables.layers, epoch=epoch, measure=measure, kind=kind
        )

    of_concepts, untrained = nearness(reference_epoch), nearness(0)
    information = nearness(reference_epoch, measure="v_information")
    control = nearness(reference_epoch, kind="random_direction")
    if of_concepts is None:
        elsewhere = not_measured(tables.branches, epoch=reference_epoch)
        needs = "not measured: it takes residual blocks and 20 scored concepts."
        return unmeasured(statement, needs if elsewhere == "not measured." else elsewhere)
    conditions = _conditions(of_concepts)
    if information is not None:
        conditions["with I_V"] = mark_of(information.contrast, expected="positive")
    contrast = of_concepts.contrast
    beyond = None if control is None else difference(control.contrast, contrast)
    before = NOT_MEASURED if untrained is None else untrained.contrast
    marks = Marks(
        mark_of(contrast, expected="positive"),
        conditions,
        None if beyond is None else mark_of(beyond, expected="positive"),
        _learned(tables, contrast, before, reference_epoch),
    )
    others = {
        " Before training (epoch 0): ": untrained,
        " Random directions have ": control,
        " With I_V: ": information,
    }
    numbers = (
        "CKA with the residual minus CKA with what is added to it: the simplest concepts have "
        f"{precise(contrast)} more than the most complex ones, mean over the blocks of epoch {reference_epoch}: "
        f"{of_concepts} ({of_concepts.simplest.n} concepts each)."
    )
    return Claim(statement, marks, numbers + "".join(f"{words}{other}." for words, other in others.items() if other))


def _conditions(nearness: Nearness) -> dict[str, Mark]:
    """Return whether either end of the spectrum is on its side."""
    return {
        "simple ones nearer to the residual": mark_of(nearness.simplest, expected="positive"),
        "complex ones nearer to the main branch": mark_of(nearness.most_complex, expected="negative"),
    }
