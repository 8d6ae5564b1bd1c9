"""The claim on when concepts are learned (Fel et al. 2024, §4)."""

import math

from featcx_core.findings.correlations import correlations_in_words, raw_and_partial
from featcx_core.findings.evidence import Estimate, number
from featcx_core.findings.study_tables import StudyTables
from featcx_core.findings.verdicts import Claim, Status, weigh

DECODE_TIME = 0.5  # the paper: the correlation of K and Λ is "nearing 0.5"
NEAR = 0.25  # distance from it that still counts as near
HOW_WELL = -0.8  # from this rank correlation with the final I_V on, Λ says little else


def complex_is_late(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Judge Spearman of K and Λ: wanted positive, raw and partial, and its raw interval between 0.25 and 0.75.

    Λ must tell when: it takes two trained checkpoints or more, and Λ must not be readability in the end by another
    name.
    """
    statement = "Complex concepts are learned later: the correlation of K and Λ is near 0.5."
    if tables.epochs["epoch"].between(1, reference_epoch).sum() == 1:
        return Claim(statement, "missing", "not measured: with one trained checkpoint Λ cannot tell when.")
    raw, partial = raw_and_partial(tables.correlations, epoch=reference_epoch, y="decode_time")
    status, sentence = weigh(raw, partial, expected="positive")
    strength = ""
    if status in ("seen", "partly"):
        status, sentence, strength = _with_strength(status, sentence, raw)
    says_how_well, meaning = _late_or_never(tables, reference_epoch)
    if status == "seen" and says_how_well:
        status, sentence = "partly", f"{sentence}, but by how well concepts are read in the end rather than when"
    return Claim(
        statement,
        status,
        f"{sentence}. {correlations_in_words(raw, partial, reference_epoch)}{strength}{meaning}",
    )


def _with_strength(status: Status, sentence: str, raw: Estimate) -> tuple[Status, str, str]:
    """Return status and sentence once the strength counts too, and a sentence on whether it is near 0.5."""
    low, high = DECODE_TIME - NEAR, DECODE_TIME + NEAR
    least, most = raw.widest
    if low <= least and most <= high:
        return status, sentence, f" The interval lies between {low} and {high}."
    sentence = f"the sign {sentence}"
    if least <= DECODE_TIME <= most:
        strength = " The interval is too wide to say whether it is near 0.5; the sign is the paper's."
        return "undecided", sentence, strength
    side = "above" if least > DECODE_TIME else "below"
    strength = f" The interval reaches far {side} 0.5: the sign is the paper's, the strength is not."
    return "partly", sentence, strength


def _late_or_never(tables: StudyTables, reference_epoch: int) -> tuple[bool, str]:
    """Return whether Λ says little but how well a concept is readable in the end, and sentences on it."""
    shared = " K and Λ share one term (the penultimate layer at the reference epoch), which pulls them together."
    penultimate = set(tables.layers.loc[tables.layers["role"] == "penultimate", "layer"])
    final = tables.v_information[
        (tables.v_information["epoch"] == reference_epoch)
        & (tables.v_information["dictionary_epoch"] == reference_epoch)
        & (tables.v_information["kind"] == "concept")
        & tables.v_information["layer"].isin(penultimate)
    ]
    late = tables.decode_time[tables.decode_time["reference_epoch"] == reference_epoch]
    both = late.merge(final[["concept", "v_information"]], on="concept").dropna(subset=["decode_time", "v_information"])
    if len(both) < 3:
        return False, shared
    between = float(both["decode_time"].astype(float).corr(both["v_information"].astype(float), method="spearman"))
    if math.isnan(between):
        return False, shared
    mostly = ", so here it says how well rather than when" if between < HOW_WELL else ""
    first = both["first_epoch"].dropna()
    reached = f" The median concept reaches half of its final I_V by epoch {first.median():.0f}." if len(first) else ""
    return between < HOW_WELL, (
        f"{shared} Λ is high for what is read late, and also for what is never read well: its rank correlation with "
        f"the final I_V is {number(between)}{mostly}.{reached}"
    )
