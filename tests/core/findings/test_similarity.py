import numpy as np
import pandas as pd
import pytest

from featcx_core.findings.similarity import convergence_claims, lateness
from tests.core.findings.synthetic_similarity import GROUPS, to_end

BOTTOM_UP = [[0.3, 0.3, 0.3], [0.9, 0.7, 0.4], [1.0, 0.9, 0.6], [1.0, 1.0, 0.9]]


def test_layers_that_converge_bottom_up():
    (claim,) = convergence_claims(pd.concat([to_end(BOTTOM_UP), to_end(BOTTOM_UP, measure="svcca")]))
    assert claim.verdict == "holds"
    assert dict(claim.answers)["SVCCA"] == "yes"
    assert dict(claim.answers)["absent before training"] == "yes"
    # (0.1 + 0 + 0) / 3 / 0.8 for the lower layer, (0.6 + 0.4 + 0.1) / 3 / 0.8 for the upper one
    assert "CKA 0.42 " in claim.numbers
    assert "0.04 in low and 0.46 in high" in claim.numbers


def test_layers_that_converge_top_down():
    (claim,) = convergence_claims(to_end([line[::-1] for line in BOTTOM_UP]))
    assert claim.verdict == "does not hold"


def test_wide_intervals_decide_nothing():
    rows = to_end(BOTTOM_UP)
    noise = np.random.default_rng(0)
    rows["jackknife"] = [noise.normal(value, 0.5, GROUPS) for value in rows["value"]]
    (claim,) = convergence_claims(rows)
    assert claim.verdict == "not decided"


def test_lower_layers_that_resemble_their_end_before_training():
    (claim,) = convergence_claims(to_end([[0.9, 0.5, 0.3], [0.95, 0.7, 0.4], [0.96, 0.9, 0.6], [1.0, 1.0, 0.9]]))
    assert claim.verdict == "partly"
    assert dict(claim.answers)["absent before training"] == "no"
    # distances of 0.09 / 3 of 0.1, of 1.1 / 3 of 0.7
    assert "As a share of each layer's distance then it is 0.22 " in claim.numbers


def test_layers_that_training_leaves_as_they_are_have_no_share():
    frozen = [[1.0, line[1], line[2]] for line in BOTTOM_UP]
    (claim,) = convergence_claims(to_end(frozen))
    assert "As a share of each layer's distance then it is " in claim.numbers  # of the other two
    (claim,) = convergence_claims(to_end([[1.0, 1.0, 1.0]] * 4))
    assert "As a share" not in claim.numbers
    assert "as a share of the distance before training" not in dict(claim.answers)


def test_lateness_of_constant_layers_is_not_known():
    rows = to_end(BOTTOM_UP)
    rows.loc[rows["layer_a"] == "middle", "calibrated"] = np.nan
    late = lateness(rows, "cka", "plain")
    assert late.layers == ["low", "high"]
    assert late.left_out.shape == (2, GROUPS)


@pytest.mark.parametrize("rows", [to_end(BOTTOM_UP[:1]), to_end([[0.5], [0.7]], layers=("only",))])
def test_what_cannot_be_measured_says_why(rows):
    (claim,) = convergence_claims(rows)
    assert claim.verdict == "not measured"
    assert "it takes" in claim.finding
