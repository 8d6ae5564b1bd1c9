import numpy as np
import pytest

from featcx_core.findings.evidence import NOT_MEASURED, Estimate
from featcx_core.findings.verdicts import judge, verdict, weigh

NEGATIVE, POSITIVE = Estimate(-0.6, -0.7, -0.4, 97), Estimate(0.6, 0.4, 0.7, 97)
OPEN, SMALL = Estimate(-0.2, -0.5, 0.1, 97), Estimate(0.02, -0.15, 0.2, 97)


@pytest.mark.parametrize(
    ("interval", "expected", "wanted"),
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
def test_verdict_says_no_more_than_the_interval_allows(interval, expected, wanted):
    assert verdict(*interval, expected=expected) == wanted


@pytest.mark.parametrize(
    ("concepts", "images", "expected", "wanted"),
    [
        ((0.05, 0.28), (-0.02, 0.22), "zero", "not decided"),  # a trend over concepts, which noise over images hides
        ((-0.1, 0.2), (-0.05, 0.25), "zero", "holds here"),
        ((0.05, 0.28), (0.01, 0.3), "zero", "does not hold here"),
        ((0.05, 0.28), (-0.02, 0.22), "positive", "not decided"),
        ((0.05, 0.28), (0.02, 0.22), "positive", "holds here"),
        ((0.05, 0.28), (np.nan, np.nan), "positive", "holds here"),
    ],
)
def test_both_intervals_decide(concepts, images, expected, wanted):
    assert judge(Estimate(0.17, *concepts, 99, *images), expected=expected).startswith(wanted)


def test_verdict_refuses_an_interval_upside_down():
    with pytest.raises(ValueError, match=r"wanted an interval with low <= high, got low=0.5, high=-0.5"):
        verdict(0.0, 0.5, -0.5, expected="zero")


@pytest.mark.parametrize(
    ("raw", "partial", "expected", "wanted", "words"),
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
def test_the_weaker_of_raw_and_partial_decides(raw, partial, expected, wanted, words):
    status, sentence = weigh(raw, partial, expected=expected)
    assert status == wanted
    assert words in sentence
