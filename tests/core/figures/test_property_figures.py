import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from featcx_core.features.dictionary import random_atoms
from featcx_core.features.quality import hoyer
from featcx_core.figures import properties as drawn
from featcx_core.figures.against_complexity import FLOOR
from featcx_core.findings import property_claims as paper
from featcx_core.findings.evidence import Estimate, number, raw_and_partial
from featcx_core.findings.study_tables import StudyTables
from featcx_core.measures.correlations import correlation
from tests.core.figures.test_figures import (
    ENDS,
    REFERENCE,
    frame,
    is_drawn,
    no_rows,
    synthetic_tables,
    texts,
    with_properties,
    with_property_correlations,
)

BY = {"redundancy": "masked_fraction", "sensitivity": "sigma"}


@pytest.fixture(scope="module")
def plain() -> StudyTables:
    return synthetic_tables()


@pytest.fixture(scope="module")
def tables(plain) -> StudyTables:
    return with_properties(plain)


def figures(tables):
    return {
        "redundancy": drawn.redundancy_against_complexity(
            tables.complexity, tables.redundancy, tables.correlations, epochs=ENDS
        ),
        "sensitivity": drawn.sensitivity_against_complexity(
            tables.complexity, tables.sensitivity, tables.correlations, epochs=ENDS
        ),
        "sparsity": drawn.sparsity_against_complexity(
            tables.complexity, tables.concepts, tables.correlations, tables.layers, epochs=ENDS
        ),
        "support": drawn.support_curves(tables.support, epochs=ENDS),
    }


def test_every_figure_shows_the_untrained_network_beside_the_trained_one(tables):
    for figure in figures(tables).values():
        assert "epoch 0 (before training)" in texts(figure)
        assert f"epoch {REFERENCE}" in texts(figure)
        assert is_drawn(figure)


def test_figures_without_rows_say_so():
    for figure in figures(no_rows()).values():
        assert "nothing to show" in texts(figure)


def test_panels_are_levels_and_carry_their_correlations(tables):
    figure = figures(tables)["sensitivity"]
    assert len(figure.axes) == 6
    raw, partial = raw_and_partial(tables.correlations, epoch=REFERENCE, y="sensitivity", level=0.5)
    assert raw.value > 0.5
    assert f"noise σ = 0.5\nSpearman {raw}\npartial {partial}" in texts(figure)


def test_only_axes_with_tick_numbers_have_a_name_below(tables):
    for name in ("redundancy", "sensitivity"):
        figure = figures(tables)[name]
        figure.draw_without_rendering()
        for axes in figure.axes:
            has_numbers = any(label.get_visible() and label.get_text() for label in axes.get_xticklabels())
            assert bool(axes.get_xlabel()) == has_numbers


def test_random_directions_stand_behind_the_concepts_with_their_own_correlation(tables):
    for name in ("redundancy", "sensitivity"):
        figure, level = figures(tables)[name], {"redundancy": 0.9, "sensitivity": 0.5}[name]
        rows = getattr(tables, name)
        rows = rows[(rows["epoch"] == REFERENCE) & (rows[BY[name]] == level)]
        control = rows[rows["kind"] == "random_direction"]
        k = tables.complexity.query("epoch == @REFERENCE and kind == 'random_direction'")["complexity"]
        found = Estimate(*correlation(k.to_numpy(), control[name].to_numpy(), seed=0))
        assert f"random directions {found}\ntheir median {name} {control[name].median():.3g}" in texts(figure)
        points = figure.axes[-1].collections[0].get_offsets()
        np.testing.assert_allclose(np.sort(points[:, 0]), np.sort(k))
        assert len(figure.axes[-1].lines) == 2  # at 1, and the median


def test_sparsity_has_a_line_where_random_directions_lie(tables):
    figure = figures(tables)["sparsity"]
    by_chance = float(hoyer(random_atoms(4000, 64, seed=1)).mean())
    assert figure.axes[0].lines[0].get_ydata()[0] == pytest.approx(by_chance, abs=0.002)
    assert f"average, {by_chance:.2f}." in " ".join(texts(figure).split())
    claim = paper.sparsity_has_no_trend(tables, reference_epoch=REFERENCE)
    assert f"the mean random direction {by_chance:.2f}." in claim.finding


def test_a_concept_without_sensitivity_is_drawn_on_the_floor_and_counts(tables):
    silent = tables.sensitivity.assign(
        sensitivity=tables.sensitivity["sensitivity"].where(lambda s: s.index % 7 > 0, 0)
    )
    figure = drawn.sensitivity_against_complexity(tables.complexity, silent, tables.correlations, epochs=[REFERENCE])
    heights = figure.axes[0].collections[-1].get_offsets()[:, 1]
    assert heights.min() == FLOOR
    alive = tables.complexity.query("epoch == @REFERENCE and kind == 'concept'")["complexity"].notna().sum()
    assert len(heights) == alive


def test_every_panel_of_the_sensitivity_shows_all_its_concepts(tables):
    figure = drawn.sensitivity_against_complexity(
        tables.complexity, tables.sensitivity, tables.correlations, epochs=ENDS
    )
    for axes in figure.axes:
        low, high = axes.get_ylim()
        points = [marks for marks in axes.collections if isinstance(marks, PathCollection)]
        heights = np.concatenate([marks.get_offsets()[:, 1] for marks in points])
        assert low < heights.min()
        assert max(1.0, heights.max()) < high


def test_the_line_at_one_says_what_it_means(tables):
    redundancy = drawn.redundancy_against_complexity(
        tables.complexity, tables.redundancy, tables.correlations, epochs=ENDS
    )
    sensitivity = drawn.sensitivity_against_complexity(
        tables.complexity, tables.sensitivity, tables.correlations, epochs=ENDS
    )
    assert "1: as with all units" in texts(redundancy)
    assert "1: as another image" in texts(sensitivity)


def test_support_curves_follow_predictions_where_there_are_no_classes(tables):
    without = tables.support.assign(relative_accuracy=np.nan, accuracy=np.nan)
    assert "predictions kept" in texts(drawn.support_curves(without, epochs=ENDS))
    assert len(drawn.support_curves(tables.support, epochs=ENDS).axes[0].lines) == len(drawn.ORDERS)


def test_the_interval_over_images_is_written_beside_the_other_and_decides_too(plain):
    tables = with_properties(plain, sensitivity=3.0)
    wide = tables.correlations.assign(low_images=-0.1, high_images=0.9)
    claim = paper.complex_is_less_robust(tables._replace(correlations=wide), reference_epoch=REFERENCE)
    assert claim.status == "undecided"
    assert "{−0.10, 0.90}" in claim.finding
    figure = drawn.sensitivity_against_complexity(tables.complexity, tables.sensitivity, wide, epochs=ENDS)
    assert "{−0.10, 0.90}" in texts(figure)


def test_without_a_table_of_correlations_points_are_drawn_and_nothing_is_said(tables):
    none = tables._replace(correlations=tables.correlations.iloc[:0])
    assert is_drawn(figures(none)["redundancy"])
    assert "Spearman –" in texts(figures(none)["redundancy"])
    assert paper.sparsity_has_no_trend(none, reference_epoch=REFERENCE).status == "missing"


@pytest.mark.parametrize(
    ("slope", "masks", "status", "words"),
    [
        (-0.3, 0.01, "seen", "holds here"),  # and not before training, which is left out here
        (0.3, 0.01, "absent", "does not hold here"),
        (-0.3, 1.0, "undecided", "The choice of masks makes up to 100 % of the differences"),
    ],
)
def test_redundancy_claim_knows_what_masks_make(plain, slope, masks, status, words):
    tables = with_properties(plain, redundancy=slope, masks=masks)
    tables = tables._replace(correlations=tables.correlations.query("epoch > 0"))
    claim = paper.complex_is_less_redundant(tables, reference_epoch=REFERENCE)
    assert claim.status == status
    assert words in claim.finding
    assert "50% of the units masked" in claim.finding
    assert claim.finding.startswith("not decided") == (status == "undecided")


@pytest.mark.parametrize(("slope", "status"), [(3.0, "seen"), (-3.0, "absent"), (0.0, "undecided")])
def test_robustness_claim_wants_complex_concepts_moved_more(plain, slope, status):
    tables = with_properties(plain, sensitivity=slope)
    claim = paper.complex_is_less_robust(tables, reference_epoch=REFERENCE)
    assert claim.status == status
    assert "σ = 0.1 on pixels" in claim.finding
    assert "at σ = 0.01" in claim.finding


@pytest.mark.parametrize(("slope", "status"), [(0.8, "absent"), (-0.8, "absent")])
def test_sparsity_claim_wants_no_trend(plain, slope, status):
    claim = paper.sparsity_has_no_trend(with_properties(plain, hoyer=slope), reference_epoch=REFERENCE)
    assert claim.status == status


def test_a_relation_of_the_untrained_network_too_is_not_called_seen(plain):
    claim = paper.complex_is_less_robust(
        with_properties(plain, sensitivity=3.0, untrained=3.0), reference_epoch=REFERENCE
    )
    assert claim.status == "partly"
    assert "it is there before training too and may not be learned" in claim.finding
    claim = paper.complex_is_less_robust(
        with_properties(plain, sensitivity=3.0, control=1.0), reference_epoch=REFERENCE
    )
    assert claim.status == "partly"
    assert "but random directions have it too, so it is not particular to concepts." in claim.finding
    claim = paper.complex_is_less_redundant(
        with_properties(plain, redundancy=-0.3, control=1.0), reference_epoch=REFERENCE
    )
    assert claim.status == "partly"
    assert "but random directions have it too" in claim.finding
    assert "Random directions have −0." in claim.finding
    tables = with_properties(plain, redundancy=-0.3)  # at every epoch alike
    claim = paper.complex_is_less_redundant(tables, reference_epoch=REFERENCE)
    raw, partial = raw_and_partial(tables.correlations, epoch=0, y="redundancy", level=0.5)
    assert claim.status == "partly"
    assert "it is there before training too and may not be learned" in claim.finding
    assert f"Before training (epoch 0): {raw}, partial {partial}." in claim.finding
    tables = with_properties(plain, sensitivity=3.0, untrained=-1.0)
    claim = paper.complex_is_less_robust(tables, reference_epoch=REFERENCE)
    raw, partial = raw_and_partial(tables.correlations, epoch=0, y="sensitivity", level=0.1)
    assert claim.status == "seen"
    assert f"Before training (epoch 0): {raw}, partial {partial}." in claim.finding
    claim = paper.complex_is_less_robust(
        with_property_correlations(tables._replace(sensitivity=tables.sensitivity.query("epoch > 0"))),
        reference_epoch=REFERENCE,
    )
    assert "Epoch 0 was not measured" in claim.finding


@pytest.mark.parametrize(
    ("fall", "random_fall", "status", "words"),
    [
        (0.2, 0.1, "seen", "holds here: "),
        (0.2, 0.195, "undecided", "whether a random half costs less is not decided: "),
        (0.2, 0.3, "partly", "a random half costs more: "),
        (0.055, 0.01, "undecided", "not decided: the interval of the loss includes 5 % or is not known: "),
        (0.01, 0.1, "absent", "does not hold here: "),
    ],
)
def test_support_claim_wants_a_noticeable_loss_beyond_that_of_a_random_half(plain, fall, random_fall, status, words):
    tables = with_properties(plain, fall=fall, random_fall=random_fall)
    claim = paper.complex_concepts_matter_together(tables, reference_epoch=REFERENCE)
    assert claim.status == status
    assert words in claim.finding
    lost, by_chance = (number(100 * each, digits=0) for each in (fall, random_fall))
    assert f"without the 50 % most complex concepts {lost} % {{" in claim.finding
    assert f"without 50 % at random {by_chance} % (" in claim.finding
    assert f"without the simplest {by_chance} %" in claim.finding
    assert "Of the 50 removed, 3 were dead" in claim.finding


def test_complex_concepts_that_are_important_by_themselves_are_no_support_features(plain):
    tables = with_properties(plain, fall=0.2, random_fall=0.1)
    k = tables.complexity.query("kind == 'concept'")[["epoch", "concept", "complexity"]]
    heavy = tables.importance.merge(k, on=["epoch", "concept"])
    heavy = heavy.assign(importance=heavy["complexity"].fillna(1.0)).drop(columns="complexity")
    claim = paper.complex_concepts_matter_together(tables._replace(importance=heavy), reference_epoch=REFERENCE)
    assert claim.status == "partly"
    assert "the complex concepts are not of little importance" in claim.finding


def test_dead_concepts_do_not_make_the_complex_ones_unimportant():
    n_dead, n_living = 40, 60
    k = [np.nan] * n_dead + np.linspace(0.1, 0.9, n_living).tolist()
    gamma = [0.0] * n_dead + [0.96] * 50 + [1.2] * 10  # 1.0 on average of the living, 1.2 of the ten most complex
    numbered = [{"epoch": REFERENCE, "concept": i, "kind": "concept"} for i in range(n_dead + n_living)]
    tables = no_rows()._replace(
        complexity=frame("complexity", [{**row, "complexity": x} for row, x in zip(numbered, k, strict=True)]),
        importance=frame("importance", [{**row, "importance": x} for row, x in zip(numbered, gamma, strict=True)]),
    )
    rows = pd.DataFrame({"n_kept": [50]})
    assert paper._weight_of_removed(tables, rows, REFERENCE) == pytest.approx(1.2)


@pytest.mark.parametrize("column", ["low", "beyond_random_low"])
def test_a_loss_without_an_interval_is_not_called_seen(plain, column):
    tables = with_properties(plain, fall=0.2, random_fall=0.1)
    unknown = {column: np.nan, column.replace("low", "high"): np.nan}
    claim = paper.complex_concepts_matter_together(
        tables._replace(support=tables.support.assign(**unknown)), reference_epoch=REFERENCE
    )
    assert claim.status == "undecided"


def test_a_loss_that_a_random_order_may_have_too_is_not_called_larger(plain):
    tables = with_properties(plain, fall=0.2, random_fall=0.1)
    one_of_them = tables.support.assign(orders_low=tables.support["orders_low"] - 0.09)  # down to a loss of 21 %
    claim = paper.complex_concepts_matter_together(tables._replace(support=one_of_them), reference_epoch=REFERENCE)
    assert claim.status == "undecided"
    assert "at random 10 % (8 to 21 % in single orders)" in claim.finding


def test_a_loss_has_its_interval_over_images(plain):
    claim = paper.complex_concepts_matter_together(
        with_properties(plain, fall=0.2, random_fall=0.1), reference_epoch=REFERENCE
    )
    assert "20 % {19, 21} of the accuracy are lost" in claim.finding
    assert "a difference of 10 % {9, 11}; without" in claim.finding


def test_claims_say_at_which_epochs_something_was_measured(plain):
    tables = with_properties(plain)
    named = {
        name: getattr(tables, name).replace({"epoch": {0: 3, REFERENCE: 6}})
        for name in ("redundancy", "sensitivity", "support")
    }
    found = paper.property_claims(tables._replace(**named), reference_epoch=REFERENCE)
    said = f"not measured at epoch {REFERENCE}; measured at 3, 6 (`analyses.epochs`)."
    assert [claim.finding == said for claim in found] == [True, True, False, True]


def test_claims_without_rows_are_missing():
    found = paper.property_claims(no_rows(), reference_epoch=REFERENCE)
    assert {claim.status for claim in found} == {"missing"}
