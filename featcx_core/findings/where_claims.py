"""Claims on where in the network concepts can be read (Fel et al. 2024, §3)."""

import pandas as pd

from featcx_core.findings.evidence import Estimate, estimate
from featcx_core.findings.nearness import Nearness, nearness_to_residual, weigh_nearness
from featcx_core.findings.selection import not_measured
from featcx_core.findings.study_tables import StudyTables
from featcx_core.findings.verdicts import (
    NOT_LEARNED,
    NOT_OF_CONCEPTS,
    STATUS_OF_VERDICT,
    Claim,
    judge,
    with_doubts,
)

NOTICEABLE_FALL = 0.05
"""Share of the whole rise by which a step must fall to be called one."""


def layers_reveal_progressively(
    layer_information: pd.DataFrame, layers: pd.DataFrame, *, reference_epoch: int
) -> Claim:
    """Judge mean I_V from the first to the last layer before the penultimate: wanted a rise, in steps, above chance.

    The penultimate layer is left out: the codes are computed from it, so it would rise by construction.
    """
    statement = "Layers reveal concepts progressively, from input to output."
    before = layers[layers["in_complexity"].astype(bool) & (layers["role"] != "penultimate")].sort_values("depth")
    names = [str(name) for name in before["layer"]]
    at_reference = layer_information[layer_information["epoch"] == reference_epoch].set_index("layer")
    concepts, control = (
        at_reference[at_reference["kind"] == kind].reindex(names) for kind in ("concept", "random_direction")
    )
    if len(names) < 2 or not (concepts["n_concepts"] >= 4).all():
        needs = "not measured: it takes two layers before the penultimate and four concepts."
        return Claim(statement, "missing", needs)
    rise = estimate(concepts.iloc[-1], "gain", "n_concepts", prefix="gain_")
    on_rise = judge(rise, expected="positive")
    status = STATUS_OF_VERDICT[on_rise]
    numbers = (
        f"mean I_V changes by {rise} from {names[0]} to {names[-1]} (epoch {reference_epoch}, {rise.n} concepts; the "
        "penultimate layer is left out, because the codes are computed from it)."
    )
    if status != "seen":
        return Claim(statement, status, f"{on_rise}: {numbers}")
    doubts = _doubts_on_rise(rise, concepts, control)
    if doubts:
        return Claim(statement, "partly", f"the rise holds here: {numbers} But {'; '.join(doubts)}.")
    return Claim(statement, "seen", f"{on_rise}: {numbers}")


def _doubts_on_rise(rise: Estimate, concepts: pd.DataFrame, control: pd.DataFrame) -> list[str]:
    """Return why a rise is not one in steps, or not one of concepts alone."""
    steps = concepts["v_information"].astype(float).diff().dropna()
    n_falls = int((steps < -NOTICEABLE_FALL * rise.value).sum())
    doubts = []
    if n_falls:
        doubts.append(f"{n_falls} of {len(steps)} steps fall")
    if len(steps) > 2 and float(steps.max()) > rise.value / 2:
        doubts.append(f"{steps.idxmax()} alone brings more than half of it")
    if (control["gain"].iloc[-1:] >= rise.low).any():
        of_control = estimate(control.iloc[-1], "gain", "n_concepts", prefix="gain_")
        doubts.append(f"random directions rise as much, by {of_control}, so it is not particular to concepts")
    return doubts


def simple_by_the_residual(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge CKA with the residual minus that with the main branch: wanted above 0 for simple, below for complex."""
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
        return Claim(statement, "missing", needs if elsewhere == "not measured." else elsewhere)
    status, sentence = weigh_nearness(of_concepts)
    numbers = (
        f"CKA with the residual minus CKA with what is added to it, mean over the blocks of epoch {reference_epoch}: "
        f"{of_concepts} ({of_concepts.simplest.n} concepts each)."
    )
    if untrained is not None:
        numbers += f" Before training (epoch 0): {untrained}."
    if control is not None:
        numbers += f" Random directions have {control}."
    if information is not None:
        numbers += f" The same with I_V: {information}."
        if status == "seen" and weigh_nearness(information)[0] != "seen":
            return Claim(statement, "partly", f"holds here with CKA, not with I_V. {numbers}")
    against = ((control, NOT_OF_CONCEPTS), (untrained if reference_epoch > 0 else None, NOT_LEARNED))
    doubts = [doubt for other, doubt in against if other is not None and _is_seen(other)]
    status, sentence = with_doubts(status, sentence, doubts)
    return Claim(statement, status, f"{sentence}. {numbers}")


def _is_seen(control: Nearness) -> bool:
    """Return whether a control shows what is claimed of concepts, at least partly."""
    return weigh_nearness(control.over_concepts)[0] in ("seen", "partly")
