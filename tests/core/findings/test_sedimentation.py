import pandas as pd

from featcx_core.findings.sedimentation import group_label, smallest_top_group
from tests.core.findings.curves import curve


def test_the_smallest_group_that_is_always_there_is_followed():
    everywhere = curve([0.5, 0.6, 0.5, 0.3], group="top_10pct", n=11)
    sometimes = curve([0.5, 0.1], group="top_5pct", n=10)
    assert smallest_top_group(pd.concat([curve([0.5, 0.6, 0.6, 0.6]), everywhere, sometimes])) == "top_10pct"
    assert smallest_top_group(curve([0.5, 0.6])) is None


def test_shares_below_one_per_cent_have_a_name():
    assert group_label("top_0.5pct") == "top 0.5 % by importance"
