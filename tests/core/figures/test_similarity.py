import numpy as np
import pandas as pd

from featcx_core.figures.direction_paths import signal_and_noise
from featcx_core.figures.projection import projection_curves
from featcx_core.figures.similarity import convergence_curves, layer_maps
from featcx_core.figures.similarity_between import similarity_figures
from tests.core.figures.drawn import is_drawn, texts
from tests.core.findings.synthetic_similarity import to_end
from tests.core.findings.test_projection import rows as projections
from tests.core.findings.test_similarity import BOTTOM_UP
from tests.core.findings.test_similarity_between import RANDOM, TRUE, within


def maps(epochs=(0, 4)):
    """Similarities of two layers at some epochs; those of a constant layer are not known."""
    about = {"study_a": "", "study_b": "", "measure": "cka", "centring": "plain"}
    return pd.DataFrame(
        [
            {**about, "epoch_a": epoch, "epoch_b": epoch, "layer_a": a, "layer_b": b, "calibrated": value}
            for epoch in epochs
            for a, b, value in (("x", "x", 1.0), ("x", "y", 0.5), ("y", "x", 0.5), ("y", "y", np.nan))
        ]
    )


def test_maps_show_the_first_and_the_last_epoch():
    figure = layer_maps(pd.concat([maps((0, 2, 4)), to_end(BOTTOM_UP)]))["layers"]
    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in panels] == ["CKA\nepoch 0", "CKA\nepoch 4"]
    np.testing.assert_array_equal(panels[0].images[0].get_array().filled(-1), [[1, 0.5], [0.5, -1]])
    assert is_drawn(figure)
    assert "nothing to show" in texts(layer_maps(to_end(BOTTOM_UP))["layers"])


def test_curves_have_a_line_for_each_layer():
    figure = convergence_curves(pd.concat([to_end(BOTTOM_UP), maps()]))["over_training"]
    lines = figure.axes[0].lines
    assert len(lines) == 3
    np.testing.assert_allclose(lines[2].get_ydata(), (np.array(BOTTOM_UP)[:, 2] - 0.2) / 0.8)
    assert is_drawn(figure)
    assert "nothing to show" in texts(convergence_curves(maps())["over_training"])


def test_directions_show_the_mean_of_each_set():
    about = {"layer": "stem", "chance": 0.1, "chosen_at": 1, "n_directions": 2}
    rows = pd.DataFrame(
        [{**about, "epoch": e, "rank": r, "signal": 1 - r / 10, "noise": 0.3} for e in (0, 1, 2) for r in (1, 2)]
    )
    figure = signal_and_noise(rows)["over_training"]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), 0.85)
    assert is_drawn(figure)
    assert "nothing to show" in texts(signal_and_noise(rows.iloc[:0])["over_training"])


def test_projections_have_a_line_for_each_basis():
    rows = projections(svcca=(0.5, 0.9), random_units=(0.1, 0.3, 1.0), most_active_units=(0.2, 0.2, 1.0))
    figure = projection_curves(rows.assign(low=rows["accuracy"], high=rows["accuracy"]))["by_directions"]
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [[0.5, 0.9], [0.2, 0.2, 1.0], [0.1, 0.3, 1.0]]
    assert is_drawn(figure)
    assert "nothing to show" in texts(projection_curves(rows.iloc[:0])["by_directions"])


def test_groups_of_studies_have_a_line_for_each_value():
    settings = {"data.corruption.labels": {"a": "0.0", "b": "random"}}
    figures = similarity_figures(within(TRUE, RANDOM), settings)
    (figure,) = figures.values()
    assert [*figures] == ["alike_by_data_corruption_labels"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["0.0 (3 studies)", "random (3 studies)"]
    assert is_drawn(figure)
    assert similarity_figures(pd.DataFrame(), settings) == {}
