import numpy as np

from featcx_core.figures.canvas import png
from featcx_core.figures.paths import concept_paths
from featcx_core.findings.paths import follow_concepts
from tests.core.figures.drawn import is_png, texts
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import N_CONCEPTS, REFERENCE, study


def drawn(paths):
    return concept_paths(follow_concepts(paths, reference_epoch=REFERENCE), study().epochs, reference_epoch=REFERENCE)


def test_paths_are_drawn_whatever_is_missing():
    paths = study().concept_paths
    assert f"({N_CONCEPTS - 3} of {N_CONCEPTS})" in texts(drawn(paths))  # three are dead and have no path of K
    assert is_png(png(drawn(paths.assign(cosine=0.1)), dots_per_inch=50))
    assert is_png(png(drawn(paths.assign(cosine=np.nan)), dots_per_inch=50))
    assert "nothing to show" in texts(drawn(no_rows().concept_paths))


def test_paths_show_a_cosine_as_a_cosine():
    paths = study().concept_paths
    left = drawn(paths).axes[0]
    (line,) = [line for line in left.lines if "median cosine" in line.get_label()]
    np.testing.assert_allclose(line.get_ydata(), paths.groupby("epoch")["cosine"].median())
    assert [axis.get_ylabel() for axis in (left, *left.child_axes)] == ["share of concepts", "cosine"]
