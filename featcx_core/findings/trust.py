"""Checks of whether a study's numbers can be trusted, a row each."""

import math
from typing import Literal, NamedTuple

from featcx_core.findings.answer import NULL, Answer, stands
from featcx_core.findings.evidence import number, percent
from featcx_core.findings.layer_choices import choices_finding
from featcx_core.findings.predictions import KEPT, more_would_do
from featcx_core.findings.selection import mean_of
from featcx_core.findings.stability import FOUND, stability_finding
from featcx_core.findings.study_tables import StudyTables


class TrustRow(NamedTuple):
    """A check and its result."""

    question: str
    """What is asked."""
    result: str
    """The answer with its number."""
    state: Literal["ok", "caution", "open"]
    """Whether it is passed; open where it was not measured."""
    detail: str = ""
    """More on it, folded; empty where there is nothing."""


def trust_rows(found: Answer, tables: StudyTables, *, reference_epoch: int) -> list[TrustRow]:
    """Return the checks of a study in the order in which they matter."""
    n, n_dead = found.n_concepts, found.n_concepts - found.n_measurable
    shuffled = found.shuffled
    return [
        TrustRow(
            "Do the concepts say what the network says?",
            f"they keep {number(100 * found.kept, digits=1)} % of its predictions, wanted 99 %",
            _state(found.kept >= KEPT, is_known=math.isfinite(found.kept)),
            more_would_do(tables.learning_curve, epoch=reference_epoch),
        ),
        TrustRow(
            "Do the readers find nothing where there is nothing?",
            f"shuffled codes have {number(shuffled, digits=3)} V-information, wanted 0",
            _state(abs(shuffled) <= NULL, is_known=math.isfinite(shuffled)),
        ),
        TrustRow(
            "Can every concept be measured?",
            f"{n_dead} of {n} active on too few images" if n_dead else f"all {n} are active on enough images",
            _state(not n_dead, is_known=n > 0),
        ),
        _of_relation(found),
        _of_seeds(tables, reference_epoch),
        _of_choices(tables, reference_epoch),
    ]


def _of_relation(found: Answer) -> TrustRow:
    question = "Does complexity against importance outlast its confounds?"
    if found.relation is None or found.controlled is None:
        return TrustRow(question, "not known", "open")
    result = f"{number(found.relation.value)}; {found.controlled} with prevalence and variance fixed"
    return TrustRow(
        question, result, _state(stands(found.relation, found.controlled)), f"All intervals: {_full(found)}."
    )


def _full(found: Answer) -> str:
    pairs = (("raw", found.relation), ("with prevalence and variance fixed", found.controlled))
    return "; ".join(f"{words} {estimate.full}" for words, estimate in pairs if estimate)


def _of_seeds(tables: StudyTables, epoch: int) -> TrustRow:
    question = "Does another seed of the dictionary find the same concepts?"
    rows = tables.stability[tables.stability["epoch"] == epoch].dropna(subset=["found_fraction"])
    if rows.empty:
        return TrustRow(question, "not measured", "open")
    share = mean_of(rows["found_fraction"])
    result = f"another seed finds {percent(share)} % again"
    return TrustRow(question, result, _state(share >= FOUND), stability_finding(tables.stability, epoch=epoch))


def _of_choices(tables: StudyTables, epoch: int) -> TrustRow:
    question = "Would other layers or readers rank the concepts alike?"
    rows = tables.layer_choices[(tables.layer_choices["epoch"] == epoch) & (tables.layer_choices["choice"] != "all")]
    least = float(rows["rank_correlation"].astype(float).min()) if len(rows) else math.nan
    if math.isnan(least):
        return TrustRow(question, "not measured", "open")
    result = f"rank correlation of at least {number(least)}"
    return TrustRow(question, result, _state(least >= ALIKE), choices_finding(tables.layer_choices, epoch=epoch))


ALIKE = 0.7
"""Rank correlation from which on two ways of measuring complexity order the concepts alike: half of the variance."""


def _state(is_passed: bool, *, is_known: bool = True) -> Literal["ok", "caution", "open"]:  # noqa: FBT001  a truth value
    if not is_known:
        return "open"
    return "ok" if is_passed else "caution"
