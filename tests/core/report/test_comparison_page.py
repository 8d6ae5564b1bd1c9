from featcx_core.findings.comparison import by_value
from featcx_core.measures.comparison import compare
from featcx_core.report.comparison_page import render_comparison
from tests.core.measures.test_comparison import grid, measured


def test_the_page_has_the_numbers_of_its_tables():
    settings = grid()
    comparison = compare(measured(settings), settings)
    left_out = {"gone": "no study 'gone'"}
    page = render_comparison(
        comparison, settings, name="mine", figures={"differences": b"PNG"}, left_out=left_out, reports={}
    )
    assert by_value(comparison, settings, field="schedule").rows[0][3] in page
    assert "Left out: gone (no study &#39;gone&#39;)." in page
    assert "other initial weights" in page


def test_the_page_says_what_cannot_be_told():
    settings = {"a": {"x": "1", "y": "2"}, "b": {"x": "3", "y": "4"}}
    values = measured({"schedule": {"x": "s", "y": "s"}})
    page = render_comparison(
        compare(values, settings), settings, name="mine", figures={}, left_out={}, reports={"x": "../x.html"}
    )
    assert "also differ in b in just the same way" in page
    assert '<a href="../x.html">x</a>' in page
