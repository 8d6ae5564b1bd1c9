"""One rule for every claim: from intervals to marks, and from marks to the verdict.

A claim names one statistic, its sign or its absence, and its controls. A sign is read against zero. An absence is read
against a margin: the size from which on an effect counts.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Expected = Literal["negative", "positive", "zero"]
"""Claimed sign of a statistic; `zero`: its absence."""
Intervals = Sequence[tuple[float, float]]
"""Low and high end over concepts, over images and over dictionaries; NaN where one was not measured."""
Mark = Literal["yes", "no", "open", "missing"]
"""Answer of a statistic's intervals: shown, refuted, neither, or not measured although it applies."""
Ruling = Literal["holds", "partly", "does not hold", "not decided", "not measured"]


class Marks(NamedTuple):
    """The marks of a claim; None or no entry where a mark does not apply."""

    raw: Mark
    """Whether the statistic is as claimed."""
    controls: Mapping[str, Mark] = {}
    """Control -> whether the statistic is as claimed with it held fixed; also with all held fixed together."""
    beyond_null: Mark | None = None
    """Whether it is more than in random directions, or than the claim's own null."""
    learned: Mark | None = None
    """Whether it was not there before training already."""

    @property
    def others(self) -> tuple[Mark, ...]:
        """All marks that apply but the raw one."""
        return (*self.controls.values(), *(mark for mark in (self.beyond_null, self.learned) if mark is not None))


def rule(marks: Marks) -> Ruling:
    """Return the verdict on a claim, the same for an effect and for an absence.

    Raw missing: not measured. Raw no: does not hold. Raw open: not decided. Raw yes: holds where all other marks that
    apply are yes, else partly.

    >>> rule(Marks("yes", {"prevalence": "yes"}, beyond_null="open")), rule(Marks("open", {"prevalence": "yes"}))
    ('partly', 'not decided')
    """
    if marks.raw == "yes":
        return "holds" if all(mark == "yes" for mark in marks.others) else "partly"
    verdicts: dict[Mark, Ruling] = {"no": "does not hold", "open": "not decided", "missing": "not measured"}
    return verdicts[marks.raw]


def mark(intervals: Intervals, *, expected: Expected, margin: float = 0.0) -> Mark:
    """Return whether a statistic is as claimed, from all its intervals; `open` where these disagree.

    A sign: yes for an interval beyond zero on its side, no for one beyond zero on the other side, else open. An
    absence (`zero`): yes for an interval within ±margin, else no for one that excludes zero, else open.

    Raises: ValueError for an interval upside down, a negative margin, or an absence without a margin.

    >>> mark([(0.1, 0.5), (0.2, 0.4)], expected="positive"), mark([(-0.2, 0.1)], expected="zero", margin=0.3)
    ('yes', 'yes')
    >>> mark([(0.1, 0.5), (-0.1, 0.6)], expected="positive")
    'open'
    """
    _check(intervals, expected, margin)
    return _agreed([_of_interval(low, high, expected, margin) for low, high in _measured(intervals)])


def mark_learned(untrained: Intervals, *, expected: Expected, margin: float = 0.0) -> Mark:
    """Return whether a claim is not true before training already, from the statistic of the untrained network.

    A sign: yes for an interval that lies short of the margin on its side, so that the effect is too small to count or
    has the other sign; else no for one beyond zero on its side; else open. An absence that is shown there is not
    learned, one that is refuted there is.

    Raises: ValueError as of `mark`.

    >>> [mark_learned([ends], expected="positive", margin=0.3) for ends in ((-0.1, 0.2), (0.2, 0.6))]
    ['yes', 'no']
    """
    _check(untrained, expected, margin)
    return _agreed([_of_untrained(low, high, expected, margin) for low, high in _measured(untrained)])


def _of_interval(low: float, high: float, expected: Expected, margin: float) -> Mark:
    """Return the mark of one interval."""
    if expected == "zero" and -margin < low and high < margin:
        return "yes"
    if low <= 0 <= high:
        return "open"
    return "yes" if expected == ("positive" if low > 0 else "negative") else "no"


def _of_untrained(low: float, high: float, expected: Expected, margin: float) -> Mark:
    """Return the mark of one interval of the untrained network."""
    if expected == "zero":
        turned: dict[Mark, Mark] = {"yes": "no", "no": "yes"}
        on_absence = _of_interval(low, high, expected, margin)
        return turned.get(on_absence, on_absence)
    low, high = _on_side(low, high, expected)
    if high < margin or high < 0:
        return "yes"
    return "no" if low > 0 else "open"


def _on_side(low: float, high: float, expected: Expected) -> tuple[float, float]:
    """Return the interval as of an effect that is claimed to be positive."""
    return (-high, -low) if expected == "negative" else (low, high)


def _agreed(marks: list[Mark]) -> Mark:
    """Return the mark on which all intervals agree."""
    if not marks:
        return "missing"
    return marks[0] if len(set(marks)) == 1 else "open"


def _measured(intervals: Intervals) -> list[tuple[float, float]]:
    return [(low, high) for low, high in intervals if math.isfinite(low) and math.isfinite(high)]


def _check(intervals: Intervals, expected: Expected, margin: float) -> None:
    for low, high in _measured(intervals):
        if low > high:
            raise ValueError(f"wanted an interval with low <= high, got low={low}, high={high}; try swapping them")
    if margin < 0 or (expected == "zero" and margin == 0):
        raise ValueError(f"wanted a margin above 0 for an absence, 0 or more for a sign, got {margin}; try 0.3")
