import numpy as np
import pytest
from matplotlib.collections import LineCollection

from featcx_core.figures.branches import branches_by_block
from featcx_core.figures.canvas import png
from featcx_core.findings.branches import branch_curves
from tests.core.figures.drawn import is_png, texts
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic_branches import resampled, study_of_branches


def curves_of(study, **options):
    return branch_curves(study.branches, study.complexity, study.layers, epochs=(0, 4), **options)


def drawn(study, **options):
    return branches_by_block(curves_of(study, **options))


def test_the_figure_has_every_branch_group_and_epoch():
    figure = drawn(study_of_branches())
    written = texts(figure)
    for words in (
        "residual, simplest", "main, most complex", "permuted codes (should be 0)",
        "epoch 0 (before training): the 10 of 39 at either end", "epoch 4: the 10 of 39 at either end", "layer2.0 (projection)",
        "residual, random directions", "main, random directions", "39 at epoch 0, 39 at epoch 4",
    ):  # fmt: skip
        assert words in written
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert labels == ["layer1.0", "layer2.0 (projection)", "layer10.0"]
    assert is_png(png(figure))


def test_transformers_have_their_two_branches():
    written = texts(drawn(study_of_branches(added=("attention", "mlp"))))
    assert "attention, simplest" in written
    assert "mlp, most complex" in written


def test_groups_that_differ_are_drawn_apart():
    figure = drawn(study_of_branches(n_concepts=130), end_shares=(0.01, 0.1))
    assert len(figure.axes) == 8 + 1  # the legend stands in its own
    assert "the 10 of 129 at either end" in texts(figure)
    assert "the 13 (10 %) at either end" in texts(figure)


@pytest.mark.parametrize("study", [no_rows(), study_of_branches(n_concepts=20)])  # one of the twenty is dead
def test_without_rows_or_with_few_concepts_it_says_why(study):
    assert "no residual block was measured, or fewer" in texts(drawn(study))


def test_upright_lines_are_the_intervals_over_images():
    study = resampled(study_of_branches(), spread=0.002)
    curves = curves_of(study)
    figure = branches_by_block(curves)
    upright = [lines for lines in figure.axes[2].collections if isinstance(lines, LineCollection)]
    assert len(upright) == 6  # of the simplest, the most complex and the random directions, in either branch
    curve = curves.curves.query("epoch == 4 and measure == 'cka' and group == 'simplest'")
    first = curve[curve["branch"] == curve["branch"].iloc[0]][["low_images", "high_images"]]
    np.testing.assert_allclose([segment[:, 1] for segment in upright[0].get_segments()], first)


def test_a_branch_that_does_not_vary_leaves_a_gap():
    study = study_of_branches()
    is_constant = (study.branches["block"] == "layer2.0") & (study.branches["branch"] == "main")
    study = study._replace(branches=study.branches.assign(cka=study.branches["cka"].mask(is_constant)))
    figure = drawn(study)
    assert "residual, simplest" in texts(figure)
    (line,) = [line for line in figure.axes[2].lines if line.get_label() == "main, simplest"]
    assert np.isnan(line.get_ydata()).tolist() == [False, True, False]


def test_the_grey_lines_are_the_mean_of_the_random_directions():
    study = study_of_branches()
    lines = {line.get_label(): line for line in drawn(study).axes[2].lines}  # epoch 4, CKA
    rows = study.branches.query("epoch == 4 and kind == 'random_direction' and branch == 'main'")
    mean = rows.groupby("block")["cka"].mean()[["layer1.0", "layer2.0", "layer10.0"]]
    np.testing.assert_allclose(lines["main, random directions"].get_ydata(), mean)
    bare = study._replace(branches=study.branches.query("kind == 'concept'"))
    assert "main, random directions" not in texts(drawn(bare))


def test_rows_of_one_epoch_suffice():
    assert "epoch 4" in texts(drawn(study_of_branches(epochs=(4,))))
