import json
import re
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from featcx_core import report
from featcx_core.figures.canvas import nothing_to_show, png
from featcx_core.findings import claims as paper
from featcx_core.findings.evidence import (
    CONTROLS,
    NOT_MEASURED,
    Estimate,
    correlation,
    difference,
    judge,
    number,
    smallest_top_group,
    verdict,
    weigh,
)
from featcx_core.findings.headlines import headlines
from featcx_core.findings.study_tables import StudyTables
from featcx_core.findings.summary import concept_rows, control_rows, questions
from featcx_core.report.report import ALTERNATIVE_TEXTS, render_report
from tests.core.figures.test_figures import REFERENCE, frame, no_rows, synthetic_tables, with_means

NEGATIVE, POSITIVE = Estimate(-0.6, -0.7, -0.4, 97), Estimate(0.6, 0.4, 0.7, 97)
OPEN, SMALL = Estimate(-0.2, -0.5, 0.1, 97), Estimate(0.02, -0.15, 0.2, 97)


@pytest.fixture(scope="module")
def tables() -> StudyTables:
    return synthetic_tables()


@pytest.fixture(scope="module")
def html(tables) -> str:
    picture = png(nothing_to_show("Why?", "a test"), dots_per_inch=30)
    return render_report(
        tables,
        study="mnist",
        facts={"data": "5,000 digits <b>& more</b>"},
        reference_epoch=REFERENCE,
        figures=dict.fromkeys(ALTERNATIVE_TEXTS, picture),
    )


@pytest.mark.parametrize(
    ("interval", "expected", "said"),
    [
        ((-0.5, -0.7, -0.2), "negative", "holds here"),
        ((-0.5, -0.7, -0.2), "positive", "does not hold here"),
        ((0.5, 0.2, 0.7), "positive", "holds here"),
        ((0.5, 0.2, 0.7), "negative", "does not hold here"),
        ((-0.9, -0.99, 0.0), "negative", "not decided: the interval includes zero"),
        ((0.0, -0.2, 0.2), "zero", "holds here"),
        ((0.0, -0.4, 0.2), "zero", "not decided: the interval includes zero"),
        ((0.02, 0.01, 0.03), "zero", "does not hold here"),
        ((np.nan, -0.2, 0.2), "negative", "not measured"),
        ((-0.5, np.nan, np.nan), "negative", "not measured"),
    ],
)
def test_verdict_says_no_more_than_the_interval_allows(interval, expected, said):
    assert verdict(*interval, expected=expected) == said


@pytest.mark.parametrize(
    ("concepts", "images", "expected", "said"),
    [
        ((0.05, 0.28), (-0.02, 0.22), "zero", "not decided"),  # a trend over concepts, which noise over images hides
        ((-0.1, 0.2), (-0.05, 0.25), "zero", "holds here"),
        ((0.05, 0.28), (0.01, 0.3), "zero", "does not hold here"),
        ((0.05, 0.28), (-0.02, 0.22), "positive", "not decided"),
        ((0.05, 0.28), (0.02, 0.22), "positive", "holds here"),
        ((0.05, 0.28), (np.nan, np.nan), "positive", "holds here"),
    ],
)
def test_both_intervals_decide(concepts, images, expected, said):
    assert judge(Estimate(0.17, *concepts, 99, *images), expected=expected).startswith(said)


def test_verdict_refuses_an_interval_upside_down():
    with pytest.raises(ValueError, match=r"wanted an interval with low <= high, got low=0.5, high=-0.5"):
        verdict(0.0, 0.5, -0.5, expected="zero")


@pytest.mark.parametrize(
    ("raw", "partial", "expected", "status", "words"),
    [
        (NEGATIVE, NEGATIVE, "negative", "seen", "raw and with prevalence and variance held fixed"),
        (NEGATIVE, OPEN, "negative", "partly", "it may be prevalence and variance"),
        (NEGATIVE, POSITIVE, "negative", "partly", "the sign turns"),
        (NEGATIVE, NOT_MEASURED, "negative", "partly", "not measured with prevalence"),
        (
            OPEN,
            NEGATIVE,
            "negative",
            "undecided",
            "not decided: the interval includes zero (raw correlation); holds here (with",
        ),
        (POSITIVE, NEGATIVE, "negative", "absent", "does not hold here (raw correlation); holds here (with"),
        (NOT_MEASURED, NEGATIVE, "negative", "missing", "not measured (raw correlation)"),
        (OPEN, OPEN, "negative", "undecided", "not decided: the interval includes zero (raw, and with prevalence"),
        (SMALL, SMALL, "zero", "seen", "holds here"),
        (
            SMALL,
            NEGATIVE,
            "zero",
            "absent",
            "there is a trend with prevalence and variance held fixed; in the raw",
        ),
        (SMALL, OPEN, "zero", "undecided", "not decided"),
        (OPEN, NEGATIVE, "zero", "absent", "there is a trend"),
        (SMALL, NOT_MEASURED, "zero", "partly", "not measured with"),
        (NEGATIVE, SMALL, "zero", "absent", "there is a trend"),
    ],
)
def test_the_weaker_of_raw_and_partial_decides(raw, partial, expected, status, words):
    found, sentence = weigh(raw, partial, expected=expected)
    assert found == status
    assert words in sentence


def test_the_explorer_is_linked_where_there_is_one(tables, html):
    given = {"study": "mnist", "facts": {}, "reference_epoch": REFERENCE, "figures": {}}
    assert html.count("explorer/index.html") == 2
    assert "explorer" not in render_report(tables, **given, has_explorer=False)


@pytest.mark.parametrize(("low", "verdict_"), [(0.45, "not decided"), (0.5, "holds here")])
def test_bands_that_overlap_widely_leave_a_difference_undecided(low, verdict_):
    change = difference(Estimate(0.6, low, 0.7, 10), Estimate(0.45, 0.4, 0.55, 10))
    assert verdict(change.value, change.low, change.high, expected="negative").startswith(verdict_)


def test_a_difference_has_the_interval_of_simulated_independent_means():
    chance = np.random.default_rng(0)
    first, last = chance.normal(0.0, 0.3, 200_000), chance.normal(1.0, 0.4, 200_000)
    ends = [np.quantile(draws, [0.025, 0.975]) for draws in (first, last)]
    found = difference(Estimate(0.0, *ends[0], 9), Estimate(1.0, *ends[1], 9))
    np.testing.assert_allclose(found[1:3], np.quantile(last - first, [0.025, 0.975]), atol=0.01)


def test_numbers_are_written_with_a_real_minus_and_a_dash():
    assert str(Estimate(-0.5, -0.75, 0.001, 9)) == "−0.50 [−0.75, 0.001]"
    assert str(NOT_MEASURED) == "–"
    assert number(float("inf")) == "–"


def test_correlation_finds_its_row_or_nothing(tables):
    raw = correlation(tables.correlations, epoch=REFERENCE, y="importance")
    partial = correlation(tables.correlations, epoch=REFERENCE, y="importance", controls=CONTROLS)
    assert raw.value < partial.value < 0
    assert correlation(tables.correlations, epoch=77, y="importance").n == 0


def correlations(*, raw: tuple, partial: tuple, y: str, epoch: int = REFERENCE) -> pd.DataFrame:
    rows = [
        {"epoch": epoch, "x": "complexity", "y": y, "method": "spearman", "controls": controls}
        | dict(zip(("value", "low", "high"), values, strict=True))
        for controls, values in (("", raw), (CONTROLS, partial))
    ]
    return frame("correlations", rows)


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        ((0.5, 0.4, 0.6), "seen", "between 0.25 and 0.75"),
        ((0.7, 0.4, 0.9), "undecided", "too wide"),
        ((0.2, 0.1, 0.3), "partly", "below 0.5"),
        ((0.9, 0.8, 0.95), "partly", "above 0.5"),
        ((0.1, -0.1, 0.3), "undecided", "includes zero"),
        ((-0.4, -0.5, -0.3), "absent", "does not hold here"),
    ],
)
def test_decode_time_claim_needs_sign_and_strength(raw, status, words):
    tables = no_rows()._replace(correlations=correlations(raw=raw, partial=raw, y="decode_time"))
    found = paper.complex_is_late(tables, reference_epoch=REFERENCE)
    assert found.status == status
    assert words in found.finding
    assert "share one term" in found.finding


@pytest.mark.parametrize(
    ("final", "words"), [((0.9, 0.5, 0.1), "how well rather than when"), ((0.1, 0.9, 0.5), "is 0.50.")]
)
def test_decode_time_claim_says_how_far_it_is_only_how_well(final, words):
    late = [
        {"reference_epoch": REFERENCE, "concept": i, "decode_time": x, "first_epoch": e}
        for i, (x, e) in enumerate([(0.1, 1), (0.5, 2), (0.9, 2)])
    ]
    own = [
        {"epoch": REFERENCE, "dictionary_epoch": REFERENCE, "layer": "l1", "kind": "concept", "concept": i,
         "v_information": x}
        for i, x in enumerate(final)
    ]  # fmt: skip
    tables = no_rows()._replace(
        correlations=correlations(raw=(0.5, 0.4, 0.6), partial=(0.5, 0.4, 0.6), y="decode_time"),
        decode_time=frame("decode_time", late),
        v_information=frame("v_information", own),
        layers=frame("layers", [{"layer": "l1", "role": "penultimate"}]),
    )
    found = paper.complex_is_late(tables, reference_epoch=REFERENCE)
    assert found.status == ("partly" if "how well" in words else "seen")
    assert words in found.finding
    assert "half of its final I_V by epoch 2" in found.finding


def test_one_trained_checkpoint_cannot_tell_when():
    tables = no_rows()._replace(
        correlations=correlations(raw=(0.5, 0.4, 0.6), partial=(0.5, 0.4, 0.6), y="decode_time"),
        epochs=frame("epochs", [{"epoch": 0}, {"epoch": REFERENCE}]),
    )
    found = paper.complex_is_late(tables, reference_epoch=REFERENCE)
    assert found.status == "missing"
    assert "with one trained checkpoint Λ cannot tell when" in found.finding


def test_a_bias_to_simple_concepts_that_is_there_before_training_is_not_called_learned():
    trend = {"raw": (-0.5, -0.6, -0.4), "partial": (-0.5, -0.6, -0.4), "y": "importance"}
    table = pd.concat([correlations(**trend, epoch=0), correlations(**trend, epoch=REFERENCE)])
    found = paper.simple_is_important_at_the_end(table, trained=[1, REFERENCE])
    assert found.status == "partly"
    assert "it is there before training too" in found.finding


def test_importance_claims_read_the_first_and_the_last_trained_epoch():
    table = pd.concat(
        [
            correlations(raw=(0.0, -0.1, 0.1), partial=(0.0, -0.1, 0.1), y="importance", epoch=1),
            correlations(raw=(-0.8, -0.9, -0.7), partial=(-0.1, -0.3, 0.1), y="importance", epoch=9),
        ]
    )
    assert paper.no_trend_at_the_beginning(table, trained=[1, 9]).status == "seen"
    end = paper.simple_is_important_at_the_end(table, trained=[1, 9])
    assert end.status == "partly"
    assert "Spearman −0.80 [−0.90, −0.70], partial −0.10 [−0.30, 0.10] (epoch 9" in end.finding
    assert "may be prevalence and variance" in end.finding
    assert paper.no_trend_at_the_beginning(table, trained=[9]).status == "missing"
    assert "hardly the beginning" in paper.no_trend_at_the_beginning(table, trained=[9, 12]).finding
    assert paper.simple_is_important_at_the_end(table, trained=[]).status == "missing"


def curve(values, *, group="all", half=0.01, n=100) -> pd.DataFrame:
    return frame(
        "sedimentation",
        [
            {
                "epoch": epoch,
                "group_name": group,
                "n_concepts": n,
                "mean_complexity": k,
                "low": k - half,
                "high": k + half,
            }
            for epoch, k in enumerate(values)
        ],
    )


@pytest.mark.parametrize(
    ("values", "half", "status", "words"),
    [
        ([0.9, 0.4, 0.6, 0.7, 0.71, 0.71, 0.71], 0.01, "seen", "It plateaus"),
        ([0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 0.01, "partly", "No plateau yet"),
        ([0.9, 0.3, 0.4, 0.5, 0.6, 0.75, 0.6], 0.01, "partly", "moves it by 0.150"),  # to and fro is no plateau
        ([0.9, 0.4, 0.6], 0.01, "partly", "Too few epochs"),
        ([0.1, 0.6, 0.5, 0.4, 0.4], 0.01, "absent", "does not hold here"),  # epoch 0 is no part of it
        ([0.9, 0.4, 0.6, 0.7, 0.7], 0.25, "undecided", "includes zero"),
        ([0.9, 0.4], 0.01, "missing", "two trained epochs"),
    ],
)
def test_mean_complexity_must_rise_and_settle(values, half, status, words):
    found = paper.mean_complexity_rises(curve(values, half=half))
    assert found.status == status
    assert words in found.finding


def test_sedimentation_follows_the_smallest_group_that_is_always_there():
    everywhere = curve([0.5, 0.6, 0.5, 0.3], group="top_10pct", n=11)
    sometimes = curve([0.5, 0.1], group="top_5pct", n=10)
    table = pd.concat([curve([0.5, 0.6, 0.6, 0.6]), everywhere, sometimes])
    assert smallest_top_group(table) == "top_10pct"
    assert paper.important_concepts_become_simpler(table).status == "seen"
    assert paper.important_concepts_become_simpler(curve([0.5, 0.6, 0.3])).status == "missing"


def test_sedimentation_is_not_particular_to_the_important_when_all_concepts_become_simpler():
    table = pd.concat([curve([0.5, 0.6, 0.5]), curve([0.5, 0.6, 0.3], group="top_10pct", n=10)])
    found = paper.important_concepts_become_simpler(table)
    assert found.status == "partly"
    assert "But so do all concepts: mean K 0.60 [0.59, 0.61] at epoch 1" in found.finding


@pytest.mark.parametrize(("share", "status"), [(0.994, "seen"), (0.99, "absent"), (np.nan, "missing")])
def test_dictionary_claim_wants_more_than_99_percent(share, status):
    table = frame("dictionaries", [{"epoch": REFERENCE, "predictions_kept_fraction": share}])
    assert paper.dictionary_keeps_predictions(table, reference_epoch=REFERENCE).status == status


def layer_claim(means, *, control=None, noise=0.02):
    """The claim on three layers, the penultimate last, with 40 concepts about these means."""
    chance = np.random.default_rng(0)
    roles = ["block"] * (len(means) - 1) + ["penultimate"]
    layers = frame("layers", [{"layer": f"l{i}", "depth": i, "role": role} for i, role in enumerate(roles)])
    rows = [
        {"epoch": 1, "layer": f"l{i}", "dictionary_epoch": 1, "kind": kind, "concept": c,
         "v_information": mean + chance.normal(0, noise)}
        for kind, curve in (("concept", means), ("random_direction", control or []))
        for i, mean in enumerate(curve) for c in range(40)
    ]  # fmt: skip
    tables = with_means(no_rows()._replace(v_information=frame("v_information", rows), layers=layers))
    return paper.layers_reveal_progressively(tables.layer_information, layers, reference_epoch=1)


@pytest.mark.parametrize(
    ("means", "control", "status", "words"),
    [
        ([0.1, 0.3, 0.5, 0.7, 0.9], None, "seen", "from l0 to l3"),
        ([0.1, 0.3, 0.5, 0.7, 0.9], [0.1, 0.4, 0.6, 0.8, 0.9], "partly", "random directions rise as much"),
        ([0.1, 0.3, 0.5, 0.7, 0.9], [0.1, 0.2, 0.2, 0.3, 0.9], "seen", "changes by"),
        ([0.1, 0.3, 0.2, 0.5, 0.9], None, "partly", "1 of 3 steps fall"),
        ([0.1, 0.1, 0.1, 0.7, 0.9], None, "partly", "l3 alone brings more than half"),
        ([0.5, 0.5, 0.5, 0.3, 0.9], None, "absent", "does not hold here"),  # the penultimate does not count
        ([0.5, 0.9], None, "missing", "two layers"),
    ],
)
def test_layers_must_reveal_in_steps_and_more_than_the_control(means, control, status, words):
    found = layer_claim(means, control=control)
    assert found.status == status
    assert words in found.finding


def test_headlines_hold_the_studys_numbers(tables):
    found = {headline.name: headline for headline in headlines(tables, reference_epoch=REFERENCE)}
    own = tables.complexity.query("epoch == @REFERENCE and kind == 'concept'")["complexity"]
    assert found["concepts"].value == "100, 97 alive"
    assert found["predictions kept"].value == "99.4 %"
    assert found["mean complexity K"].value.startswith(f"{own.mean():.2f} [")
    without = headlines(tables._replace(sedimentation=tables.sedimentation.iloc[:0]), reference_epoch=REFERENCE)
    assert {headline.name: headline.value for headline in without}["mean complexity K"] == f"{own.mean():.2f}"
    assert float(found["V-information of shuffled codes"].value) < 0.01
    group = found["mean K, most important concepts"]
    assert f"{group.numbers['last_n']} concepts" in group.meaning
    ours = found["K and Γ (importance)"].numbers
    assert ours["low"] <= ours["value"] <= ours["high"]
    empty = headlines(no_rows(), reference_epoch=REFERENCE)
    assert len(empty) == len(found)
    json.dumps([headline.numbers for headline in empty], allow_nan=False)


def test_concept_rows_are_ordered(tables):
    found = concept_rows(tables, reference_epoch=REFERENCE)
    gammas = [float(row.importance) for row in found["most important"]]
    assert gammas == sorted(gammas, reverse=True)
    assert found["simplest"][0].complexity < found["most complex"][0].complexity
    assert all("nan" not in " ".join(map(str, row)) for rows in found.values() for row in rows)


def test_control_rows_hold_every_kind_and_the_untrained_network(tables):
    found = {
        name: (count, complexity) for name, count, complexity, _ in control_rows(tables, reference_epoch=REFERENCE)
    }
    assert set(found) >= {"concept", "random direction", "unit", "class logit", "shuffled"}
    assert found["concept before training (epoch 0)"][0] == 97
    assert float(found["shuffled"][1]) > 0.99


class Outline(HTMLParser):
    """Headings, pictures and open tags of a page."""

    def __init__(self):
        super().__init__()
        self.levels, self.images, self.open, self.links, self.ids = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img":
            self.images.append(found)
        self.links += [found["href"]] if "href" in found else []
        self.ids += [found["id"]] if "id" in found else []

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


def test_page_tells_every_claim_with_its_numbers(tables, html):
    for claim in paper.claims(tables, reference_epoch=REFERENCE):
        assert claim.statement.split("'")[0] in html
    assert str(correlation(tables.correlations, epoch=REFERENCE, y="importance")) in html
    assert "kkt residual" in html
    assert "3.1e-07" in html
    assert ">nan<" not in html.lower()


def test_page_escapes_what_it_was_told(html):
    assert "5,000 digits &lt;b&gt;&amp; more&lt;/b&gt;" in html


def test_page_of_an_empty_study_promises_nothing():
    html = render_report(no_rows(), study="mnist", facts={}, reference_epoch=REFERENCE, figures={})
    assert html.count("was not made") == len(ALTERNATIVE_TEXTS) - 1  # pictures of concepts only on request
    assert 'add <code>"visualisation"</code>' in html
    assert "✓ holds here" not in html
    assert "nan" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL).lower().replace("nance", "")


def test_page_refuses_pictures_without_a_place_and_rows_of_another_study(tables):
    given = {"study": "mnist", "facts": {}, "reference_epoch": REFERENCE}
    with pytest.raises(ValueError, match=r"wanted figures named .*, got a_mystery"):
        render_report(tables, **given, figures={"a_mystery": b""})
    with pytest.raises(ValueError, match="wanted rows of study other in epochs, got mnist; try filtering by study"):
        render_report(tables, **given | {"study": "other"}, figures={})


def test_template_has_a_place_for_every_picture():
    template = (Path(str(report.__file__)).parent / "report.html.j2").read_text()
    assert set(re.findall(r'picture\("(\w+)"\)', template)) == set(ALTERNATIVE_TEXTS)


def test_every_question_of_the_page_is_valid_sql(tables):
    connection = duckdb.connect()
    for name, table in tables._asdict().items():
        connection.register(name, table)
    for question, query in questions("mnist", reference_epoch=REFERENCE):
        assert len(connection.execute(query).df()) > 0, question
