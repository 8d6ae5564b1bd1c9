"""The table of cases that fixes the rule."""

from itertools import product

import numpy as np
import pytest

from featcx_core.findings.rule import Marks, mark, mark_learned, rule

YES, NO, OPEN, MISSING = "yes", "no", "open", "missing"
NOT_YES = (NO, OPEN, MISSING)
NAN = (np.nan, np.nan)

# -- from marks to the verdict -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "controls", "beyond_null", "learned", "verdict"),
    [
        # raw decides alone where it is not yes
        (NO, (), None, None, "does not hold"),
        (NO, (YES, YES), YES, YES, "does not hold"),
        (OPEN, (), None, None, "not decided"),
        (OPEN, (YES, YES), YES, YES, "not decided"),
        (OPEN, (NO,), NO, NO, "not decided"),
        (MISSING, (), None, None, "not measured"),
        (MISSING, (YES,), YES, YES, "not measured"),
        # raw yes: all that apply are yes
        (YES, (), None, None, "holds"),
        (YES, (YES,), None, None, "holds"),
        (YES, (YES, YES, YES), YES, YES, "holds"),
        (YES, (), YES, None, "holds"),
        (YES, (), None, YES, "holds"),
        # one that is not yes is enough
        (YES, (NO,), None, None, "partly"),
        (YES, (OPEN,), None, None, "partly"),
        (YES, (MISSING,), None, None, "partly"),
        (YES, (YES, NO, YES), YES, YES, "partly"),
        (YES, (YES,), OPEN, YES, "partly"),
        (YES, (YES,), NO, YES, "partly"),
        (YES, (YES,), MISSING, YES, "partly"),
        (YES, (YES,), YES, OPEN, "partly"),
        (YES, (YES,), YES, NO, "partly"),
        (YES, (YES,), YES, MISSING, "partly"),
        (YES, (NO,), NO, NO, "partly"),
    ],
)
def test_the_verdict_follows_from_the_marks(raw, controls, beyond_null, learned, verdict):
    named = {f"control {i}": answer for i, answer in enumerate(controls)}
    assert rule(Marks(raw, named, beyond_null, learned)) == verdict


def test_every_combination_of_marks_has_the_verdict_of_the_definition():
    answers = (YES, *NOT_YES)
    for raw, first, second, null, untrained in product(answers, answers, answers, (None, *answers), (None, *answers)):
        verdict = rule(Marks(raw, {"first": first, "together": second}, null, untrained))
        applies = [answer for answer in (first, second, null, untrained) if answer is not None]
        expected = {NO: "does not hold", OPEN: "not decided", MISSING: "not measured"}.get(
            raw, "partly" if any(answer in NOT_YES for answer in applies) else "holds"
        )
        assert verdict == expected


# -- from intervals to a mark ------------------------------------------------------------------------------------------

# interval -> mark of a positive effect (read against zero), of the absence of any effect (read against a margin of
# 0.3), and whether a positive effect is learned if the untrained network has this interval (the same margin)
CASES = [
    ((0.4, 0.6), YES, NO, NO),  # a large effect
    ((0.1, 0.6), YES, NO, NO),  # an effect of any size
    ((0.1, 0.2), YES, YES, YES),  # an effect, but too small to count
    ((-0.1, 0.2), OPEN, YES, YES),  # too small to count, of either sign
    ((-0.1, 0.5), OPEN, OPEN, OPEN),
    ((-0.5, 0.5), OPEN, OPEN, OPEN),
    ((-0.5, 0.1), OPEN, OPEN, YES),  # no positive effect that counts; a negative one may be there
    ((-0.2, -0.1), NO, YES, YES),  # the other sign, but too small to count
    ((-0.6, -0.1), NO, NO, YES),  # the other sign
    ((-0.6, -0.4), NO, NO, YES),
    ((0.0, 0.5), OPEN, OPEN, OPEN),  # zero is included
    ((-0.3, 0.1), OPEN, OPEN, YES),  # an effect of the margin's size counts
    ((-0.1, 0.3), OPEN, OPEN, OPEN),
    (NAN, MISSING, MISSING, MISSING),
]


@pytest.mark.parametrize(("interval", "positive", "absent", "learned"), CASES)
def test_one_interval_by_itself(interval, positive, absent, learned):
    assert mark([interval], expected="positive") == positive
    assert mark([interval], expected="zero", margin=0.3) == absent
    assert mark_learned([interval], expected="positive", margin=0.3) == learned


@pytest.mark.parametrize(("interval", "positive", "absent", "learned"), CASES)
def test_a_negative_effect_mirrors_a_positive_one(interval, positive, absent, learned):
    turned = (-interval[1], -interval[0])
    assert mark([turned], expected="negative") == positive
    assert mark([turned], expected="zero", margin=0.3) == absent
    assert mark_learned([turned], expected="negative", margin=0.3) == learned


@pytest.mark.parametrize(("interval", "positive", "absent", "learned"), CASES)
def test_an_absence_before_training_is_no_finding_of_training(interval, positive, absent, learned):
    turned_round = {YES: NO, NO: YES}.get(absent, absent)
    assert mark_learned([interval], expected="zero", margin=0.3) == turned_round


def test_signs_and_absence_mirror_each_other():
    ends = np.linspace(-1, 1, 21)
    for low, high in product(ends, ends):
        if low <= high:
            positive, negative = (mark([(low, high)], expected=sign) for sign in ("positive", "negative"))
            absence = mark([(low, high)], expected="zero", margin=0.3)
            assert negative == {YES: NO, NO: YES}.get(positive, positive)
            if absence == NO:  # an absence is refuted by an effect of one sign, and by nothing else
                assert YES in (positive, negative)
            if absence == OPEN:
                assert positive == negative == OPEN


@pytest.mark.parametrize(
    ("interval", "learned"), [((0.01, 0.5), NO), ((-0.5, -0.01), YES), ((-0.01, 0.01), OPEN), ((0.0, 0.0), OPEN)]
)
def test_without_a_margin_the_untrained_network_is_read_against_zero(interval, learned):
    assert mark_learned([interval], expected="positive") == learned


@pytest.mark.parametrize(
    ("intervals", "positive"),
    [
        ([(0.1, 0.5), (0.2, 0.4)], YES),
        ([(0.1, 0.5), (0.2, 0.4), (0.05, 0.6)], YES),  # concepts, images, dictionaries
        ([(0.1, 0.5), (-0.1, 0.7)], OPEN),
        ([(0.1, 0.5), (0.2, 0.4), (-0.1, 0.7)], OPEN),
        ([(-0.5, -0.1), (-0.6, 0.4)], OPEN),
        ([(-0.5, -0.1), (-0.4, -0.2)], NO),
        ([(-0.5, -0.1), NAN, NAN], NO),  # not measured over images and dictionaries
        ([(0.1, 0.5), NAN], YES),
        ([NAN, (0.1, 0.5)], YES),
        ([NAN, NAN], MISSING),
        ([], MISSING),
    ],
)
def test_all_intervals_that_were_measured_must_agree(intervals, positive):
    assert mark(intervals, expected="positive") == positive
    turned = [(-high, -low) for low, high in intervals]
    assert mark(turned, expected="negative") == positive


@pytest.mark.parametrize("read", [mark, mark_learned])
def test_what_cannot_be_read_is_refused(read):
    with pytest.raises(ValueError, match=r"wanted an interval with low <= high, got low=0.5, high=-0.5; try swapping"):
        read([(0.5, -0.5)], expected="positive")
    with pytest.raises(ValueError, match=r"wanted a margin above 0 for an absence, 0 or more for a sign, got 0.0"):
        read([(0.0, 0.1)], expected="zero")
    with pytest.raises(ValueError, match=r"wanted a margin above 0 .* got -0.3; try 0.3"):
        read([(0.0, 0.1)], expected="positive", margin=-0.3)
