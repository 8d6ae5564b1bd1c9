import numpy as np
import pandas as pd
import pytest

from featcx_core.findings.claim import mark_of
from featcx_core.findings.correlations import correlation, with_dictionaries
from featcx_core.findings.evidence import Estimate, difference
from featcx_core.findings.stability import stability_finding
from tests.core.findings.frames import frame
from tests.core.findings.synthetic import REFERENCE, study

ROWS = pd.DataFrame(
    {"epoch": 2, "n_seeds": 5, "found_fraction": [1.0, 0.2, np.nan], "complexity_spread": [0.03, 0.05, np.nan]}
)


def test_says_how_much_is_found_again():
    assert stability_finding(ROWS, epoch=2) == (
        "Of 5 other seeds of the factorisation, one finds 60 % of the concepts again on average; 1 of 2 concepts are in "
        "fewer than half of them. K of a concept and of the atoms that are found for it has a standard deviation of 0.040."
    )
    assert stability_finding(ROWS, epoch=3) == ("Not measured at epoch 3; measured at 2 (`analyses.epochs`).")


@pytest.mark.parametrize(("ends", "answer"), [((-0.9, -0.5), "yes"), ((-0.9, 0.1), "open"), ((np.nan, np.nan), "yes")])
def test_the_interval_over_dictionaries_is_the_third_that_a_mark_reads(ends, answer):
    estimate = Estimate(-0.7, -0.8, -0.5, 99, -0.8, -0.6, *ends)
    assert mark_of(estimate, expected="negative") == answer
    assert estimate.intervals[2] == ends or np.isnan(ends).all()


def test_is_joined_to_the_correlation_of_concepts_alone():
    keys = {"epoch": REFERENCE, "x": "complexity", "y": "importance", "method": "spearman", "controls": ""}
    over = frame("stability_correlations", [{**keys, "low_dictionaries": -0.9, "high_dictionaries": -0.3}])
    before = study().correlations
    joined = with_dictionaries(before, over)
    assert len(joined) == len(before)
    measured = correlation(joined, epoch=REFERENCE, y="importance")
    assert measured[:4] == correlation(before, epoch=REFERENCE, y="importance")[:4]
    assert measured.intervals[2] == (-0.9, -0.3)
    assert measured.full.endswith("over dictionaries: −0.90 to −0.30)")
    assert joined["low_dictionaries"].notna().sum() == 1
    assert correlation(joined, epoch=0, y="importance").full.count("dictionaries") == 0


def test_a_difference_has_an_interval_over_dictionaries_where_both_have():
    one, other = (Estimate(value, -1, 1, 9, -1, 1, value - 0.3, value + 0.4) for value in (0.0, 1.0))
    assert difference(one, other).intervals[2] == pytest.approx((0.5, 1.5))
    assert np.isnan(difference(one, other._replace(low_dictionaries=np.nan)).intervals[2][0])
