import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from featcx_core import report
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.figures.canvas import nothing_to_show
from featcx_core.figures.vector import read_svg, svg
from featcx_core.findings.claim import Claim
from featcx_core.findings.claims import claims
from featcx_core.findings.correlations import correlation
from featcx_core.findings.rule import Marks
from featcx_core.report.report import ALTERNATIVE_TEXTS, SOURCES, FurtherAnalysis, Look, Strip, render_report
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import REFERENCE, study
from tests.core.findings.synthetic_properties import study_with_properties


def drawing(name: str):
    """An empty figure as the page takes it."""
    return read_svg(svg(nothing_to_show("Why?", "a test"), name=name))


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(
        study_with_properties(),
        study="mnist",
        facts={"data": "5,000 digits <b>& more</b>"},
        reference_epoch=REFERENCE,
        figures={name: drawing(name) for name in ALTERNATIVE_TEXTS},
        look=Look({0: "mostly 4 (6 of 8), also 2"}, [Strip(0, "mostly 4 (6 of 8), also 2", "0.30", "0.20", [])]),
    )


class Outline(HTMLParser):
    """Headings, pictures and open tags of a page."""

    def __init__(self):
        super().__init__()
        self.levels, self.images, self.open, self.links, self.ids = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in ("meta", "img", "br") and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if "aria-label" in attributes and "picture" in attributes.get("class", ""):
            self.images.append(attributes["aria-label"])
        self.links += [attributes["href"]] if tag == "a" and "href" in attributes else []
        self.ids += [attributes["id"]] if "id" in attributes else []

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_is_one_file_with_headings_in_order_and_alternative_texts(html):
    page = Outline()
    page.feed(html)
    assert page.open == []
    assert page.levels[0] == 1
    assert page.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.levels, page.levels[1:], strict=False))
    without_inhibitors = {words for name, words in ALTERNATIVE_TEXTS.items() if name != "inhibitors"}
    assert {*page.images} == without_inhibitors  # the study has none
    assert len(page.ids) == len(set(page.ids))
    files = {f"figures/{name}.png" for name in ALTERNATIVE_TEXTS}
    concepts = {link for link in page.links if re.fullmatch(r"explorer/index\.html#concept/\d+", link)}
    assert concepts
    assert {link.removeprefix("#") for link in page.links} <= {*page.ids, "explorer/index.html", *files, *concepts}
    assert "<script" not in html
    assert not re.search(r"""(?:src|href)=["']https?://""", html)


def test_first_screen_says_what_the_network_relies_on_and_how_sure_that_is(html):
    first = html[: html.index("<nav")]
    for wanted in (
        "<h1>The network relies on complex concepts.</h1>",
        "It is 99.7\N{NO-BREAK SPACE}% without the 35 simplest, 99.7\N{NO-BREAK SPACE}% without 35 at random, and 86.0",
        "(95\N{NO-BREAK SPACE}%: 13 to 15\N{NO-BREAK SPACE}%) more of the images are wrong than without as many at random.",
        "concepts are half readable by ",
        "concepts are there to stay by epoch ",
        "<strong>How sure:</strong> shuffled control 0.003",
        "<strong>Caution:</strong> 3 of 100 concepts",
        '<a href="explorer/index.html#concept/0">',
        "mostly 4 (6 of 8), also 2",
    ):
        assert wanted in first, wanted
    assert 'class="unknown"' not in first


def test_predictions_that_are_not_kept_stand_first_and_reliance_is_left_out():
    tables = study_with_properties()
    lost = tables._replace(dictionaries=tables.dictionaries.assign(predictions_kept_fraction=0.73))
    html = render_report(lost, study="mnist", facts={}, reference_epoch=REFERENCE, figures={})
    assert html.index("keep only 73.0") < html.index("<h1>It is not known what the network relies on.</h1>")
    assert "without the 35 simplest" not in html
    assert "More dictionary images help most" in html[: html.index("<nav")]


def test_one_checkpoint_has_no_curves_of_one_point():
    tables = study_with_properties()
    kept = {"epochs": tables.epochs.query("epoch in (0, @REFERENCE)"), "sedimentation": tables.sedimentation.iloc[:0]}
    one = tables._replace(**kept, concept_paths=tables.concept_paths.query("epoch == @REFERENCE"))
    figures = {name: drawing(name) for name in ("concept_paths", "sedimentation_curves", "training_curves")}
    html = render_report(one, study="mnist", facts={}, reference_epoch=REFERENCE, figures=figures)
    assert "There is one trained checkpoint." in html[: html.index("<h1>")]
    assert "Not known: it takes two trained checkpoints or more." in html
    assert not any(f'id="{name}"' in html for name in figures)
    assert "learned at" not in html


def test_intervals_are_words_and_never_pairs_of_brackets(html):
    text = re.sub(r"<(style|svg|pre|code)\b.*?</\1>", "", html, flags=re.DOTALL)
    assert not re.findall(r"[\[{⟨]−?\d+\.\d+, −?\d+\.\d+[\]}⟩]", text)
    assert re.search(r"\(95\s%: −?\d\.\d+ to −?\d\.\d+\)", text)


def test_page_tells_every_claim_with_its_numbers(html):
    for claim in claims(study_with_properties(), reference_epoch=REFERENCE):
        assert claim.statement.split("'")[0].replace(" %", "\N{NO-BREAK SPACE}%") in html
    relation = correlation(study_with_properties().correlations, epoch=REFERENCE, y="importance")
    for words in (str(relation), relation.full):
        assert words.replace(" %", "\N{NO-BREAK SPACE}%") in html
    assert "kkt residual" in html
    assert "3.1e-07" in html
    assert ">nan<" not in html.lower()


def test_page_shows_the_marks_of_every_claim_that_was_measured(html):
    answers = {"yes": "✓", "no": "✗", "open": "?", "missing": "–"}
    for claim in claims(study_with_properties(), reference_epoch=REFERENCE):
        for name, answer in claim.answers if claim.verdict != "not measured" else ():
            assert f"<li>{answers[answer]} {name}</li>" in html
    empty = render_report(no_rows(), study="mnist", facts={}, reference_epoch=REFERENCE, figures={})
    assert '<ul class="marks">' not in empty


def test_page_escapes_what_it_was_told(html):
    assert "5,000 digits &lt;b&gt;&amp; more&lt;/b&gt;" in html


def test_page_of_an_empty_study_promises_nothing():
    html = render_report(no_rows(), study="mnist", facts={}, reference_epoch=REFERENCE, figures={})
    assert "was not made" in html
    assert "<h1>What the network relies on was not measured.</h1>" in html
    assert 'add <code>"visualisation"</code>' in html
    assert "✓ holds here" not in html
    assert "nan" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL).lower().replace("nance", "")


def test_page_refuses_pictures_without_a_place_and_rows_of_another_study():
    options = {"study": "mnist", "facts": {}, "reference_epoch": REFERENCE}
    with pytest.raises(ValueError, match=r"wanted figures named .*, got a_mystery"):
        render_report(study(), **options, figures={"a_mystery": drawing("a_mystery")})
    with pytest.raises(ValueError, match="wanted rows of study other in epochs, got mnist; try filtering by study"):
        render_report(study(), **options | {"study": "other"}, figures={})


def test_further_analyses_are_folded_with_their_claims_and_pictures():
    claim = Claim("Units fade.", Marks("yes", {"depth": "open"}), "By 0.3.")
    analysis = FurtherAnalysis("fading_units", "How units fade.", "fading", 7, {"by_unit": drawing("x")}, (claim,))
    options = {"study": "mnist", "facts": {}, "reference_epoch": REFERENCE, "figures": {}}
    html = render_report(study(), **options, further=[analysis])
    place = html[html.index('id="more"') :]
    for wanted in (
        "<summary>Fading units</summary>",
        "7 rows",
        "◐ partly</span> Units fade.",
        "? depth",
        "Holds here in part: depth, not decided. By 0.3.",
        'aria-label="by_unit of fading_units"',
    ):
        assert wanted in place
    on_memorising = analysis._replace(is_on_memorising=True)
    html = render_report(study(), **options, further=[on_memorising])
    assert "Fading units" in html[html.index('id="generalising"') : html.index('id="trust"')]
    assert "Fading units" not in html[html.index('id="more"') :]


def test_template_has_a_place_for_every_picture():
    template = (Path(str(report.__file__)).parent / "report.html.j2").read_text()
    named = re.findall(r'(?:picture|folded)\("(\w+)"', template) + re.findall(r'pictures\["(\w+)"\]', template)
    assert set(named) == set(ALTERNATIVE_TEXTS)
    assert set(SOURCES) <= set(ALTERNATIVE_TEXTS)
    assert set(SOURCES.values()) <= {*catalogue().tables}


def test_the_explorer_is_linked_where_there_is_one(html):
    options = {"study": "mnist", "facts": {}, "reference_epoch": REFERENCE, "figures": {}}
    assert "explorer/index.html#concept/" in html
    assert "explorer" not in render_report(study(), **options, has_explorer=False)


def test_an_inhibitor_figure_without_inhibitors_is_a_sentence():
    tables = study_with_properties()
    options = {"study": "mnist", "facts": {}, "reference_epoch": REFERENCE, "figures": {"inhibitors": drawing("i")}}
    assert 'id="inhibitors"' not in render_report(tables, **options)
    some = tables._replace(importance=tables.importance.assign(signed_importance=-0.1))
    assert 'id="inhibitors"' in render_report(some, **options)
