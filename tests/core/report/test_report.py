import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from featcx_core import report
from featcx_core.figures.canvas import nothing_to_show, png
from featcx_core.findings.claim import Claim
from featcx_core.findings.claims import claims
from featcx_core.findings.correlations import correlation
from featcx_core.findings.rule import Marks
from featcx_core.report.report import ALTERNATIVE_TEXTS, FurtherAnalysis, render_report
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import REFERENCE, study


@pytest.fixture(scope="module")
def html() -> str:
    picture = png(nothing_to_show("Why?", "a test"), dots_per_inch=30)
    return render_report(
        study(),
        study="mnist",
        facts={"data": "5,000 digits <b>& more</b>"},
        reference_epoch=REFERENCE,
        figures=dict.fromkeys(ALTERNATIVE_TEXTS, picture),
    )


class Outline(HTMLParser):
    """Headings, pictures and open tags of a page."""

    def __init__(self):
        super().__init__()
        self.levels, self.images, self.open, self.links, self.ids = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img":
            self.images.append(attributes)
        self.links += [attributes["href"]] if "href" in attributes else []
        self.ids += [attributes["id"]] if "id" in attributes else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_is_one_file_with_headings_in_order_and_alternative_texts(html):
    page = Outline()
    page.feed(html)
    assert page.open == []
    assert page.levels[0] == 1
    assert page.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.levels, page.levels[1:], strict=False))
    assert len(page.images) == len(ALTERNATIVE_TEXTS)
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in page.images)
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= {*page.ids, "explorer/index.html"}
    assert "<script" not in html
    assert not re.search(r"https?://", html)


def test_page_tells_every_claim_with_its_numbers(html):
    for claim in claims(study(), reference_epoch=REFERENCE):
        assert claim.statement.split("'")[0] in html
    assert str(correlation(study().correlations, epoch=REFERENCE, y="importance")) in html
    assert "kkt residual" in html
    assert "3.1e-07" in html
    assert ">nan<" not in html.lower()


def test_page_shows_the_marks_of_every_claim_that_was_measured(html):
    answers = {"yes": "✓", "no": "✗", "open": "?", "missing": "–"}
    for claim in claims(study(), reference_epoch=REFERENCE):
        for name, answer in claim.answers if claim.verdict != "not measured" else ():
            assert f"<span>{answers[answer]} {name}</span>" in html
    empty = render_report(no_rows(), study="mnist", facts={}, reference_epoch=REFERENCE, figures={})
    assert '<p class="marks">' not in empty


def test_page_escapes_what_it_was_told(html):
    assert "5,000 digits &lt;b&gt;&amp; more&lt;/b&gt;" in html


def test_page_of_an_empty_study_promises_nothing():
    html = render_report(no_rows(), study="mnist", facts={}, reference_epoch=REFERENCE, figures={})
    assert html.count("was not made") == len(ALTERNATIVE_TEXTS) - 1  # pictures of concepts only on request
    assert 'add <code>"visualisation"</code>' in html
    assert "✓ holds here" not in html
    assert "nan" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL).lower().replace("nance", "")


def test_page_refuses_pictures_without_a_place_and_rows_of_another_study():
    options = {"study": "mnist", "facts": {}, "reference_epoch": REFERENCE}
    with pytest.raises(ValueError, match=r"wanted figures named .*, got a_mystery"):
        render_report(study(), **options, figures={"a_mystery": b""})
    with pytest.raises(ValueError, match="wanted rows of study other in epochs, got mnist; try filtering by study"):
        render_report(study(), **options | {"study": "other"}, figures={})


def test_further_analyses_stand_on_the_page_with_their_claims_and_pictures():
    claim = Claim("Units fade.", Marks("yes", {"depth": "open"}), "By 0.3.")
    analysis = FurtherAnalysis("fading", "How units fade.", "fading", 7, {"by_unit": b"png"}, (claim,))
    options = {"study": "mnist", "facts": {}, "reference_epoch": REFERENCE, "figures": {}}
    html = render_report(study(), **options, further=[analysis])
    for wanted in (
        "<h3>fading</h3>",
        "7 rows",
        "Units fade.",
        "? depth",
        "Holds here in part",
        'alt="by_unit of fading"',
    ):
        assert wanted in html
    assert '<a href="#further">' in html
    assert '<a href="#further">' not in render_report(study(), **options)


def test_template_has_a_place_for_every_picture():
    template = (Path(str(report.__file__)).parent / "report.html.j2").read_text()
    assert set(re.findall(r'picture\("(\w+)"\)', template)) == set(ALTERNATIVE_TEXTS)


def test_the_explorer_is_linked_where_there_is_one(html):
    options = {"study": "mnist", "facts": {}, "reference_epoch": REFERENCE, "figures": {}}
    assert html.count("explorer/index.html") == 2
    assert "explorer" not in render_report(study(), **options, has_explorer=False)


def test_further_analyses_show_the_claims_of_their_declarations():
    claim = Claim("Layers converge.", Marks("yes", {"by another measure": "no"}), "by 0.3.")
    analysis = FurtherAnalysis("convergence", "How layers converge.", "similarity", 12, {"curves": b"PNG"}, [claim])
    options = {"study": "mnist", "facts": {}, "reference_epoch": REFERENCE, "figures": {}}
    page = render_report(no_rows(), **options, further=[analysis])
    place = page[page.index('id="further"') :]
    assert "◐ partly</span> Layers converge." in place
    assert "✗ by another measure" in place
    assert "Holds here in part: by another measure, no. by 0.3." in place
    assert '<a href="#further">' in page
    assert '<a href="#further">' not in render_report(no_rows(), **options)
