"""Outcomes of the campaign's parts, and their table."""

from collections.abc import Sequence
from typing import NamedTuple

OUTCOMES = ("silent", "lost", "crashed", "named", "healed")
BAD = OUTCOMES[:3]


class Result(NamedTuple):
    """The outcome of one fault."""

    kind: str
    """What was hit: a row of the table."""
    operation: str
    """What was done to it."""
    path: str
    """Where, or when."""
    outcome: str
    """silent, lost (could be made again and was not), crashed, named (and lost), healed (with or without a line)"""
    lines: tuple[str, ...]


def table_of(results: Sequence[Result]) -> str:
    """Return the results by kind, in Markdown."""
    lines = [f"| fault | tries | {' | '.join(OUTCOMES)} |", "|---|" + "---:|" * (len(OUTCOMES) + 1)]
    for kind in (*dict.fromkeys(result.kind for result in results), "all"):
        of_kind = [result for result in results if kind in (result.kind, "all")]
        counts = [sum(result.outcome == outcome for result in of_kind) for outcome in OUTCOMES]
        lines.append(f"| {kind} | {len(of_kind)} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)
