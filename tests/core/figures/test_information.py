import numpy as np

from featcx_core.figures.information import information_by_layer_and_epoch
from featcx_core.findings.information import layer_means
from tests.core.figures.drawn import texts
from tests.core.findings.synthetic import LAYERS, N_EPOCHS, N_LAYERS, REFERENCE, study


def drawn(tables, layers):
    means = layer_means(tables.layer_information, tables.v_information, layers, reference_epoch=REFERENCE)
    return information_by_layer_and_epoch(means, layers, study().epochs, reference_epoch=REFERENCE)


def test_information_has_a_line_an_epoch_and_layers_in_depth_order():
    figure = drawn(study(), study().layers.sample(frac=1, random_state=0))
    top, bottom = figure.axes[:2]
    assert len(top.lines) == N_EPOCHS + 2  # and the shuffled codes and the random directions
    assert [label.get_text() for label in top.get_xticklabels()] == LAYERS
    assert bottom.images[0].get_array().shape == (N_LAYERS, N_EPOCHS)
    assert f"random directions, epoch {REFERENCE}" in texts(figure)


def test_layers_outside_k_are_marked():
    layers = study().layers.assign(in_complexity=study().layers["role"] != "stem")
    assert "stem (not in K)" in texts(drawn(study(), layers))


def test_dead_concepts_only_say_so():
    silent = study().v_information.assign(v_information=np.nan)
    tables = study()._replace(layer_information=study().layer_information.iloc[:0], v_information=silent)
    assert "nothing to show" in texts(drawn(tables, tables.layers))
