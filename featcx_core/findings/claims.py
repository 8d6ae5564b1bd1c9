"""The claims of Fel et al., Understanding Visual Feature Reliance through the Lens of Complexity (NeurIPS 2024),
each held against the numbers of one study."""

import math

import pandas as pd

from featcx_core.findings.claim import Claim, unmeasured
from featcx_core.findings.evidence import Estimate, in_percent, number
from featcx_core.findings.importance_claims import (
    important_concepts_become_simpler,
    mean_complexity_rises,
    no_trend_at_the_beginning,
    simple_is_important_at_the_end,
)
from featcx_core.findings.predictions import KEPT, in_logits, lost_predictions
from featcx_core.findings.property_claims import (
    complex_is_less_redundant,
    complex_is_less_robust,
    sparsity_has_no_trend,
)
from featcx_core.findings.rule import Marks, mark
from featcx_core.findings.selection import trained_epochs
from featcx_core.findings.study_tables import StudyTables
from featcx_core.findings.support_claim import complex_concepts_matter_together
from featcx_core.findings.when_claims import complex_is_late
from featcx_core.findings.where_claims import layers_reveal_progressively, simple_by_the_residual

RESTS_ON = "a dictionary that keeps the predictions"
"""The mark of a claim about concepts where their dictionary does not."""


def claims(tables: StudyTables, *, reference_epoch: int) -> list[Claim]:
    """Return all claims of the paper that the tables can decide, in the order of the report."""
    trained = trained_epochs(tables)
    of_concepts = [
        complex_is_late(tables, reference_epoch=reference_epoch),
        layers_reveal_progressively(tables, reference_epoch=reference_epoch),
        simple_by_the_residual(tables, reference_epoch=reference_epoch),
        simple_is_important_at_the_end(tables, trained=trained),
        no_trend_at_the_beginning(tables, trained=trained),
        mean_complexity_rises(tables),
        important_concepts_become_simpler(tables.sedimentation),
        complex_is_less_redundant(tables, reference_epoch=reference_epoch),
        complex_is_less_robust(tables, reference_epoch=reference_epoch),
        sparsity_has_no_trend(tables, reference_epoch=reference_epoch),
        complex_concepts_matter_together(tables, reference_epoch=reference_epoch),
    ]
    of_dictionary = dictionary_keeps_predictions(tables.dictionaries, reference_epoch=reference_epoch)
    if lost_predictions(tables.dictionaries, tables.learning_curve, epoch=reference_epoch):
        of_concepts = [resting_on_the_dictionary(claim) for claim in of_concepts]
    return [of_dictionary, *of_concepts]


def resting_on_the_dictionary(claim: Claim) -> Claim:
    """Return a claim about concepts with the mark that their dictionary does not keep what the network says."""
    if claim.verdict == "not measured":
        return claim
    return claim._replace(marks=claim.marks._replace(controls={**claim.marks.controls, RESTS_ON: "no"}))


def dictionary_keeps_predictions(dictionaries: pd.DataFrame, *, reference_epoch: int) -> Claim:
    """Judge the share of top-1 predictions that the reconstructed activations keep: wanted > 99 %.

    It is a share of the probe images, with an interval over them; controls, null and training do not apply.
    """
    statement = "The dictionary keeps more than 99 % of the network's predictions."
    kept = dictionaries.loc[dictionaries["epoch"] == reference_epoch, "predictions_kept_fraction"].dropna()
    if kept.empty:
        return unmeasured(statement, "not measured.")
    share, row = float(kept.iloc[0]), dictionaries[dictionaries["epoch"] == reference_epoch].iloc[0]
    low, high = float(row["predictions_kept_low"]), float(row["predictions_kept_high"])
    trained = dictionaries.loc[dictionaries["epoch"] > 0].dropna(subset=["predictions_kept_fraction"])
    of_images = Estimate(share, math.nan, math.nan, 0, low, high)
    numbers = f"{in_percent(of_images, digits=1)} kept at epoch {reference_epoch}.{in_logits(row)}"
    if len(trained) > 1:
        worst = trained.nsmallest(1, "predictions_kept_fraction")
        least = number(100 * float(worst["predictions_kept_fraction"].iloc[0]), digits=1)
        numbers += f" Least of the trained epochs: {least} % at epoch {int(worst['epoch'].iloc[0])}."
    return Claim(statement, Marks(mark([(low - KEPT, high - KEPT)], expected="positive")), numbers)
