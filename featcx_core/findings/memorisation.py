"""Claims on memorised images, held against one study's planted wrong labels."""

from collections.abc import Mapping

import pandas as pd

from featcx_core.findings.claim import Claim, mark_of
from featcx_core.findings.evidence import Estimate, number
from featcx_core.findings.rule import Marks

SCORES = {
    "cumulative_loss": "cumulative loss",
    "n_forgotten": "forgetting events",
    "epoch_learned": "epoch learned",
    "final_loss": "loss at the end",
    "margin": "margin at the end",
}


def memorisation_claims(tables: Mapping[str, pd.DataFrame]) -> list[Claim]:
    """Return whether training tells planted wrong labels from right ones; nothing where none was planted."""
    detection = tables["memorisation_detection"]
    return [] if detection.empty else [wrong_labels_stand_out(detection)]


def wrong_labels_stand_out(detection: pd.DataFrame) -> Claim:
    """Judge the area under the ROC of the cumulative loss, less 0.5: wanted above zero."""
    areas = {str(row["score"]): row for row in detection.to_dict("records")}
    written = [
        f"{SCORES[name]} {number(row['roc_auc'])} (95 %: {number(row['low'])} to {number(row['high'])})"
        for name, row in areas.items()
    ]
    best = areas["cumulative_loss"]
    n_images, n_noisy = int(best["n_images"]), int(best["n_noisy"])
    area, low, high = (float(best[name]) - 0.5 for name in ("roc_auc", "low", "high"))
    beyond_chance = Estimate(area, float("nan"), float("nan"), n_images, low, high)
    return Claim(
        "Images with wrong labels stand out by their cumulative loss over training.",
        Marks(mark_of(beyond_chance, expected="positive")),
        f"Area under the ROC (0.5 = by chance), {n_noisy} wrong labels among {n_images} images: {', '.join(written)}.",
    )
