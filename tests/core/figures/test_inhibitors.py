from featcx_core.figures.inhibitors import inhibitors
from tests.core.figures.drawn import texts
from tests.core.findings.test_inhibitors import contributions


def test_inhibitors_are_listed():
    written = texts(inhibitors(contributions([(1.0, 0.5), (1.0, -0.5), (2.0, 2.0)]), epoch=3))
    assert "strongest inhibitors" in written
    assert "class1" in written
    assert "class0" not in written


def test_without_inhibitors_the_most_divided_concepts_are_listed():
    written = texts(inhibitors(contributions([(1.0, 0.5), (0.0, 0.0), (2.0, 2.0)]), epoch=3))
    assert "none below 0" in written
    assert "25 %" in written
