import numpy as np
import pytest

from featcx_core.measures.ends import ends


def test_groups_by_hand():
    complexity = np.array([0.5, np.nan, 0.1, 0.9, 0.3, 0.7])
    (found,) = ends(complexity, shares=(0.4,), at_least=1)
    assert found.share == 0.4
    assert found.simplest.tolist() == [2, 4]
    assert found.most_complex.tolist() == [5, 3]


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(10_000, [(0.01, 100), (0.1, 1000)]), (100, [(0.1, 10)]), (20, [(0.1, 10)]), (19, []), (0, [])],
)
def test_at_least_ten_each_once_and_never_overlapping(n, sizes):
    found = ends(np.linspace(0, 1, n), shares=(0.01, 0.1))
    assert [(end.share, len(end.simplest)) for end in found] == sizes
    assert all(set(end.simplest).isdisjoint(end.most_complex) for end in found)


def test_a_share_above_a_half_is_left_out():
    assert [end.share for end in ends(np.linspace(0, 1, 100), shares=(0.2, 0.6))] == [0.2]
