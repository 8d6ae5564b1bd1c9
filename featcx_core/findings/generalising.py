"""The answer to "generalising or memorising?": of one study, and of groups of studies.

Built from the table of signs alone. Whether a network generalises is decided by unseen images; the inner signs are held
against that, and each disagreement is named.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from featcx_core.findings.claim import Claim, mark_of, unmeasured
from featcx_core.findings.evidence import NOT_MEASURED, Estimate, number, percent
from featcx_core.findings.rule import Marks
from featcx_core.findings.signs import SIGNS
from featcx_core.measures.study_groups import StudyGroups

MARGIN_OF_GAP = 0.1
"""Accuracy gaps below it count as none: one unseen image of ten."""
_STATEMENT = "The network is right on unseen images about as often as on those it was trained on."


class SignRow(NamedTuple):
    """A row of the page: one sign, in words."""

    label: str
    """The sign."""
    reading: str
    """How its numbers are read."""
    values: list[str]
    """Its mean with its interval, a cell a group."""
    difference: str
    """The last memorising group less the first, with its interval; empty where nothing is compared."""
    answer: str
    """What that says, in words; empty likewise."""


class Answer(NamedTuple):
    """The page: a sentence, where the evidence disagrees, and the rows behind it."""

    sentence: str
    """The answer in plain words, with its numbers."""
    disagreement: str
    """Where the signs disagree, and how many could not be measured."""
    groups: list[str]
    """Heads of the columns of values."""
    compared: str
    """Head of the column of differences; empty where nothing is compared."""
    rows: list[SignRow]
    """One a sign."""


def sign_claims(signs: pd.DataFrame) -> list[Claim]:
    """Judge the accuracy gap of one network, wanted within ±0.1; the other signs stand beside it.

    A network at chance has no gap either: the two accuracies stand in the numbers.
    """
    rows = signs.set_index("sign")
    if "accuracy_gap" not in rows.index:
        return [unmeasured(_STATEMENT, "not measured: no accuracy on training and on unseen images.")]
    gap, train, test = (_estimate(rows, name) for name in ("accuracy_gap", "train_accuracy", "test_accuracy"))
    others = [f"{SIGNS[name].label} {_plain(_estimate(rows, name))}" for name in SIGNS if name in rows.index]
    numbers = (
        f"Right on {percent(train.value)} % of the training images and on {percent(test.value)} % of unseen ones; gap "
        f"{_plain(gap)} (95 %). Signs: {'; '.join(others)}. The inner signs have no scale of their own: a sweep over "
        "corrupted labels, such as memorisation_sweep, gives them one."
    )
    return [Claim(_STATEMENT, Marks(mark_of(gap, expected="zero", margin=MARGIN_OF_GAP)), numbers)]


def answer_of_groups(by_group: pd.DataFrame, groups: StudyGroups) -> Answer | None:
    """Return the answer for groups of studies: the most random labels held against the first group.

    Without corrupted labels among the groups the signs are only shown. None where no sign was measured.

    by_group: rows (sign, group_name, mean, low, high, n, difference, difference_low, difference_high, n_pairs).
    """
    shown = [name for name in SIGNS if name in set(by_group["sign"])]
    if not shown:
        return None
    names = [name for name in groups.names if name in set(by_group["group_name"])]
    memoriser = most_random(groups, names)
    rows = [_sign_row(by_group[by_group["sign"] == sign], sign, names, memoriser) for sign in shown]
    compared = f"{memoriser} − {names[0]}" if memoriser else ""
    if not memoriser:
        sentence = "No group of random labels stands beside one of true labels, so no sign is held against the truth."
        return Answer(sentence, "", names, compared, rows)
    return Answer(_sentence(by_group, names[0], memoriser, rows), _disagreement(rows), names, compared, rows)


def most_random(groups: StudyGroups, names: Sequence[str]) -> str:
    """Return the group with the most random labels, where it can be held against one of true labels; else nothing."""
    shares = {name: groups.random_share[name] for name in names if name in groups.random_share}
    if not groups.is_of_labels or len(shares) < 2 or names[0] not in shares:
        return ""
    return max(shares, key=lambda name: shares[name])


def group_estimate(by_group: pd.DataFrame, sign: str, name: str, *, prefix: str = "") -> Estimate:
    """Return a sign's mean in a group, or with the prefix `difference` how it differs from the first group."""
    row = by_group[(by_group["sign"] == sign) & (by_group["group_name"] == name)]
    if row.empty:
        return NOT_MEASURED
    columns = ("difference", "difference_low", "difference_high", "n_pairs") if prefix else ("mean", "low", "high", "n")
    value, low, high, n = (row[column].iloc[0] for column in columns)
    return Estimate(float(value), float(low), float(high), int(n))


def _sign_row(rows: pd.DataFrame, sign: str, names: Sequence[str], memoriser: str) -> SignRow:
    values = [_plain(group_estimate(rows, sign, name)) for name in names]
    label, reading, *_ = SIGNS[sign]
    if not memoriser:
        return SignRow(label, reading, values, "", "")
    apart = group_estimate(rows, sign, memoriser, prefix="difference")
    return SignRow(label, reading, values, _plain(apart), _reads(apart, SIGNS[sign].memorises))


AGREES, CONTRADICTS, OPEN, UNKNOWN_SIGN = "as expected", "the other way", "not decided", "differs"


def _reads(apart: Estimate, memorises: str) -> str:
    """Return what a difference between memorisers and generalisers says."""
    if not math.isfinite(apart.low):
        return "not measured" if not math.isfinite(apart.value) else "no interval: not decided"
    if apart.low <= 0 <= apart.high:
        return OPEN
    side = "larger" if apart.low > 0 else "smaller"
    if memorises == "unknown":
        return f"{UNKNOWN_SIGN}: {side}"
    return AGREES if side == memorises else CONTRADICTS


def _sentence(by_group: pd.DataFrame, base: str, memoriser: str, rows: Sequence[SignRow]) -> str:
    (train, test), (true_train, true_test) = (
        [group_estimate(by_group, sign, name).value for sign in ("train_accuracy", "test_accuracy")]
        for name in (memoriser, base)
    )
    told = [row.label for row in rows if row.answer == AGREES or row.answer.startswith(UNKNOWN_SIGN)]
    memorise = ": they memorise" if train - test > MARGIN_OF_GAP else ""
    fit = (
        f"Networks of {memoriser} are right on {percent(train)} % of their training images and on {percent(test)} % of "
        f"unseen ones{memorise}. Networks of {base} are right on {percent(true_train)} % and "
        f"{percent(true_test)} %."
    )
    if not np.isfinite([train, test, true_train, true_test]).all():
        fit = f"Accuracies of {memoriser} or of {base} were not measured."
    inner = f"{len(told)} of {len(rows)} signs tell the two apart: {', '.join(told) or 'none'}."
    return f"{fit} {inner}"


def _disagreement(rows: Sequence[SignRow]) -> str:
    against = [row.label for row in rows if row.answer == CONTRADICTS]
    silent = [row.label for row in rows if row.answer in (OPEN, "no interval: not decided", "not measured")]
    parts = []
    if against:
        parts.append(f"against what the sources expect: {', '.join(against)}")
    if silent:
        parts.append(f"not decided: {', '.join(silent)}")
    if not parts:
        return "All signs that were measured agree."
    return f"{'The evidence disagrees' if against else 'Not all signs tell'}: {'; '.join(parts)}."


def _estimate(rows: pd.DataFrame, sign: str) -> Estimate:
    if sign not in rows.index:
        return NOT_MEASURED
    return Estimate(
        float(rows["value"][sign]), float(rows["low"][sign]), float(rows["high"][sign]), int(rows["n"][sign])
    )


def _plain(estimate: Estimate) -> str:
    """Write a number and its interval in words that need no legend.

    >>> _plain(Estimate(-0.5, -0.75, -0.25, 5)), _plain(NOT_MEASURED)
    ('−0.50 (−0.75 to −0.25)', '–')
    """
    if not math.isfinite(estimate.low):
        return number(estimate.value)
    return f"{number(estimate.value)} ({number(estimate.low)} to {number(estimate.high)})"
