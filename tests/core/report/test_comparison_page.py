import base64

from featcx_core.findings.claim import unmeasured
from featcx_core.findings.comparison import by_value
from featcx_core.findings.generalising import answer_of_groups
from featcx_core.findings.memorising_claims import memorising_claims
from featcx_core.measures.comparison import compare
from featcx_core.report.comparison_page import GeneralisingSection, SimilaritySection, render_comparison
from tests.core.findings.signs_of import groups, rows
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


def test_the_page_says_how_alike_the_networks_are():
    settings = grid()
    comparison = compare(measured(settings), settings)
    section = SimilaritySection(
        [unmeasured("Networks are alike.", "not measured.")],
        [("seed", "CKA", "0.75", "0.20", "0.10", "6")],
        ["a and b"],
    )
    options = {"name": "mine", "left_out": {}, "reports": {}}
    figures = {"differences": b"PNG", "alike_by_seed": b"ALIKE"}
    page = render_comparison(comparison, settings, **options, figures=figures, similarity=section)
    place = page[page.index('id="alike"') :]
    assert "<strong>Networks are alike.</strong> Not measured." in place
    assert "<td>0.75</td>" in place
    assert base64.b64encode(b"ALIKE").decode() in place
    assert "a and b." in place
    assert 'id="alike"' not in render_comparison(comparison, settings, **options, figures=figures)


def test_the_page_says_whether_the_networks_generalise():
    settings, of = grid(), groups()
    comparison = compare(measured(settings), settings)
    signs = rows(of)
    section = GeneralisingSection(answer_of_groups(signs, of), memorising_claims(signs, of))
    options = {"name": "mine", "left_out": {}, "reports": {}}
    figures = {"differences": b"PNG", "generalising": b"SIGNS"}
    page = render_comparison(comparison, settings, **options, figures=figures, generalising=section)
    place = page[page.index('id="generalising"') : page.index('id="differences"')]
    assert "<strong>Networks of 100 % random labels are right on 100 %" in place
    assert "Not all signs tell: not decided: selectivity." in place
    assert base64.b64encode(b"SIGNS").decode() in place
    assert "<td>0.10 (0.08 to 0.12)</td>" in place
    assert "<strong>Layers converge bottom-up.</strong> Holds here." in place
    assert 'id="generalising"' not in render_comparison(comparison, settings, **options, figures=figures)
