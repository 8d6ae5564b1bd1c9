"""Checks of the monitor."""

from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader

MOST = 0.1
"""Share of clean images above a threshold of 5 % from which on something is wrong."""


def thresholds_hold_on_clean_images(reader: StudyReader) -> Finding:
    """At most one in ten of the clean images lies above any threshold of 5 %."""
    keys = ["epoch", "layer", "detector"]
    scores = reader.table("monitor_scores", columns=[*keys, "input", "score"])
    limits = reader.table("monitor", columns=[*keys, "threshold_at_5pct"]).dropna().drop_duplicates(keys)
    clean = scores[scores["input"] == "clean"].merge(limits, on=keys)
    alarms = (clean["score"] > clean["threshold_at_5pct"]).groupby([clean[key] for key in keys]).mean()
    wrong = alarms[alarms > MOST]
    says = "; ".join(f"epoch {row.epoch}, {row.detector} at {row.layer}: {row.score:.2f}"
                     for row in wrong.reset_index(name="score").itertuples())  # fmt: skip
    largest = float(alarms.max()) if len(alarms) else 0.0
    return Finding(wrong.empty, says or f"at most {largest:.2f}", {"largest_share": largest}, is_error=False)
