"""Verdicts: from an estimate's intervals to a status and a sentence."""

import math
from typing import Literal, NamedTuple

from featcx_core.findings.evidence import Estimate

NOT_OF_CONCEPTS = "random directions have it too, so it is not particular to concepts"
NOT_LEARNED = "it is there before training too and may not be learned"

Expected = Literal["negative", "positive", "zero"]
Verdict = Literal["holds here", "does not hold here", "not decided: the interval includes zero", "not measured"]
Status = Literal["seen", "partly", "undecided", "absent", "missing"]
STATUS_OF_VERDICT: dict[Verdict, Status] = {
    "holds here": "seen",
    "does not hold here": "absent",
    "not decided: the interval includes zero": "undecided",
    "not measured": "missing",
}


class Claim(NamedTuple):
    """A claim of the paper, and the study's answer to it."""

    statement: str
    """The claim in one sentence."""
    status: Status
    """seen, partly, undecided, absent or missing."""
    finding: str
    """The verdict in words with the study's numbers."""


def verdict(value: float, low: float, high: float, *, expected: Expected, margin: float = 0.3) -> Verdict:
    """Return the verdict on an expected sign, or on its absence, from one interval.

    `negative` and `positive` hold when the whole interval has that sign, and do not when it has the other one.
    `zero` holds only when the interval includes zero and stays within ±`margin` (0.3: less than a tenth of the
    variance of ranks), and does not hold when the interval excludes zero. A trend that is not seen is no proof that
    there is none.

    Raises: ValueError when low > high.

    >>> verdict(-0.5, -0.7, -0.2, expected="negative")
    'holds here'
    """
    if not all(math.isfinite(x) for x in (value, low, high)):
        return "not measured"
    if low > high:
        raise ValueError(f"wanted an interval with low <= high, got low={low}, high={high}; try swapping them")
    if low <= 0 <= high:
        is_small = expected == "zero" and max(-low, high) <= margin
        return "holds here" if is_small else "not decided: the interval includes zero"
    return "holds here" if expected == ("negative" if high < 0 else "positive") else "does not hold here"


def judge(estimate: Estimate, *, expected: Expected) -> Verdict:
    """Return the verdict on which the intervals over concepts and over images agree, else `not decided`.

    The interval over images counts only where it was measured.

    >>> judge(Estimate(0.17, 0.05, 0.28, 99, -0.02, 0.22), expected="zero")
    'not decided: the interval includes zero'
    """
    intervals = [(estimate.low, estimate.high)]
    if math.isfinite(estimate.low_images):
        intervals.append((estimate.low_images, estimate.high_images))
    verdicts = {verdict(estimate.value, *interval, expected=expected) for interval in intervals}
    return verdicts.pop() if len(verdicts) == 1 else "not decided: the interval includes zero"


def weigh(raw: Estimate, partial: Estimate, *, expected: Expected) -> tuple[Status, str]:
    """Return one status and one sentence from a raw and a partial correlation; the weaker of the two decides."""
    of_raw, of_partial = judge(raw, expected=expected), judge(partial, expected=expected)
    fixed = "with prevalence and variance held fixed"
    both = f"{of_raw} (raw correlation); {of_partial} ({fixed})"
    if of_raw == of_partial:
        both = f"{of_raw} (raw, and {fixed})"
    if expected == "zero" and of_raw == of_partial == "does not hold here":
        return "absent", f"there is a trend, raw and {fixed}"
    if expected == "zero" and of_raw == "does not hold here":
        return "absent", f"there is a trend in the raw correlation; {fixed} {_no_trend(of_partial)}"
    if expected == "zero" and of_partial == "does not hold here":
        return "absent", f"there is a trend {fixed}; in the raw correlation {_no_trend(of_raw)}"
    if of_raw != "holds here":
        return STATUS_OF_VERDICT[of_raw], both
    if of_partial == "holds here":
        return "seen", f"holds here, raw and {fixed}"
    if of_partial == "not measured":
        return "partly", f"holds here in the raw correlation; not measured {fixed}"
    if expected == "zero":
        return "undecided", both
    turn = "the sign turns" if of_partial == "does not hold here" else "the interval includes zero"
    return "partly", f"holds here in the raw correlation only: {fixed} {turn}, so it may be prevalence and variance"


def _no_trend(verdict_on_zero: Verdict) -> str:
    """Write a verdict on `zero` as the end of a sentence that has already named a trend."""
    return "there is none" if verdict_on_zero == "holds here" else f"it is {verdict_on_zero}"


def with_doubts(status: Status, sentence: str, doubts: list[str]) -> tuple[Status, str]:
    """Turn a claim that holds, or holds partly, into `partly` with its doubts named.

    >>> with_doubts("seen", "holds here", ["it rains"]), with_doubts("absent", "does not", ["it rains"])
    (('partly', 'holds here, but it rains'), ('absent', 'does not'))
    """
    if status in ("seen", "partly") and doubts:
        return "partly", f"{sentence}, but {'; and '.join(doubts)}"
    return status, sentence
