import numpy as np
from matplotlib.figure import Figure

from featcx_core.figures.canvas import png
from featcx_core.figures.relations import complexity_against_decode_time, complexity_against_importance
from tests.core.figures.drawn import is_png, texts
from tests.core.findings.synthetic import REFERENCE, study


def test_importance_panels_carry_their_correlations_and_keep_zeros_on_the_log_axis():
    tables = study()
    figure = complexity_against_importance(
        tables.complexity, tables.importance, tables.correlations, epochs=[0, 1, REFERENCE, 99]
    )
    panels = [axes for axes in figure.axes if axes.get_xlabel().startswith("K ")]
    assert [axes.get_title(loc="left").split("\n")[0] for axes in panels] == [
        "epoch 0 (before training)",
        "epoch 1",
        "epoch 12",
    ]
    assert all("Spearman" in axes.get_title(loc="left") and "partial" in axes.get_title(loc="left") for axes in panels)
    for axes in panels:
        assert sum(len(marks.get_offsets()) for marks in axes.collections) == 97
        assert min(marks.get_offsets()[:, 1].min() for marks in axes.collections if len(marks.get_offsets())) > 0
    assert "importance exactly 0 (6)" in texts(figure)


def test_all_importances_zero():
    tables = study()
    nothing = tables.importance.assign(importance=0.0)
    figure = complexity_against_importance(tables.complexity, nothing, tables.correlations.iloc[:0], epochs=[REFERENCE])
    assert is_png(png(figure, dots_per_inch=50))
    assert "Spearman –" in texts(figure)


def test_decode_time_takes_the_complexity_of_its_own_reference_epoch():
    tables = study()
    figure = complexity_against_decode_time(tables.complexity, tables.decode_time, tables.correlations, tables.epochs)
    points = np.concatenate([marks.get_offsets() for marks in figure.axes[0].collections])
    assert len(points) == 97
    k = tables.complexity.query("epoch == @REFERENCE and kind == 'concept'")["complexity"].dropna()
    np.testing.assert_allclose(np.sort(points[:, 1]), np.sort(k))
    assert "Pearson" in texts(figure)


def test_few_first_epochs_have_a_colour_each_and_many_a_bar():
    tables = study()

    def drawn(first: list[float]) -> Figure:
        late = tables.decode_time.assign(first_epoch=np.resize(first, len(tables.decode_time)))
        return complexity_against_decode_time(tables.complexity, late, tables.correlations, tables.epochs)

    few = drawn([1, 2, np.nan])
    assert len(few.axes) == 1
    labels = few.axes[0].get_legend_handles_labels()[1]
    assert [label.split(" (")[0] for label in labels] == ["never", "1", "2"]
    assert sum(int(label.split("(")[1].rstrip(")")) for label in labels) == 97
    many = drawn([*range(1, 9)])
    assert [axes.get_ylabel() for axes in many.axes[1:]] == ["first epoch with half of its information"]
    assert many.axes[0].get_legend() is None


def test_dead_concepts_only_say_so():
    tables = study()
    dead = tables.complexity.assign(complexity=np.nan)
    against_importance = complexity_against_importance(dead, tables.importance, tables.correlations, epochs=[REFERENCE])
    against_decode_time = complexity_against_decode_time(dead, tables.decode_time, tables.correlations, tables.epochs)
    assert "nothing to show" in texts(against_importance)
    assert "nothing to show" in texts(against_decode_time)
