"""Checks of the paths of concepts."""

from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader


def matches_are_unique(reader: StudyReader) -> Finding:
    """No concept of an epoch is matched to two of the reference epoch's, which match themselves with cosine 1."""
    frame = reader.table("concept_paths", columns=["epoch", "concept", "matched_concept", "cosine"])
    matched = frame.dropna(subset=["matched_concept"])
    twice = matched[matched.duplicated(["epoch", "matched_concept"])]
    at_reference = matched[matched["epoch"] == reader.study.reference_epoch]
    strayed = at_reference[
        (at_reference["concept"] != at_reference["matched_concept"]) | (at_reference["cosine"] < 1 - 1e-5)
    ]
    offenders = [f"epoch {row.epoch}: concept {row.matched_concept} is matched twice" for row in twice.itertuples()]
    offenders += [
        f"concept {row.concept} of the reference epoch is not matched to itself" for row in strayed.itertuples()
    ]
    return Finding(not offenders, "; ".join(offenders[:5]) or f"{len(matched)} matches", {"matches": len(matched)})
