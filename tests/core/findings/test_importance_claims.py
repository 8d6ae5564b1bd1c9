import pandas as pd
import pytest

from featcx_core.findings.importance_claims import (
    important_concepts_become_simpler,
    mean_complexity_rises,
    no_trend_at_the_beginning,
    simple_is_important_at_the_end,
)
from tests.core.findings.curves import correlations, curve
from tests.core.findings.synthetic import REFERENCE


def test_a_bias_to_simple_concepts_that_is_there_before_training_is_not_called_learned():
    trend = {"raw": (-0.5, -0.6, -0.4), "partial": (-0.5, -0.6, -0.4), "y": "importance"}
    table = pd.concat([correlations(**trend, epoch=0), correlations(**trend, epoch=REFERENCE)])
    claim = simple_is_important_at_the_end(table, trained=[1, REFERENCE])
    assert claim.status == "partly"
    assert "it is there before training too" in claim.finding


def test_importance_claims_read_the_first_and_the_last_trained_epoch():
    table = pd.concat(
        [
            correlations(raw=(0.0, -0.1, 0.1), partial=(0.0, -0.1, 0.1), y="importance", epoch=1),
            correlations(raw=(-0.8, -0.9, -0.7), partial=(-0.1, -0.3, 0.1), y="importance", epoch=9),
        ]
    )
    assert no_trend_at_the_beginning(table, trained=[1, 9]).status == "seen"
    end = simple_is_important_at_the_end(table, trained=[1, 9])
    assert end.status == "partly"
    assert "Spearman −0.80 [−0.90, −0.70], partial −0.10 [−0.30, 0.10] (epoch 9" in end.finding
    assert "may be prevalence and variance" in end.finding
    assert no_trend_at_the_beginning(table, trained=[9]).status == "missing"
    assert "hardly the beginning" in no_trend_at_the_beginning(table, trained=[9, 12]).finding
    assert simple_is_important_at_the_end(table, trained=[]).status == "missing"


@pytest.mark.parametrize(
    ("values", "half", "status", "words"),
    [
        ([0.9, 0.4, 0.6, 0.7, 0.71, 0.71, 0.71], 0.01, "seen", "It plateaus"),
        ([0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 0.01, "partly", "No plateau yet"),
        ([0.9, 0.3, 0.4, 0.5, 0.6, 0.75, 0.6], 0.01, "partly", "moves it by 0.150"),  # to and fro is no plateau
        ([0.9, 0.4, 0.6], 0.01, "partly", "Too few epochs"),
        ([0.1, 0.6, 0.5, 0.4, 0.4], 0.01, "absent", "does not hold here"),  # epoch 0 is no part of it
        ([0.9, 0.4, 0.6, 0.7, 0.7], 0.25, "undecided", "includes zero"),
        ([0.9, 0.4], 0.01, "missing", "two trained epochs"),
    ],
)
def test_mean_complexity_must_rise_and_settle(values, half, status, words):
    claim = mean_complexity_rises(curve(values, half=half))
    assert claim.status == status
    assert words in claim.finding


def test_sedimentation_follows_the_smallest_group_that_is_always_there():
    everywhere = curve([0.5, 0.6, 0.5, 0.3], group="top_10pct", n=11)
    sometimes = curve([0.5, 0.1], group="top_5pct", n=10)
    table = pd.concat([curve([0.5, 0.6, 0.6, 0.6]), everywhere, sometimes])
    assert important_concepts_become_simpler(table).status == "seen"
    assert important_concepts_become_simpler(curve([0.5, 0.6, 0.3])).status == "missing"


def test_sedimentation_is_not_particular_to_the_important_when_all_concepts_become_simpler():
    table = pd.concat([curve([0.5, 0.6, 0.5]), curve([0.5, 0.6, 0.3], group="top_10pct", n=10)])
    claim = important_concepts_become_simpler(table)
    assert claim.status == "partly"
    assert "But so do all concepts: mean K 0.60 [0.59, 0.61] at epoch 1" in claim.finding
