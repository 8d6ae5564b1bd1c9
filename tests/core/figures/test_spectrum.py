import numpy as np

from featcx_core.figures.spectrum import complexity_spectrum
from tests.core.figures.drawn import texts
from tests.core.findings.synthetic import REFERENCE, study


def test_spectrum_counts_concepts_without_a_score_and_names_every_control():
    tables = study()
    figure = complexity_spectrum(tables.complexity, reference_epoch=REFERENCE, importance=tables.importance)
    figure.draw_without_rendering()  # tick labels are written when drawn
    written = texts(figure)
    assert "97 concepts, 3 without a score" in written
    for label in ("before training", "random directions, n = 100", "single units, n = 64", "class logits", "shuffled"):
        assert label in written
    assert "importance" not in texts(complexity_spectrum(tables.complexity, reference_epoch=REFERENCE)).lower()


def test_spectrum_is_sorted_from_simple_to_complex():
    complexity = study().complexity
    axes = complexity_spectrum(complexity, reference_epoch=REFERENCE).axes[0]
    points = axes.collections[-1].get_offsets()
    k = complexity.query("epoch == @REFERENCE and kind == 'concept'")["complexity"].dropna()
    np.testing.assert_allclose(points[:, 0], np.sort(k))


def test_ranks_of_the_spectrum_are_round_numbers():
    axes = complexity_spectrum(study().complexity, reference_epoch=REFERENCE).axes[0]
    assert axes.get_yticks().tolist() == [1, 20, 40, 60, 80]


def test_dead_concepts_only_say_so():
    dead = study().complexity.assign(complexity=np.nan)
    assert "nothing to show" in texts(complexity_spectrum(dead, reference_epoch=REFERENCE))
