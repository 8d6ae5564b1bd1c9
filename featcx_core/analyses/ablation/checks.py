"""Checks of ablation curves."""

from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader


def nothing_ablated_is_the_whole_network(reader: StudyReader) -> Finding:
    """With nothing ablated every curve of a split starts from the same accuracy."""
    columns = ["epoch", "layer", "split", "ablated_fraction", "accuracy"]
    frame = reader.table("ablation", columns=columns)
    starts = frame[frame["ablated_fraction"] == 0].groupby(["epoch", "split"])["accuracy"].agg(["min", "max"])
    wrong = starts[starts["min"] != starts["max"]]
    says = "; ".join(f"epoch {row.epoch}, {row.split}: {row.min:.3f} to {row.max:.3f}"
                     for row in wrong.reset_index().itertuples())  # fmt: skip
    spread = float((starts["max"] - starts["min"]).max()) if len(starts) else 0.0
    return Finding(wrong.empty, says or f"{len(starts)} accuracies", {"largest_spread": spread})
