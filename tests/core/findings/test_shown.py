"""Concepts' names by what they show."""

import pytest

from featcx_core.findings.shown import shows


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["4"] * 6 + ["2"] * 2, "mostly 4 (6 of 8), also 2"),
        (["a", "b", "a", "b"], "often a (2 of 4), also b"),  # of equals the first in the alphabet
        (["a"] * 4 + list("bcdef"), "often a (4 of 9), also b, c and 3 more"),
        (list("edcba"), "mixed: a, b and 3 more"),
        (["dog"], "dog (1 of 1)"),
    ],
)
def test_a_name_says_which_class_how_often_and_which_others(names: list[str], wanted: str):
    assert shows(names) == wanted
