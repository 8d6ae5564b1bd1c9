import numpy as np
import pytest
from matplotlib.collections import PathCollection

from featcx_core.features.dictionary import random_atoms
from featcx_core.features.quality import hoyer
from featcx_core.figures.against_complexity import FLOOR
from featcx_core.figures.properties import (
    ORDERS,
    redundancy_against_complexity,
    sensitivity_against_complexity,
    sparsity_against_complexity,
    support_curves,
)
from featcx_core.findings.correlations import raw_and_partial
from featcx_core.findings.properties import (
    hoyer_by_chance,
    redundancy_points,
    sensitivity_points,
    sparsity_points,
)
from tests.core.figures.drawn import is_drawn, texts
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import REFERENCE
from tests.core.findings.synthetic_properties import ENDS, study_with_properties


def redundancy(tables, epochs=ENDS):
    points = redundancy_points(tables.complexity, tables.redundancy)
    return redundancy_against_complexity(points, tables.correlations, epochs=epochs)


def sensitivity(tables, epochs=ENDS):
    points = sensitivity_points(tables.complexity, tables.sensitivity)
    return sensitivity_against_complexity(points, tables.correlations, epochs=epochs)


def sparsity(tables, epochs=ENDS):
    points = sparsity_points(tables.complexity, tables.concepts)
    by_chance = hoyer_by_chance(tables.layers)
    return sparsity_against_complexity(points, tables.correlations, epochs=epochs, by_chance=by_chance)


def support(tables, epochs=ENDS):
    return support_curves(tables.support, epochs=epochs)


EVERY = pytest.mark.parametrize("draw", [redundancy, sensitivity, sparsity, support])


@EVERY
def test_every_figure_shows_the_untrained_network_beside_the_trained_one(draw):
    figure = draw(study_with_properties())
    assert "epoch 0 (before training)" in texts(figure)
    assert f"epoch {REFERENCE}" in texts(figure)
    assert is_drawn(figure)


@EVERY
def test_figures_without_rows_say_so(draw):
    assert "nothing to show" in texts(draw(no_rows()))


def test_panels_are_levels_and_carry_their_correlations():
    tables = study_with_properties()
    figure = sensitivity(tables)
    assert len(figure.axes) == 6
    raw, partial = raw_and_partial(tables.correlations, epoch=REFERENCE, y="sensitivity", level=0.5)
    assert raw.value > 0.5
    assert f"noise σ = 0.5\nSpearman {raw}\npartial {partial}" in texts(figure)


def test_intervals_over_images_are_written_beside_those_over_concepts():
    tables = study_with_properties(sensitivity=3.0)
    wide = tables.correlations.assign(low_images=-0.1, high_images=0.9)
    assert "(95 %: −0.10 to 0.90)" in texts(sensitivity(tables._replace(correlations=wide)))


def test_without_a_table_of_correlations_points_are_drawn():
    tables = study_with_properties()
    figure = redundancy(tables._replace(correlations=tables.correlations.iloc[:0]))
    assert "Spearman –" in texts(figure)
    assert is_drawn(figure)


@pytest.mark.parametrize("draw", [redundancy, sensitivity])
def test_only_axes_with_tick_numbers_have_a_name_below(draw):
    figure = draw(study_with_properties())
    figure.draw_without_rendering()
    for axes in figure.axes:
        has_numbers = any(label.get_visible() and label.get_text() for label in axes.get_xticklabels())
        assert bool(axes.get_xlabel()) == has_numbers


@pytest.mark.parametrize("draw", [redundancy, sensitivity])
def test_random_directions_stand_behind_the_concepts(draw):
    tables = study_with_properties()
    axes = draw(tables).axes[-1]
    k = tables.complexity.query("epoch == @REFERENCE and kind == 'random_direction'")["complexity"]
    points = axes.collections[0].get_offsets()
    np.testing.assert_allclose(np.sort(points[:, 0]), np.sort(k))
    assert len(axes.lines) == 2  # at 1, and the median


def test_sparsity_has_a_line_where_random_directions_lie():
    figure = sparsity(study_with_properties())
    by_chance = float(hoyer(random_atoms(4000, 64, seed=1)).mean())
    assert figure.axes[0].lines[0].get_ydata()[0] == pytest.approx(by_chance, abs=0.002)
    assert f"average, {by_chance:.2f}." in " ".join(texts(figure).split())


def test_a_concept_without_sensitivity_is_drawn_on_the_floor_and_counts():
    tables = study_with_properties()
    values = tables.sensitivity["sensitivity"]
    silent = tables.sensitivity.assign(sensitivity=values.where(values.index % 7 > 0, 0))
    figure = sensitivity(tables._replace(sensitivity=silent), epochs=[REFERENCE])
    heights = figure.axes[0].collections[-1].get_offsets()[:, 1]
    assert heights.min() == FLOOR
    alive = tables.complexity.query("epoch == @REFERENCE and kind == 'concept'")["complexity"].notna().sum()
    assert len(heights) == alive


def test_every_panel_of_the_sensitivity_shows_all_its_concepts():
    for axes in sensitivity(study_with_properties()).axes:
        low, high = axes.get_ylim()
        points = [marks for marks in axes.collections if isinstance(marks, PathCollection)]
        heights = np.concatenate([marks.get_offsets()[:, 1] for marks in points])
        assert low < heights.min()
        assert max(1.0, heights.max()) < high


def test_the_line_at_one_says_what_it_means():
    assert "1: as with all units" in texts(redundancy(study_with_properties()))
    assert "1: as another image" in texts(sensitivity(study_with_properties()))


def test_support_curves_follow_predictions_where_there_are_no_classes():
    tables = study_with_properties()
    without = tables.support.assign(relative_accuracy=np.nan, accuracy=np.nan)
    assert "predictions kept" in texts(support_curves(without, epochs=ENDS))
    assert len(support(tables).axes[0].lines) == len(ORDERS)
