import sys

import pytest

from featcx_core.study.fields import StudyError
from tests.core.networks.small import (
    SMALL_COLOUR,
    anatomy,
    study,
)

BAD = {
    r"timm has no model 'resnet5x'; did you mean resnet5": "timm:resnet5x",
    r"unknown source 'timm:'; did you mean timm:NAME": "timm:",
}


@pytest.mark.parametrize("message", BAD)
def test_names_that_timm_lacks(message):
    with pytest.raises(StudyError, match=message):
        anatomy(study(BAD[message]), SMALL_COLOUR)


def test_timm_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(StudyError, match=r"timm is not installed; try pip install 'featcx\[timm\]'"):
        anatomy(study("timm:resnet18"), SMALL_COLOUR)
