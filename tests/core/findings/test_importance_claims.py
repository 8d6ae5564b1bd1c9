import pandas as pd
import pytest

from featcx_core.findings.importance_claims import (
    important_concepts_become_simpler,
    mean_complexity_rises,
    no_trend_at_the_beginning,
    simple_is_important_at_the_end,
)
from featcx_core.findings.study_tables import StudyTables
from tests.core.findings.curves import correlations, curve
from tests.core.findings.frames import frame, no_rows


def tables_of(*parts: pd.DataFrame) -> StudyTables:
    """Return tables with these correlations and checkpoints of epochs 0, 1 and 9."""
    epochs = frame("epochs", [{"epoch": epoch} for epoch in (0, 1, 9)])
    return no_rows()._replace(correlations=pd.concat(parts), epochs=epochs)


def test_a_bias_to_simple_concepts_that_is_there_before_training_is_not_called_learned():
    trend = {"raw": (-0.5, -0.6, -0.4), "partial": (-0.5, -0.6, -0.4), "y": "importance"}
    tables = tables_of(correlations(**trend, epoch=0), correlations(**trend, epoch=9))
    claim = simple_is_important_at_the_end(tables, trained=[1, 9])
    assert claim.verdict == "partly"
    assert "in part: absent before training, no." in claim.finding
    none = {"raw": (0.0, -0.1, 0.1), "partial": (0.0, -0.1, 0.1), "y": "importance"}
    tables = tables_of(correlations(**none, epoch=0), correlations(**trend, epoch=9))
    assert simple_is_important_at_the_end(tables, trained=[1, 9]).verdict == "holds"


def test_importance_claims_read_the_first_and_the_last_trained_epoch():
    tables = tables_of(
        correlations(raw=(0.0, -0.1, 0.1), partial=(0.0, -0.1, 0.1), y="importance", epoch=1),
        correlations(raw=(-0.8, -0.9, -0.7), partial=(-0.1, -0.3, 0.1), y="importance", epoch=9),
    )
    assert no_trend_at_the_beginning(tables, trained=[1, 9]).verdict == "holds"
    end = simple_is_important_at_the_end(tables, trained=[1, 9])
    assert end.verdict == "partly"
    held = "prevalence and variance held fixed"
    assert f"Spearman −0.80 (95 %: −0.90 to −0.70); with {held} −0.10 (95 %: −0.30 to 0.10); epoch 9" in end.finding
    assert f"{held}, not decided; absent before training, not measured." in end.finding
    assert no_trend_at_the_beginning(tables, trained=[9]).verdict == "not measured"
    assert "hardly the beginning" in no_trend_at_the_beginning(tables, trained=[9, 12]).finding
    assert simple_is_important_at_the_end(tables, trained=[]).verdict == "not measured"


def test_the_network_must_rely_on_simple_concepts_however_reliance_is_measured():
    trend, none = (-0.5, -0.6, -0.4), (-0.1, -0.3, 0.1)
    parts = [correlations(raw=trend, partial=trend, y="importance", epoch=9)]
    for y, raw in (("importance_when_active", trend), ("ablation_loss", none)):
        of_complexity = correlations(raw=raw, partial=raw, y=y, epoch=9)
        parts += [of_complexity, of_complexity[:1].assign(x="importance", value=0.8, low=0.7, high=0.9)]
    claim = simple_is_important_at_the_end(tables_of(*parts), trained=[1, 9])
    answers = dict(claim.answers)
    assert answers["with Γ per active image"] == "yes"
    assert answers["with the loss when the concept is removed"] == "open"
    assert claim.verdict == "partly"
    assert "removed: −0.10 (95 %: −0.30 to 0.10); Γ with it: 0.80 (95 %: 0.70 to 0.90)." in claim.finding


@pytest.mark.parametrize(
    ("raw", "partial", "verdict"),
    [
        ((0.02, -0.15, 0.2), (0.02, -0.15, 0.2), "holds"),
        ((0.12, 0.05, 0.2), (0.02, -0.15, 0.2), "holds"),  # a trend that is too small to count
        ((0.02, -0.15, 0.2), (-0.2, -0.5, 0.1), "partly"),
        ((0.02, -0.15, 0.2), (-0.6, -0.7, -0.4), "partly"),  # as measured there is none
        ((-0.2, -0.5, 0.1), (0.02, -0.15, 0.2), "not decided"),
        ((-0.6, -0.7, -0.4), (0.02, -0.15, 0.2), "does not hold"),
    ],
)
def test_no_trend_is_read_against_the_margin(raw, partial, verdict):
    tables = tables_of(correlations(raw=raw, partial=partial, y="importance", epoch=1))
    assert no_trend_at_the_beginning(tables, trained=[1, 9]).verdict == verdict


@pytest.mark.parametrize(
    ("values", "half", "verdict", "words"),
    [
        ([0.9, 0.4, 0.6, 0.7, 0.71, 0.71, 0.71], 0.01, "holds", "holds here. Mean K 0.40"),
        ([0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 0.01, "partly", "plateau, no"),
        ([0.9, 0.3, 0.4, 0.5, 0.6, 0.75, 0.6], 0.01, "partly", "moves it by 0.150"),  # to and fro is no plateau
        ([0.9, 0.4, 0.6], 0.01, "partly", "plateau, not measured"),
        ([0.1, 0.6, 0.5, 0.4, 0.4], 0.01, "does not hold", "does not hold here"),  # epoch 0 is no part of it
        ([0.9, 0.4, 0.6, 0.7, 0.7], 0.25, "not decided", "leave it open"),
        ([0.9, 0.4], 0.01, "not measured", "two trained epochs"),
    ],
)
def test_mean_complexity_must_rise_and_settle(values, half, verdict, words):
    claim = mean_complexity_rises(no_rows()._replace(sedimentation=curve(values, half=half)))
    assert claim.verdict == verdict
    assert words in claim.finding


def test_the_last_third_of_the_training_is_counted_in_passes():
    """Of eight checkpoints six lie within the first two of nine passes: the last third is the last one alone."""
    values = [0.9, 0.40, 0.50, 0.60, 0.70, 0.75, 0.80, 0.80]
    passes = [0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 2.0, 9.0]
    rows = [{"epoch": epoch, "passes": place} for epoch, place in enumerate(passes)]
    tables = no_rows()._replace(sedimentation=curve(values), epochs=frame("epochs", rows))
    assert mean_complexity_rises(tables).verdict == "holds"
    assert "moves it by 0.000" in mean_complexity_rises(tables).finding
    by_number = tables._replace(epochs=frame("epochs", [{**row, "passes": None} for row in rows]))
    assert "moves it by 0.050" in mean_complexity_rises(by_number).finding


def test_a_first_checkpoint_within_the_first_pass_is_the_beginning():
    none = correlations(raw=(0.0, -0.1, 0.1), partial=(0.0, -0.1, 0.1), y="importance", epoch=2)
    rows = [{"epoch": epoch, "passes": place} for epoch, place in ((0, 0.0), (2, 0.5), (9, 7.0))]
    tables = tables_of(none)._replace(epochs=frame("epochs", rows))
    assert "hardly" not in no_trend_at_the_beginning(tables, trained=[2, 9]).finding


def test_sedimentation_follows_the_smallest_group_that_is_always_there():
    everywhere = curve([0.5, 0.6, 0.5, 0.3], group="top_10pct", n=11)
    sometimes = curve([0.5, 0.1], group="top_5pct", n=10)
    table = pd.concat([curve([0.5, 0.6, 0.6, 0.6]), everywhere, sometimes])
    assert important_concepts_become_simpler(table).verdict == "holds"
    assert important_concepts_become_simpler(curve([0.5, 0.6, 0.3])).verdict == "not measured"


@pytest.mark.parametrize(
    ("last", "verdict"), [(0.3, "holds"), (0.5, "partly"), (0.55, "partly"), (0.7, "does not hold")]
)
def test_the_important_concepts_must_fall_by_more_than_all(last, verdict):
    table = pd.concat([curve([0.5, 0.6, 0.5]), curve([0.5, 0.6, last], group="top_10pct", n=10)])
    claim = important_concepts_become_simpler(table)
    assert claim.verdict == verdict
    assert "All concepts: Mean K 0.60 (95 %: 0.59 to 0.61) at epoch 1" in claim.finding
    assert (verdict == "partly") == ("more than all concepts" in claim.finding)
