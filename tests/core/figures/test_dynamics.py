import numpy as np

from featcx_core.figures.dynamics import sedimentation_curves, training_curves
from tests.core.figures.drawn import texts
from tests.core.findings.synthetic import study


def test_sedimentation_draws_every_group_and_keeps_epoch_0_off_the_curve():
    figure = sedimentation_curves(study().sedimentation, study().epochs)
    labelled = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    assert labelled[0].get_label() == "all concepts (n = 97)"
    assert all(0 not in line.get_xdata() for line in labelled)


def test_a_group_of_more_than_its_share_is_named_by_its_number():
    sedimentation = study().sedimentation
    assert "top 10 % by importance (n = 10)" in texts(sedimentation_curves(sedimentation, study().epochs))  # of 97
    is_top = sedimentation["group_name"] != "all"
    few = sedimentation.assign(n_concepts=sedimentation["n_concepts"].where(is_top, 40))
    assert "10 most important of 40" in texts(sedimentation_curves(few, study().epochs))


def test_training_curves_without_training_numbers_show_the_held_out_side():
    external = study().epochs.assign(train_loss=np.nan, train_accuracy=np.nan)
    assert "training images" not in texts(training_curves(external))
    assert "held-out images" in texts(training_curves(external))


def test_the_accuracy_of_a_guess_is_a_line_in_its_axis_alone():
    loss, accuracy = training_curves(study().epochs, chance=0.1).axes
    (guess,) = [line for line in accuracy.lines if line.get_label() == "a guess (10 %)"]
    assert set(guess.get_ydata()) == {10.0}
    assert len(loss.lines) == 2
    assert "a guess" not in texts(training_curves(study().epochs))
