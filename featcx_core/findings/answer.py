"""The answer of a study in words: what its network relies on, how sure that is, and what is not known."""

import math
from collections import Counter
from typing import NamedTuple

import pandas as pd

from featcx_core.findings.correlations import raw_and_partial
from featcx_core.findings.evidence import Estimate, number
from featcx_core.findings.predictions import KEPT
from featcx_core.findings.readable import Presence, Readable, half_readable, presence
from featcx_core.findings.reliance import Reliance, reliance
from featcx_core.findings.rule import Expected, Ruling, mark
from featcx_core.findings.sedimentation import sedimentation_curve, smallest_top_group
from featcx_core.findings.selection import mean_of
from featcx_core.findings.study_tables import StudyTables

NULL = 0.01
"""Mean V-information of shuffled codes above which the readers are said to overfit."""


class Unknown(NamedTuple):
    """Something that a study cannot tell, and what would settle it."""

    what: str
    """One sentence."""
    remedy: str
    """One sentence."""


class Change(NamedTuple):
    """Mean complexity at the first and the last trained checkpoint."""

    first: float
    """At the first."""
    last: float
    """At the last."""
    n: int
    """Concepts behind the last."""


class Answer(NamedTuple):
    """The numbers that a reader wants first; None or NaN where one is not known."""

    unknown: tuple[Unknown, ...]
    """What is not known, with the remedy."""
    accuracy: float
    """Share of held-out images classified rightly."""
    n_concepts: int
    """Concepts of the reference epoch."""
    n_measurable: int
    """Concepts that are active on enough images to be scored."""
    kept: float
    """Share of the network's predictions that the concepts keep."""
    reliance: Reliance | None
    """Accuracy without some concepts; None where the concepts do not keep the predictions."""
    where: Readable | None
    """The layer by which most concepts are half readable."""
    when: Presence | None
    """The checkpoint from which most concepts are there to stay."""
    training: Change | None
    """Mean complexity of all concepts, first to last trained checkpoint."""
    of_important: Change | None
    """That of the most important concepts."""
    shuffled: float
    """Mean V-information of shuffled codes: a control, wanted 0."""
    relation: Estimate | None
    """Spearman of complexity and importance; None where the concepts do not keep the predictions."""
    controlled: Estimate | None
    """The same with prevalence and variance held fixed."""
    paper: dict[Ruling, int]
    """Verdict -> claims of the paper that it is given."""


def answer(tables: StudyTables, *, reference_epoch: int, judges_paper: bool = True) -> Answer:
    """Return the answer of a study at its reference epoch; nothing in it rests on what is not known.

    judges_paper: whether the paper's claims are judged, which loads SciPy and torch; else `paper` is empty.
    """
    epoch = reference_epoch
    concepts = tables.concepts[tables.concepts["epoch"] == epoch]
    kept = _at(tables.dictionaries, "predictions_kept_fraction", epoch)
    is_kept = kept >= KEPT
    raw, controlled = raw_and_partial(tables.correlations, epoch=epoch, y="importance")
    has_relation = is_kept and math.isfinite(raw.value)
    group = smallest_top_group(tables.sedimentation)
    return Answer(
        unknown=tuple(_unknown(tables, epoch, kept)),
        accuracy=_at(tables.epochs, "test_accuracy", epoch),
        n_concepts=len(concepts),
        n_measurable=int(concepts["alive"].fillna(value=False).astype(bool).sum()),
        kept=kept,
        reliance=reliance(tables.support, epoch=epoch) if is_kept else None,
        where=half_readable(tables, epoch=epoch),
        when=presence(tables, epoch=epoch),
        training=_change(tables.sedimentation, "all"),
        of_important=_change(tables.sedimentation, group) if group and is_kept else None,
        shuffled=_shuffled(tables.v_information, epoch),
        relation=raw if has_relation else None,
        controlled=controlled if has_relation and math.isfinite(controlled.value) else None,
        paper=_paper(tables, epoch) if judges_paper else {},
    )


def _paper(tables: StudyTables, epoch: int) -> dict[Ruling, int]:
    from featcx_core.findings.claims import claims

    return dict(Counter(claim.verdict for claim in claims(tables, reference_epoch=epoch)))


def checks_passed(answer: Answer) -> list[str]:
    """Return the checks that a study passes, in words."""
    passed = []
    if abs(answer.shuffled) <= NULL:
        passed.append(f"shuffled control {number(answer.shuffled, digits=3)}")
    if answer.n_concepts and answer.n_concepts == answer.n_measurable:
        passed.append("all concepts measurable")
    if answer.relation and answer.controlled and stands(answer.relation, answer.controlled):
        passed.append(relation_in_words(answer.relation, answer.controlled))
    return passed


def cautions(answer: Answer) -> list[str]:
    """Return what a reader should be careful about, in words; empty where there is nothing."""
    doubts = []
    if abs(answer.shuffled) > NULL:
        doubts.append(f"shuffled control {number(answer.shuffled, digits=3)}, wanted 0: the readers overfit")
    if dead := answer.n_concepts - answer.n_measurable:
        doubts.append(f"{dead} of {answer.n_concepts} concepts active on too few images to be measured")
    if answer.where and answer.where.n_barely:
        doubts.append(f"{answer.where.n_barely} barely readable in any layer")
    if answer.relation and answer.controlled and not stands(answer.relation, answer.controlled):
        doubts.append(relation_in_words(answer.relation, answer.controlled))
    return doubts


def stands(relation: Estimate, controlled: Estimate) -> bool:
    """Return whether a correlation keeps its sign with its confounds held fixed, by every interval."""
    expected: Expected = "negative" if relation.value < 0 else "positive"
    return mark(controlled.intervals, expected=expected) == "yes"


def relation_in_words(relation: Estimate, controlled: Estimate) -> str:
    """Return the correlation of complexity and importance, raw and with its confounds held fixed, with one interval."""
    return f"complexity and importance: {number(relation.value)}; {controlled} with prevalence and variance fixed"


def paper_in_words(paper: dict[Ruling, int]) -> str:
    """Return the verdicts on the paper's claims as counts.

    >>> paper_in_words({"holds": 2, "partly": 4, "not decided": 1, "does not hold": 3})
    '2 claims hold, 4 partly, 1 not decided, 3 do not hold'
    """
    n_holds, n_not = paper.get("holds", 0), paper.get("does not hold", 0)
    parts = [
        f"{n_holds} claim{'' if n_holds == 1 else 's'} hold{'s' if n_holds == 1 else ''}",
        *(f"{paper[verdict]} {verdict}" for verdict in ("partly", "not decided") if paper.get(verdict)),
        *([f"{n_not} do{'es' if n_not == 1 else ''} not hold"] if n_not else []),
        *([f"{paper['not measured']} not measured"] if paper.get("not measured") else []),
    ]
    return ", ".join(parts)


def share_in_words(share: float) -> str:
    """Return a share in per cent with one decimal, whole where it is exact.

    >>> share_in_words(0.9841), share_in_words(1.0)
    ('98.4 %', '100 %')
    """
    return f"{number(100 * share, digits=0 if share == 1 else 1)} %"


def _unknown(tables: StudyTables, epoch: int, kept: float) -> list[Unknown]:
    """Return what the study cannot tell, what matters most first."""
    found = []
    if len(tables.dictionaries) and kept < KEPT:
        found.append(
            Unknown(
                f"The concepts keep only {share_in_words(kept)} of the network's predictions (wanted: 99 %). What the "
                "network relies on is not known.",
                "More dictionary images help most (data.split.train, dictionary.images_per_class, data.dictionary), "
                'then more atoms (dictionary.atoms_per_class, or "auto").',
            )
        )
    if len(tables.epochs) and math.isnan(_at(tables.epochs, "test_accuracy", epoch)):
        found.append(
            Unknown(
                "No output of the network is a class of these images. Accuracy is not known.",
                "model.outputs says which output each class has.",
            )
        )
    if tables.epochs["epoch"].between(1, epoch).sum() < 2 and len(tables.epochs):
        found.append(
            Unknown(
                "There is one trained checkpoint. When concepts appeared, and how they changed, is not known.",
                "More checkpoints in checkpoints.folder, or training.epochs and training.save, tell it.",
            )
        )
    return found


def _change(sedimentation: pd.DataFrame, group: str) -> Change | None:
    curve = sedimentation_curve(sedimentation, group)
    if len(curve) < 2:
        return None
    first, last = curve.iloc[0], curve.iloc[-1]
    return Change(float(first["mean_complexity"]), float(last["mean_complexity"]), int(last["n_concepts"]))


def _shuffled(information: pd.DataFrame, epoch: int) -> float:
    rows = information[(information["epoch"] == epoch) & (information["dictionary_epoch"] == epoch)]
    return mean_of(rows.loc[rows["kind"] == "shuffled", "v_information"])


def _at(table: pd.DataFrame, column: str, epoch: int) -> float:
    values = table.loc[table["epoch"] == epoch, column].dropna()
    return float(values.iloc[0]) if len(values) else math.nan
