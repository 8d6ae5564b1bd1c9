"""A claim: what is said, the marks of its evidence, and the verdict that follows from them."""

from typing import NamedTuple

from featcx_core.findings.evidence import Estimate
from featcx_core.findings.rule import Expected, Mark, Marks, Ruling, mark, mark_learned, rule
from featcx_core.findings.study_tables import StudyTables

MARGIN_OF_CORRELATION = 0.3
"""Correlations below it count as none: they explain less than a tenth of the variance of ranks."""
SHARE_BEFORE = 0.25
"""Share of the trained statistic below which the untrained one counts as none, where it has no margin of its own."""
_ANSWERS: dict[Mark, str] = {"yes": "yes", "no": "no", "open": "not decided", "missing": "not measured"}
_VERDICTS: dict[Ruling, str] = {
    "holds": "holds here",
    "does not hold": "does not hold here",
    "not decided": "not decided: the intervals leave it open",
}


class Claim(NamedTuple):
    """A claim of the paper, and the study's answer to it."""

    statement: str
    """The claim in one sentence."""
    marks: Marks
    """The answers of its evidence."""
    numbers: str
    """The numbers behind the marks in sentences, or why there are none."""
    null: str = "more than random directions"
    """The mark against the null, in words."""

    @property
    def verdict(self) -> Ruling:
        """The verdict that follows from the marks."""
        return rule(self.marks)

    @property
    def answers(self) -> list[tuple[str, Mark]]:
        """Every mark that applies, in words and with its answer."""
        named = [("as measured", self.marks.raw), *self.marks.controls.items()]
        others = ((self.null, self.marks.beyond_null), ("absent before training", self.marks.learned))
        return [*named, *((name, answer) for name, answer in others if answer is not None)]

    @property
    def finding(self) -> str:
        """The verdict in words with the numbers."""
        if self.verdict == "not measured":
            return self.numbers
        if self.verdict != "partly":
            return f"{_VERDICTS[self.verdict]}. {self.numbers}"
        doubts = [f"{name}, {_ANSWERS[answer]}" for name, answer in self.answers if answer != "yes"]
        return f"holds here in part: {'; '.join(doubts)}. {self.numbers}"


def unmeasured(statement: str, why: str) -> Claim:
    """Return the claim without evidence, and why there is none."""
    return Claim(statement, Marks("missing"), why)


def mark_of(estimate: Estimate, *, expected: Expected, margin: float = 0.0) -> Mark:
    """Return the mark of an estimate from all its intervals.

    >>> mark_of(Estimate(0.17, 0.05, 0.28, 99, -0.02, 0.22), expected="positive")
    'open'
    """
    return mark(estimate.intervals, expected=expected, margin=margin)


def mark_of_untrained(
    tables: StudyTables, untrained: Estimate, *, expected: Expected, margin: float = 0.0, reference_epoch: int
) -> Mark | None:
    """Return whether a claim is not true before training already; None without an untrained checkpoint."""
    if reference_epoch == 0 or not (tables.epochs["epoch"] == 0).any():
        return None
    return mark_learned(untrained.intervals, expected=expected, margin=margin)


def yes_if(is_so: bool) -> Mark:  # noqa: FBT001  a truth value is all there is
    """Return the mark of a condition that has no interval.

    >>> yes_if(1 > 0)
    'yes'
    """
    return "yes" if is_so else "no"
