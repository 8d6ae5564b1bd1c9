import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from featcx_core.figures.progress import along_training
from featcx_core.findings.passes import training_progress


def drawn(passes):
    axes = Figure().add_subplot()
    axes.plot(passes, passes)
    along_training(axes, training_progress(pd.DataFrame({"epoch": range(len(passes)), "passes": passes})))
    return axes


def test_the_first_pass_has_room_where_checkpoints_lie_in_it():
    axes = drawn([0.0, 0.0625, 0.25, 1.0, 2.0, 8.0])
    places = axes.transData.transform(np.column_stack([[0, 0.25, 0.5, 1, 2, 8], np.zeros(6)]))[:, 0]
    width = axes.transAxes.transform([[0, 0], [1, 0]])[:, 0]
    assert (places[3] - places[0]) / (width[1] - width[0]) > 0.2
    assert axes.get_xticks().tolist() == [0, 0.25, 0.5, 1, 2, 4, 8]


def test_whole_passes_stay_as_they_are():
    axes = drawn([0.0, 1.0, 2.0])
    assert axes.get_xscale() == "linear"
    assert all(float(tick).is_integer() for tick in axes.get_xticks())
