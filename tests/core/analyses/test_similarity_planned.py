import numpy as np
import pytest

from featcx_core.analyses.similarity.planned import planned
from featcx_core.study.fields import SimilaritySettings, StudyError

LABELS = np.arange(1000) % 10


def names(settings=None, labels=LABELS, widest=64, groups=20):
    return {
        p.centring: p.measures for p in planned(settings or SimilaritySettings(), labels, widest=widest, groups=groups)
    }


def test_what_is_automatic_follows_the_images():
    assert names() == {"plain": ("cka", "svcca"), "within_classes": ("cka", "svcca")}
    assert names(widest=199) == {"plain": ("cka", "svcca"), "within_classes": ("cka",)}  # 991 images count within
    assert names(widest=201) == {"plain": ("cka",), "within_classes": ("cka",)}
    assert names(labels=np.arange(1000) % 250) == {"plain": ("cka", "svcca")}  # 4 of a class, 3 without a group


def test_classes_without_images_and_gaps_do_not_count():
    assert names(labels=LABELS * 7) == names()


def test_pwcca_is_taken_both_ways():
    settings = SimilaritySettings(measures=("pwcca", "cka"), centrings=("plain",))
    assert names(settings) == {"plain": ("pwcca", "pwcca_swapped", "cka")}


def test_what_is_named_and_lacks_images_is_one_line():
    with pytest.raises(StudyError, match=r"svcca needs more probe images than units, got 950 .* and 950 units"):
        names(SimilaritySettings(measures=("svcca",)), widest=950)
    with pytest.raises(StudyError, match="got 941 images without a group and class means, and 945 units"):
        names(SimilaritySettings(measures=("svcca",), centrings=("within_classes",)), widest=945)
    with pytest.raises(StudyError, match=r"within_classes needs 4 probe images of every class .* got 4 of a class"):
        names(SimilaritySettings(centrings=("within_classes",)), labels=np.arange(1000) % 250)
