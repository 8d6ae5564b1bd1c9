import numpy as np

from featcx_core.findings.information import layer_means
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import LAYERS, N_EPOCHS, REFERENCE, study


def test_means_have_a_row_a_layer_in_depth_order_and_a_column_an_epoch():
    tables = study()
    layers = tables.layers.sample(frac=1, random_state=0)
    means = layer_means(tables.layer_information, tables.v_information, layers, reference_epoch=REFERENCE)
    assert means.own_concepts.index.tolist() == means.reference_concepts.index.tolist() == LAYERS
    assert means.own_concepts.shape == means.reference_concepts.shape == (len(LAYERS), N_EPOCHS)
    rows = tables.v_information.query("epoch == 3 and dictionary_epoch == @REFERENCE and layer == 'layer2.1'")
    np.testing.assert_allclose(means.reference_concepts.loc["layer2.1", 3], rows["v_information"].mean())
    np.testing.assert_allclose(means.own_concepts[REFERENCE], means.reference_concepts[REFERENCE])
    assert set(means.kinds) == {"concept", "random_direction", "shuffled", "class_logit", "unit"}


def test_without_rows_there_are_no_means():
    tables = no_rows()
    means = layer_means(tables.layer_information, tables.v_information, tables.layers, reference_epoch=REFERENCE)
    assert means.own_concepts.empty
    assert means.reference_concepts.empty
    assert means.kinds == {}
