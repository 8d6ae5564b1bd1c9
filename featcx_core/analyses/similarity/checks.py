"""Check of similarities."""

from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader


def layers_equal_themselves(reader: StudyReader) -> Finding:
    """Every layer is more similar to itself than to itself with its images permuted."""
    columns = ["epoch_a", "layer_a", "epoch_b", "layer_b", "measure", "centring", "value", "null_permuted_high"]
    frame = reader.table("similarity", columns=columns).dropna(subset=["value"])
    same = frame[(frame["epoch_a"] == frame["epoch_b"]) & (frame["layer_a"] == frame["layer_b"])]
    wrong = same[same["value"] <= same["null_permuted_high"]]
    offenders = [
        f"epoch {row.epoch_a}, {row.layer_a}, {row.measure} {row.centring}: {row.value:.3f}, permuted up to "
        f"{row.null_permuted_high:.3f}"
        for row in wrong.itertuples()
    ]
    smallest = float((same["value"] - same["null_permuted_high"]).min()) if len(same) else 0.0
    says = "; ".join(offenders) or f"{len(same)} layers, at least {smallest:.3f} above"
    return Finding(not offenders, says, {"smallest_distance": smallest})
