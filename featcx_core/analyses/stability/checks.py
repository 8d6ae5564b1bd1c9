"""Checks of stability."""

from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader
from featcx_core.measures.matching import null_cosine


def found_more_than_random(reader: StudyReader) -> Finding:
    """Other seeds find more of the concepts of trained epochs than random atoms would match (mean cosine)."""
    frame = reader.table("stability", columns=["epoch", "mean_cosine"]).dropna()
    offenders, worst = [], 1.0
    for epoch, mean in frame[frame["epoch"] > 0].groupby("epoch")["mean_cosine"].mean().items():
        atoms = read_dictionary(reader, epoch=int(epoch)).atoms  # type: ignore[call-overload]
        is_signed = bool((atoms < 0).any())
        null = null_cosine(atoms, n_others=len(atoms), is_signed=is_signed, quantile=0.5, seed=reader.study.seed)
        worst = min(worst, float(mean))
        if mean <= null:
            offenders.append(f"epoch {epoch}: mean cosine {mean:.3f}, of random atoms {null:.3f}")
    says = "; ".join(offenders) or f"mean cosine at least {worst:.3f}"
    return Finding(not offenders, says, {"least_mean_cosine": worst}, is_error=False)
