import numpy as np
import pandas as pd
import pytest

from featcx_core.findings.evidence import percent
from featcx_core.findings.support_claim import _weight_of_removed, complex_concepts_matter_together
from tests.core.findings.frames import frame, no_rows
from tests.core.findings.synthetic import REFERENCE
from tests.core.findings.synthetic_properties import study_with_properties


def learned(tables):
    """Return the study with an untrained network that loses nothing."""
    untrained = tables.support["epoch"] == 0
    kept = {name: tables.support[name].mask(untrained, 1.0) for name in ("relative_accuracy", "low", "high")}
    return tables._replace(support=tables.support.assign(**kept))


@pytest.mark.parametrize(
    ("fall", "random_fall", "verdict", "words"),
    [
        (0.2, 0.1, "holds", "holds here. "),
        (0.2, 0.195, "partly", "in part: more than a random half, not decided. "),
        (0.2, 0.3, "partly", "in part: more than a random half, no. "),
        (0.055, 0.01, "not decided", "not decided: the intervals leave it open. "),
        (0.01, 0.1, "does not hold", "does not hold here. "),
    ],
)
def test_support_claim_wants_a_noticeable_loss_beyond_that_of_a_random_half(fall, random_fall, verdict, words):
    tables = learned(study_with_properties(fall=fall, random_fall=random_fall))
    claim = complex_concepts_matter_together(tables, reference_epoch=REFERENCE)
    assert claim.verdict == verdict
    assert words in claim.finding
    lost, by_chance = percent(fall), percent(random_fall)
    assert f"Without the 50 % most complex concepts {lost} % (95 %: " in claim.finding
    assert f"without 50 % at random {by_chance} % (" in claim.finding
    assert f"without the simplest {by_chance} %" in claim.finding
    assert "Of the 50 removed, 3 were dead" in claim.finding


def test_a_loss_of_the_untrained_network_too_is_not_called_learned():
    tables = study_with_properties(fall=0.2, random_fall=0.1)
    claim = complex_concepts_matter_together(tables, reference_epoch=REFERENCE)
    assert claim.verdict == "partly"
    assert "in part: absent before training, no." in claim.finding


def test_complex_concepts_that_are_important_by_themselves_are_no_support_features():
    tables = learned(study_with_properties(fall=0.2, random_fall=0.1))
    k = tables.complexity.query("kind == 'concept'")[["epoch", "concept", "complexity"]]
    heavy = tables.importance.merge(k, on=["epoch", "concept"])
    heavy = heavy.assign(importance=heavy["complexity"].fillna(1.0)).drop(columns="complexity")
    claim = complex_concepts_matter_together(tables._replace(importance=heavy), reference_epoch=REFERENCE)
    assert claim.verdict == "partly"
    assert "in part: each of little importance, no." in claim.finding


def test_dead_concepts_do_not_make_the_complex_ones_unimportant():
    n_dead, n_living = 40, 60
    k = [np.nan] * n_dead + np.linspace(0.1, 0.9, n_living).tolist()
    gamma = [0.0] * n_dead + [0.96] * 50 + [1.2] * 10  # 1.0 on average of the living, 1.2 of the ten most complex
    numbered = [{"epoch": REFERENCE, "concept": i, "kind": "concept"} for i in range(n_dead + n_living)]
    scores = [{**row, "complexity": value} for row, value in zip(numbered, k, strict=True)]
    weights = [{**row, "importance": value} for row, value in zip(numbered, gamma, strict=True)]
    tables = no_rows()._replace(complexity=frame("complexity", scores), importance=frame("importance", weights))
    weight = _weight_of_removed(tables, pd.DataFrame({"n_kept": [50]}), REFERENCE)
    assert weight.value == pytest.approx(1.2)
    assert 1 < weight.low < 1.2 < weight.high
    assert weight.n == n_living


@pytest.mark.parametrize(("column", "verdict"), [("low", "not measured"), ("beyond_random_low", "partly")])
def test_a_loss_without_an_interval_is_not_judged(column, verdict):
    tables = learned(study_with_properties(fall=0.2, random_fall=0.1))
    unknown = {column: np.nan, column.replace("low", "high"): np.nan}
    claim = complex_concepts_matter_together(
        tables._replace(support=tables.support.assign(**unknown)), reference_epoch=REFERENCE
    )
    assert claim.verdict == verdict


def test_a_loss_that_a_random_order_may_have_too_is_not_called_larger():
    tables = learned(study_with_properties(fall=0.2, random_fall=0.1))
    with_large_loss = tables.support.assign(orders_low=tables.support["orders_low"] - 0.09)  # up to a loss of 21 %
    claim = complex_concepts_matter_together(tables._replace(support=with_large_loss), reference_epoch=REFERENCE)
    assert claim.verdict == "partly"
    assert "in part: more than a random half, not decided." in claim.finding
    assert "at random 10 % (8 to 21 % in single orders)" in claim.finding


def test_a_loss_has_its_interval_over_images():
    tables = study_with_properties(fall=0.2, random_fall=0.1)
    claim = complex_concepts_matter_together(tables, reference_epoch=REFERENCE)
    assert "20 % (95 %: 19 to 21 %) of the accuracy are lost" in claim.finding
    assert "a difference of 10 % (95 %: 9 to 11 %); without" in claim.finding


def test_the_claim_says_at_which_epochs_something_was_measured():
    tables = study_with_properties()
    moved = tables._replace(support=tables.support.replace({"epoch": {0: 3, REFERENCE: 6}}))
    claim = complex_concepts_matter_together(moved, reference_epoch=REFERENCE)
    assert claim.finding == f"not measured at epoch {REFERENCE}; measured at 3, 6 (`analyses.epochs`)."
    assert complex_concepts_matter_together(no_rows(), reference_epoch=REFERENCE).verdict == "not measured"
