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
    rows = detection.set_index("score")
    areas = {
        SCORES[score]: f"{number(row['roc_auc'])} {{{number(row['low'])}, {number(row['high'])}}}"
        for score, row in rows.iterrows()
    }
    best = rows.loc["cumulative_loss"]
    beyond_chance = Estimate(
        best["roc_auc"] - 0.5, float("nan"), float("nan"), int(best["n_images"]), best["low"] - 0.5, best["high"] - 0.5
    )
    listed = ", ".join(f"{name} {area}" for name, area in areas.items())
    return Claim(
        "Images with wrong labels stand out by their cumulative loss over training.",
        Marks(mark_of(beyond_chance, expected="positive")),
        f"Area under the ROC (0.5 = by chance), {int(best['n_noisy'])} wrong labels among {int(best['n_images'])} "
        f"images: {listed}.",
    )
