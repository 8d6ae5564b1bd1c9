"""Checks of redundancy."""

from featcx_core.analyses.controls import control_stands_beside
from featcx_core.analyses.redundancy import REDUNDANCY
from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader


def fewer_masked_units_change_less(reader: StudyReader) -> Finding:
    """The fewer units are masked, the nearer is redundancy to 1, what it is with none (median over concepts)."""
    frame = reader.table("redundancy", columns=["epoch", "kind", "masked_fraction", "redundancy"]).dropna()
    frame = frame[frame["kind"] == "concept"]
    away = (frame["redundancy"] - 1).abs().groupby([frame["epoch"], frame["masked_fraction"]]).median()
    ends = away.groupby("epoch").agg(["first", "last"])
    wrong = ends[ends["first"] > ends["last"]]
    offenders = [f"epoch {row.Index}: {row.first:.3f}, then {row.last:.3f}" for row in wrong.itertuples()]
    largest = float(ends["first"].max()) if len(ends) else 0.0
    says = "; ".join(offenders) or f"at the smallest share at most {largest:.3f} away"
    return Finding(not offenders, says, {"farthest_at_smallest_share": largest}, is_error=False)


def directions_stand_beside(reader: StudyReader) -> Finding:
    """At every epoch and level there are random directions beside the concepts."""
    return control_stands_beside(reader, REDUNDANCY.tables[0])
