import math

import pytest

from featcx_core.findings.reliance import reliance
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import REFERENCE
from tests.core.findings.synthetic_properties import study_with_properties


def support(**changes):
    """Rows of a made-up study whose accuracy falls without the most complex concepts."""
    return study_with_properties(fall=0.2, random_fall=0.004).support.assign(**changes)


def test_accuracy_without_a_third_of_the_concepts():
    found = reliance(support(), epoch=REFERENCE)
    assert (found.whole, found.n_removed, found.n_concepts, found.quantity) == (1.0, 35, 100, "accuracy")
    assert found.left == pytest.approx({"simplest": 0.9972, "random": 0.9972, "most complex": 0.86})  # 1 - 2 fall 0.35
    assert found.beyond_random["most complex"].value == pytest.approx(0.14 - 0.0028)
    assert found.marks == {"simplest": "open", "most complex": "yes"}
    assert found.conclusion == "complex concepts"


@pytest.mark.parametrize(
    ("ends", "conclusion"),
    [
        (("complexity_ascending",), "simple concepts"),
        (("complexity_ascending", "complexity_descending"), "simple and complex concepts, both more than random ones"),
        ((), "concepts of every complexity about alike"),
    ],
)
def test_conclusions_follow_from_what_costs_more_than_at_random(ends, conclusion):
    rows = support()
    at = (rows["epoch"] == REFERENCE) & rows["order"].isin(ends)
    plain = rows[rows["order"] == "random"].set_index(["epoch", "kept_fraction"])
    rows = rows.set_index(["epoch", "kept_fraction"])
    names = [name for name in plain if name != "order"]
    rows.loc[:, names] = plain.loc[rows.index, names].to_numpy()
    rows = rows.reset_index()
    for name, less in (("relative_accuracy", 0.3), ("accuracy", 0.3), ("beyond_random", 0.3)):
        rows.loc[at.to_numpy(), name] -= less
    for name in ("beyond_random_low", "beyond_random_high"):
        rows.loc[at.to_numpy(), name] -= 0.3
    assert reliance(rows, epoch=REFERENCE).conclusion == conclusion


def test_a_loss_within_the_range_of_single_random_orders_is_not_told_apart():
    wide = support(orders_low=0.5, orders_high=1.0)
    assert reliance(wide, epoch=REFERENCE).marks["most complex"] == "open"
    unknown = support(beyond_random_low=math.nan)
    assert reliance(unknown, epoch=REFERENCE).marks["most complex"] == "missing"


def test_without_classes_it_is_of_the_predictions():
    found = reliance(support(accuracy=math.nan, relative_accuracy=math.nan), epoch=REFERENCE)
    assert (found.quantity, found.left["most complex"]) == ("predictions kept", pytest.approx(0.86))


def test_what_was_not_measured_has_none():
    assert reliance(no_rows().support, epoch=REFERENCE) is None
    assert reliance(support(), epoch=1) is None
