import numpy as np
import pandas as pd
import pytest

from featcx_core.findings.generalising import answer_of_groups, sign_claims
from featcx_core.measures.study_groups import groups_of
from tests.core.findings.signs_of import groups, rows


def signs(gap, low, high):
    values = {"accuracy_gap": (gap, low, high), "train_accuracy": (1.0, 0.99, 1.0), "test_accuracy": (1 - gap, 0.1, 0.9),
              "late_images": (0.2, 0.1, 0.3)}  # fmt: skip
    return pd.DataFrame([{"sign": name, "value": v, "low": a, "high": b, "over": "images", "n": 100}
                         for name, (v, a, b) in values.items()])  # fmt: skip


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [((0.01, -0.01, 0.03), "holds"), ((0.6, 0.5, 0.7), "does not hold"), ((0.08, -0.02, 0.15), "not decided")],
)
def test_a_network_is_judged_by_its_accuracy_gap(gap, verdict):
    (claim,) = sign_claims(signs(*gap))
    assert claim.verdict == verdict
    assert "Right on 100 % of the training images" in claim.numbers
    assert "images learned late 0.20 (0.10 to 0.30)" in claim.numbers


def test_without_accuracies_nothing_is_judged():
    (claim,) = sign_claims(signs(0.1, 0.0, 0.2)[1:])
    assert claim.verdict == "not measured"


def test_memorisers_are_held_against_networks_of_true_labels():
    of = groups()
    answer = answer_of_groups(rows(of), of)
    assert answer is not None
    assert answer.sentence.startswith(
        "Networks of 100 % random labels are right on 100 % of their training images and on 10 % of unseen ones"
    )
    assert answer.compared == "100 % random labels − true labels"
    says = {row.label: row.answer for row in answer.rows}
    assert says == {
        "accuracy gap": "as expected", "ablation area": "as expected", "images learned late": "as expected",
        "selectivity": "not decided", "noise spectrum": "differs: smaller", "complexity": "differs: larger",
    }  # fmt: skip
    assert "5 of 6 signs tell the two apart" in answer.sentence
    assert answer.disagreement == "Not all signs tell: not decided: selectivity."
    assert answer.rows[0].values[0] == "0.10 (0.08 to 0.12)"


def test_networks_that_learned_nothing_are_not_said_to_memorise():
    of = groups()
    memorising, learning_nothing = (
        answer_of_groups(rows(of, train_accuracy=accuracies), of) for accuracies in ((1.0, 1.0, 1.0), (1.0, 0.5, 0.1))
    )
    assert memorising is not None
    assert learning_nothing is not None
    assert "10 % of unseen ones: they memorise." in memorising.sentence
    assert "10 % of unseen ones. Networks of true labels" in learning_nothing.sentence


def test_a_sign_that_points_the_other_way_is_named():
    of = groups()
    answer = answer_of_groups(rows(of, ablation_area=(0.3, 0.4, 0.6)), of)
    assert answer is not None
    assert answer.disagreement.startswith("The evidence disagrees: against what the sources expect: ablation area")


def test_without_random_labels_signs_are_shown_and_not_judged():
    of = groups("true")
    answer = answer_of_groups(rows(of), of)
    assert answer is not None
    assert answer.sentence.startswith("No group of random labels")
    assert {row.answer for row in answer.rows} == {""}
    assert answer_of_groups(rows(of)[:0], groups_of({})) is None


def test_one_seed_decides_nothing():
    of = groups()
    table = rows(of).assign(difference_low=np.nan, difference_high=np.nan)
    answer = answer_of_groups(table, of)
    assert answer is not None
    assert {row.answer for row in answer.rows} == {"no interval: not decided"}
    assert answer.sentence.endswith("0 of 6 signs tell the two apart: none.")
