"""Checks of support curves."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader


def support_starts_from_the_dictionary(reader: StudyReader) -> Finding:
    """With all concepts kept, every order keeps the predictions that the dictionary keeps, and all of its accuracy.

    Two images may differ: sums in another order turn a prediction whose two highest logits are as good as equal.
    """
    wanted = ["epoch", "order", "kept_fraction", "relative_accuracy", "predictions_kept_fraction"]
    whole = reader.table("support", columns=wanted).query("kept_fraction == 1")
    kept = reader.table("dictionaries", columns=["epoch", "predictions_kept_fraction"])
    both = whole.merge(kept, on="epoch", suffixes=("", "_of_dictionary"))
    away = (both["predictions_kept_fraction"] - both["predictions_kept_fraction_of_dictionary"]).abs()
    n_images = {
        epoch: reader.arrays(ACTIVATIONS, epoch=int(epoch), layer=reader.anatomy.penultimate).shape[0]
        for epoch in both["epoch"].unique()
    }
    wrong = both[(away > 2.5 / both["epoch"].map(n_images)) | ((both["relative_accuracy"] - 1).abs() > 1e-9)]
    offenders = [f"epoch {row.epoch}, {row.order}: {row.predictions_kept_fraction:.4f}" for row in wrong.itertuples()]
    largest = float(away.max()) if len(away) else 0.0
    says = "; ".join(offenders[:5]) or f"largest difference {largest:.1e}"
    return Finding(not offenders, says, {"largest_difference": largest})
