import numpy as np
import pytest
from scipy import stats

from featcx_core.findings.branches import branch_scores
from featcx_core.findings.claim import mark_of
from featcx_core.findings.nearness import nearness_to_residual
from tests.core.findings.synthetic_branches import resampled, study_of_branches


@pytest.mark.parametrize(("spread", "answer"), [(0.0005, "yes"), (0.2, "open")])
def test_the_interval_over_images_decides_too(spread: float, answer: str):
    study = resampled(study_of_branches(), spread=spread)
    nearness = nearness_to_residual(study.branches, study.complexity, study.layers, epoch=4)
    assert nearness is not None
    assert np.isfinite(nearness.simplest.low_images)
    assert "(95 %: " in str(nearness)
    assert mark_of(nearness.contrast, expected="positive") == answer
    assert nearness.contrast.low > 0
    scores = branch_scores(study.branches, study.layers, epoch=4, measure="cka")
    parts = [
        scores.over_images(np.array(members), measure="cka")
        for members in ([0, 1, 2, *range(4, 11)], list(range(30, 40)))
    ]
    is_residual = scores.columns["branch"] == "residual"
    nearer = [[each[:, is_residual].mean(1) - each[:, ~is_residual].mean(1) for each in part] for part in parts]
    value, drawn = nearer[0][0][0] - nearer[1][0][0], nearer[0][1] - nearer[1][1]  # of the same images
    half = stats.t.ppf(0.975, 19) * drawn.std()
    expected = [value - half, value + half]
    np.testing.assert_allclose([nearness.contrast.low_images, nearness.contrast.high_images], expected)


def test_nearness_is_the_difference_over_blocks():
    study = study_of_branches(simple=0.2, built=0.05)
    nearness = nearness_to_residual(study.branches, study.complexity, study.layers, epoch=4)
    assert nearness is not None
    assert nearness.simplest.value == pytest.approx(0.2, abs=0.01)
    assert nearness.most_complex.value == pytest.approx(-0.05, abs=0.01)
    assert nearness.simplest.low < nearness.simplest.value < nearness.simplest.high
    assert nearness.simplest.n == 10
    assert nearness_to_residual(study.branches, study.complexity, study.layers, epoch=3) is None


def test_nearness_goes_without_a_block_whose_branch_does_not_vary():
    study = study_of_branches()
    is_constant = (study.branches["block"] == "layer2.0") & (study.branches["branch"] == "main")
    branches = study.branches.assign(cka=study.branches["cka"].mask(is_constant))
    nearness = nearness_to_residual(branches, study.complexity, study.layers, epoch=4)
    assert nearness is not None
    assert nearness.simplest.value == pytest.approx(0.1, abs=0.01)
