"""Checks of other readers."""

from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader

_SLACK = 0.02


def radial_reads_more(reader: StudyReader) -> Finding:
    """In the mean over layers and concepts of trained epochs the radial reader finds no less than the linear one."""
    frame = reader.table("readers", columns=["epoch", "layer", "reader", "v_information"])
    radial = frame[(frame["epoch"] > 0) & (frame["reader"] == "rbf")]
    wanted = ["epoch", "layer", "dictionary_epoch", "kind", "v_information"]
    linear = reader.table("v_information", columns=wanted, epochs={*radial["epoch"]})
    linear = linear[(linear["kind"] == "concept") & (linear["dictionary_epoch"] == linear["epoch"])]
    linear = linear[linear["layer"].isin(radial["layer"])]
    gained = radial.groupby("epoch")["v_information"].mean() - linear.groupby("epoch")["v_information"].mean()
    offenders = [f"epoch {epoch}: {gain:.3f} less" for epoch, gain in (-gained).items() if gain > _SLACK]
    least = float(gained.min()) if len(gained) else 0.0
    return Finding(
        not offenders, "; ".join(offenders) or f"at least {least:+.3f}", {"least_gain": least}, is_error=False
    )
