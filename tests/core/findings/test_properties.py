import numpy as np
import pytest

from featcx_core.features.dictionary import random_atoms
from featcx_core.features.quality import hoyer
from featcx_core.findings.correlations import raw_and_partial
from featcx_core.findings.evidence import Estimate
from featcx_core.findings.properties import (
    hoyer_by_chance,
    panel_lines,
    redundancy_points,
    sensitivity_points,
    sparsity_points,
)
from featcx_core.measures.correlations import correlation
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import REFERENCE
from tests.core.findings.synthetic_properties import study_with_properties


def test_points_have_a_complexity_and_a_value():
    tables = study_with_properties()
    alive = tables.complexity.query("epoch == @REFERENCE and kind == 'concept'")["complexity"].notna().sum()
    points = redundancy_points(tables.complexity, tables.redundancy).query("epoch == @REFERENCE and level == 0.5")
    assert points["kind"].value_counts().to_dict() == {"concept": alive, "random_direction": 100}
    np.testing.assert_allclose(points["high"] - points["low"], 2 * 0.01 / np.sqrt(19))  # 20 masks, deviation 0.01
    sigma = sensitivity_points(tables.complexity, tables.sensitivity)
    np.testing.assert_allclose(sigma["high"] / sigma["value"], 1.2)
    assert set(sparsity_points(tables.complexity, tables.concepts)["kind"]) == {"concept"}
    assert redundancy_points(no_rows().complexity, no_rows().redundancy).empty


def test_random_directions_have_the_sparsity_of_drawn_ones():
    by_chance = float(hoyer(random_atoms(4000, 64, seed=1)).mean())
    assert hoyer_by_chance(study_with_properties().layers) == pytest.approx(by_chance, abs=0.002)
    assert np.isnan(hoyer_by_chance(no_rows().layers))


def test_the_lines_of_a_panel_carry_the_correlations_of_concepts_and_of_random_directions():
    tables = study_with_properties()
    points = sensitivity_points(tables.complexity, tables.sensitivity).query("epoch == @REFERENCE and level == 0.5")
    raw, partial = raw_and_partial(tables.correlations, epoch=REFERENCE, y="sensitivity", level=0.5)
    directions = points.query("kind == 'random_direction'")
    control = Estimate(*correlation(directions["complexity"].to_numpy(), directions["value"].to_numpy(), seed=0))
    lines = panel_lines(
        tables.correlations, points, epoch=REFERENCE, y="sensitivity", level=0.5, level_name="much noise"
    )
    assert lines == [
        f"epoch {REFERENCE}",
        "much noise",
        f"Spearman {raw}",
        f"partial {partial}",
        f"random directions {control}",
        f"their median sensitivity {directions['value'].median():.3g}",
    ]
