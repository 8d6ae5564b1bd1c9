"""Checks of selectivity."""

from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader


def units_know_more_than_chance(reader: StudyReader) -> Finding:
    """At trained epochs the units before the head say more about the class than by chance (median over units)."""
    bits, by_chance = "mutual_information_bits", "mutual_information_by_chance_bits"
    frame = reader.table("selectivity", columns=["epoch", "layer", bits, by_chance])
    last = frame[(frame["layer"] == reader.anatomy.penultimate) & (frame["epoch"] > 0)]
    beyond = (last[bits] - last[by_chance]).groupby(last["epoch"]).median()
    offenders = [f"epoch {epoch}: {bits:.3f} bits" for epoch, bits in beyond.items() if bits <= 0]
    least = float(beyond.min()) if len(beyond) else 0.0
    says = "; ".join(offenders) or f"at least {least:.2f} bits beyond chance"
    return Finding(not offenders, says, {"least_bits_beyond_chance": least}, is_error=False)
