import pytest

from featcx_core.findings.claim import Claim, mark_of, mark_of_untrained, unmeasured
from featcx_core.findings.evidence import NOT_MEASURED, Estimate
from featcx_core.findings.rule import Marks
from tests.core.findings.frames import frame, no_rows


@pytest.mark.parametrize(
    ("marks", "verdict", "words"),
    [
        (Marks("yes", {"variance held fixed": "yes"}), "holds", "holds here. It is 3."),
        (Marks("no", {"variance held fixed": "yes"}), "does not hold", "does not hold here. It is 3."),
        (Marks("open"), "not decided", "not decided: the intervals leave it open. It is 3."),
        (
            Marks("yes", {"variance held fixed": "open", "prevalence held fixed": "yes"}, "no", "missing"),
            "partly",
            "holds here in part: variance held fixed, not decided; more than chance, no; absent before training, not "
            "measured. It is 3.",
        ),
    ],
)
def test_a_finding_names_every_doubt_before_its_numbers(marks, verdict, words):
    claim = Claim("It rains.", marks, "It is 3.", null="more than chance")
    assert claim.verdict == verdict
    assert claim.finding == words


def test_answers_are_the_marks_that_apply():
    marks = Marks("yes", {"variance held fixed": "open"}, None, "no")
    assert Claim("It rains.", marks, "").answers == [
        ("as measured", "yes"),
        ("variance held fixed", "open"),
        ("absent before training", "no"),
    ]


def test_a_claim_without_evidence_says_why():
    claim = unmeasured("It rains.", "not measured: no window.")
    assert (claim.verdict, claim.finding) == ("not measured", "not measured: no window.")


@pytest.mark.parametrize(
    ("concepts", "images", "answer"),
    [
        ((0.05, 0.28), (-0.02, 0.22), "open"),
        ((0.05, 0.28), (0.02, 0.22), "yes"),
        ((0.05, 0.28), (float("nan"), float("nan")), "yes"),
    ],
)
def test_both_intervals_decide(concepts, images, answer):
    assert mark_of(Estimate(0.17, *concepts, 99, *images), expected="positive") == answer


def test_an_untrained_network_is_held_against_a_claim_where_there_is_one():
    tables = no_rows()._replace(epochs=frame("epochs", [{"epoch": 0}, {"epoch": 3}]))
    large, small = Estimate(0.5, 0.4, 0.6, 99), Estimate(0.1, -0.1, 0.2, 99)

    def learned(estimate, *, reference_epoch=3, in_tables=tables):
        return mark_of_untrained(in_tables, estimate, expected="positive", margin=0.3, reference_epoch=reference_epoch)

    assert [learned(large), learned(small), learned(NOT_MEASURED)] == ["no", "yes", "missing"]
    assert learned(large, reference_epoch=0) is None
    assert learned(large, in_tables=no_rows()) is None  # no checkpoint of epoch 0
