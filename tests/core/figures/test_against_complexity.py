from featcx_core.figures.against_complexity import against_complexity
from featcx_core.findings.properties import redundancy_points
from tests.core.figures.drawn import texts
from tests.core.findings.synthetic import REFERENCE
from tests.core.findings.synthetic_properties import ENDS, study_with_properties


def drawn(points, **options):
    return against_complexity(
        "Why?",
        points,
        study_with_properties().correlations,
        y="redundancy",
        level=lambda share: f"level {share:g}",
        reason="nobody measured it",
        **{"epochs": ENDS} | options,
    )


def points_of_redundancy():
    tables = study_with_properties()
    return redundancy_points(tables.complexity, tables.redundancy)


def test_rows_are_epochs_and_columns_levels():
    figure = drawn(points_of_redundancy())
    first_lines = [axes.get_title(loc="left").split("\n")[:2] for axes in figure.axes]
    levels = ["level 0.1", "level 0.5", "level 0.9"]
    names = ["epoch 0 (before training)", f"epoch {REFERENCE}"]
    assert first_lines == [[name, level] for name in names for level in levels]


def test_across_puts_the_epochs_side_by_side():
    middle = points_of_redundancy().query("level == 0.5")
    assert [axes.get_ylabel() for axes in drawn(middle, across=True).axes] == ["redundancy", ""]


def test_without_points_it_says_why():
    assert "nobody measured it" in texts(drawn(points_of_redundancy(), epochs=[3]))
