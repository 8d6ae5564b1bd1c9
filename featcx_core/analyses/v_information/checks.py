"""Checks of V-information."""

from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader


def shuffled_say_nothing(reader: StudyReader) -> Finding:
    """V-information of codes that were permuted over images is close to 0 (|mean| <= 0.02 at every epoch)."""
    frame = reader.table("v_information", columns=["epoch", "kind", "v_information"])
    means = frame[frame["kind"] == "shuffled"].groupby("epoch")["v_information"].mean().dropna()
    worst = float(means.abs().max()) if len(means) else 0.0
    offenders = [f"epoch {epoch}: {mean:.3f}" for epoch, mean in means.items() if abs(mean) > 0.02]
    return Finding(not offenders, "; ".join(offenders) or f"largest mean {worst:.4f}", {"largest_mean": worst})


def penultimate_says_more(reader: StudyReader) -> Finding:
    """At the reference epoch the penultimate layer tells more of the alive concepts than the stem."""
    anatomy, reference = reader.anatomy, reader.study.reference_epoch
    wanted = ["epoch", "layer", "dictionary_epoch", "kind", "v_information"]
    frame = reader.table("v_information", columns=wanted)
    of_reference = frame[
        (frame["epoch"] == reference) & (frame["dictionary_epoch"] == reference) & (frame["kind"] == "concept")
    ]
    means = of_reference.groupby("layer")["v_information"].mean()
    first, last = anatomy.names[0], anatomy.penultimate
    if first not in means or last not in means:
        return Finding(passed=True, says="the reference epoch is not there yet", numbers={})
    numbers = {"first_layer": float(means[first]), "penultimate": float(means[last])}
    says = f"{last} {means[last]:.3f}, {first} {means[first]:.3f}"
    return Finding(bool(means[last] > means[first]), says, numbers, is_error=False)
