"""Checks of the codes."""

from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader


def predictions_kept(reader: StudyReader) -> Finding:
    """The codes and atoms, in place of the activations, keep 99 % of the predictions after a whole epoch."""
    frame = reader.table("dictionaries", columns=["epoch", "predictions_kept_fraction"])
    epochs = reader.table("epochs", columns=["epoch", "passes"]).drop_duplicates("epoch")
    passes = epochs.set_index("epoch")["passes"].astype(float)
    # a network that is not through its first epoch hardly prefers one class: the least rounding turns it
    trained = frame[(frame["epoch"] > 0) & ~(frame["epoch"].map(passes) < 1)]
    low = trained[trained["predictions_kept_fraction"] < 0.99]
    offenders = [f"epoch {row.epoch}: {row.predictions_kept_fraction:.3f}" for row in low.itertuples()]
    worst = float(trained["predictions_kept_fraction"].min()) if len(trained) else 1.0
    says = "; ".join(offenders) or f"at least {worst:.3f}"
    return Finding(not offenders, says, {"lowest_share": worst}, is_error=False)
