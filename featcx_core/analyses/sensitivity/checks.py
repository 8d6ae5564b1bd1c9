"""Checks of sensitivity."""

from featcx_core.analyses.controls import control_stands_beside
from featcx_core.analyses.sensitivity import SENSITIVITY
from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader


def weak_noise_moves_little(reader: StudyReader) -> Finding:
    """The weakest noise moves the median concept of trained epochs less than another image does (sensitivity < 1)."""
    frame = reader.table("sensitivity", columns=["epoch", "kind", "sigma", "sensitivity"])
    frame = frame[frame["kind"] == "concept"]
    trained = frame[(frame["epoch"] > 0) & (frame["sigma"] == frame["sigma"].min())]
    medians = trained.groupby("epoch")["sensitivity"].median().dropna()
    offenders = [f"epoch {epoch}: {median:.3f}" for epoch, median in medians.items() if median >= 1]
    largest = float(medians.max()) if len(medians) else 0.0
    says = "; ".join(offenders) or f"largest median {largest:.1e}"
    return Finding(not offenders, says, {"largest_median": largest}, is_error=False)


def directions_stand_beside(reader: StudyReader) -> Finding:
    """At every epoch and level there are random directions beside the concepts."""
    return control_stands_beside(reader, SENSITIVITY.tables[0])
