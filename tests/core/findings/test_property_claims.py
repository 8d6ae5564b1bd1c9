import pytest

from featcx_core.features.dictionary import random_atoms
from featcx_core.features.quality import hoyer
from featcx_core.findings.correlations import correlation
from featcx_core.findings.evidence import difference
from featcx_core.findings.property_claims import (
    complex_is_less_redundant,
    complex_is_less_robust,
    sparsity_has_no_trend,
)
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import REFERENCE
from tests.core.findings.synthetic_properties import study_with_properties, with_property_correlations


def before_training(tables, y: str, level: float) -> str:
    """Return the sentence on the correlation of epoch 0."""
    return f"Before training (epoch 0): {correlation(tables.correlations, epoch=0, y=y, level=level)}."


def without_epoch_0(tables):
    """Return the study without its untrained checkpoint."""
    return tables._replace(epochs=tables.epochs.query("epoch > 0"), correlations=tables.correlations.query("epoch > 0"))


@pytest.mark.parametrize(
    ("slope", "masks", "verdict", "words"),
    [
        (-0.3, 0.01, "holds", "holds here."),
        (0.3, 0.01, "does not hold", "does not hold here"),
        (-0.3, 1.0, "partly", "in part: beyond the choice of masks, no."),
    ],
)
def test_redundancy_claim_knows_what_masks_make(slope, masks, verdict, words):
    tables = without_epoch_0(study_with_properties(redundancy=slope, masks=masks))
    claim = complex_is_less_redundant(tables, reference_epoch=REFERENCE)
    assert claim.verdict == verdict
    assert words in claim.finding
    assert "50% of the units masked" in claim.finding
    assert ("The choice of masks makes up to 100 %" in claim.finding) == (masks == 1.0)


@pytest.mark.parametrize(("slope", "verdict"), [(3.0, "holds"), (-3.0, "does not hold"), (0.0, "not decided")])
def test_robustness_claim_wants_complex_concepts_moved_more(slope, verdict):
    claim = complex_is_less_robust(study_with_properties(sensitivity=slope), reference_epoch=REFERENCE)
    assert claim.verdict == verdict
    assert "σ = 0.1 on pixels" in claim.finding
    assert "at σ = 0.01" in claim.finding


@pytest.mark.parametrize(("slope", "verdict"), [(0.8, "does not hold"), (-0.8, "does not hold")])
def test_sparsity_claim_wants_no_trend(slope, verdict):
    claim = sparsity_has_no_trend(study_with_properties(hoyer=slope), reference_epoch=REFERENCE)
    assert claim.verdict == verdict


def test_sparsity_claim_says_what_random_directions_have():
    by_chance = float(hoyer(random_atoms(4000, 64, seed=1)).mean())
    claim = sparsity_has_no_trend(study_with_properties(), reference_epoch=REFERENCE)
    assert f"of the mean random direction: {by_chance:.2f}." in claim.finding


def test_the_interval_over_images_is_written_beside_the_other_and_decides_too():
    tables = study_with_properties(sensitivity=3.0)
    wide = tables.correlations.assign(low_images=-0.1, high_images=0.9)
    claim = complex_is_less_robust(tables._replace(correlations=wide), reference_epoch=REFERENCE)
    assert claim.verdict == "not decided"
    assert "(95 %: −0.10 to 0.90)" in claim.finding


def test_a_relation_of_the_untrained_network_too_is_not_called_learned():
    claim = complex_is_less_robust(study_with_properties(sensitivity=3.0, untrained=3.0), reference_epoch=REFERENCE)
    assert claim.verdict == "partly"
    assert "in part: absent before training, no." in claim.finding
    tables = study_with_properties(redundancy=-0.3)  # at every epoch alike
    claim = complex_is_less_redundant(tables, reference_epoch=REFERENCE)
    assert claim.verdict == "partly"
    assert "in part: absent before training, no." in claim.finding
    assert before_training(tables, "redundancy", 0.5) in claim.finding
    tables = study_with_properties(sensitivity=3.0, untrained=-1.0)
    claim = complex_is_less_robust(tables, reference_epoch=REFERENCE)
    assert claim.verdict == "holds"
    assert before_training(tables, "sensitivity", 0.1) in claim.finding


def test_an_untrained_network_that_was_not_measured_leaves_a_doubt():
    tables = study_with_properties(sensitivity=3.0)
    trained = with_property_correlations(tables._replace(sensitivity=tables.sensitivity.query("epoch > 0")))
    claim = complex_is_less_robust(trained, reference_epoch=REFERENCE)
    assert claim.verdict == "partly"
    assert "Epoch 0 was not measured" in claim.finding
    assert complex_is_less_robust(without_epoch_0(trained), reference_epoch=REFERENCE).verdict == "holds"


def test_a_relation_must_be_more_than_in_random_directions():
    claim = complex_is_less_robust(study_with_properties(sensitivity=3.0, control=1.0), reference_epoch=REFERENCE)
    assert claim.verdict == "partly"
    assert "in part: more than random directions, no" in claim.finding
    tables = without_epoch_0(study_with_properties(redundancy=-0.3, control=1.0))
    claim = complex_is_less_redundant(tables, reference_epoch=REFERENCE)
    assert claim.verdict == "partly"
    assert "in part: more than random directions, no" in claim.finding
    control, of_concepts = (
        correlation(tables.correlations, epoch=REFERENCE, y="redundancy", level=0.5, kind=kind)
        for kind in ("random_direction", "concept")
    )
    assert f"Random directions have {control}; the difference is {difference(control, of_concepts)};" in claim.finding


def test_without_a_table_of_correlations_nothing_is_claimed():
    tables = study_with_properties()
    none = tables._replace(correlations=tables.correlations.iloc[:0])
    assert sparsity_has_no_trend(none, reference_epoch=REFERENCE).verdict == "not measured"


@pytest.mark.parametrize(
    ("claim", "table"), [(complex_is_less_redundant, "redundancy"), (complex_is_less_robust, "sensitivity")]
)
def test_claims_say_at_which_epochs_something_was_measured(claim, table):
    tables = study_with_properties()
    moved = tables._replace(**{table: getattr(tables, table).replace({"epoch": {0: 3, REFERENCE: 6}})})
    wanted = f"not measured at epoch {REFERENCE}; measured at 3, 6 (`analyses.epochs`)."
    assert claim(moved, reference_epoch=REFERENCE).finding == wanted


@pytest.mark.parametrize("claim", [complex_is_less_redundant, complex_is_less_robust, sparsity_has_no_trend])
def test_claims_without_rows_are_missing(claim):
    assert claim(no_rows(), reference_epoch=REFERENCE).verdict == "not measured"
