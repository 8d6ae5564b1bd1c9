import numpy as np
import pytest
from matplotlib.colors import to_hex

from featcx_core.figures.canvas import MUTED, SEQUENCE
from featcx_core.figures.reliance import reliance_curves
from tests.core.figures.drawn import is_drawn, texts
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import REFERENCE
from tests.core.findings.synthetic_properties import study_with_properties


def test_curves_start_at_the_whole_and_have_the_ends_of_the_complexity_palette():
    support = study_with_properties().support
    figure = reliance_curves(support, epoch=REFERENCE)
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    colours = {
        label: to_hex(lines[label].get_color()) for label in ("simplest first", "at random", "most complex first")
    }
    assert colours == {
        "simplest first": to_hex(SEQUENCE(0.0)),
        "at random": MUTED,
        "most complex first": to_hex(SEQUENCE(1.0)),
    }
    removed, left = lines["most complex first"].get_data()
    order = np.argsort(removed)
    assert (removed[order][0], left.to_numpy()[order][0] if hasattr(left, "to_numpy") else left[order][0]) == (0, 1)
    assert is_drawn(figure)


@pytest.mark.parametrize("is_narrow", [False, True])
def test_without_classes_it_is_of_the_predictions_and_without_rows_it_says_so(is_narrow):
    support = study_with_properties().support.assign(accuracy=np.nan, relative_accuracy=np.nan)
    assert "predictions kept" in texts(reliance_curves(support, epoch=REFERENCE, is_narrow=is_narrow))
    assert "no concept was removed" in texts(reliance_curves(no_rows().support, epoch=1, is_narrow=is_narrow))
