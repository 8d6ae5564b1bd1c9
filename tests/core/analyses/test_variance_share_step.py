from pathlib import Path

import numpy as np
import pytest

import featcx_core as fx
from featcx_core.analyses.variance_share.checks import directions_stand_beside
from featcx_core.figures.variance_share import variance_share_figures
from featcx_core.store.places import open_store
from tests.references import variance_share as reference
from tests.steps import reader, rows_of, table_of


@pytest.mark.parametrize("layer", ["stem", "layer3.2"])
def test_shares_are_those_of_scikit_learn_on_the_stored_arrays(finished_home: Path, layer: str):
    store, study = open_store(finished_home, "tiny"), fx.open_study("tiny", home=finished_home)
    acts, codes = (np.asarray(a[:], float) for a in (study.acts(epoch=2, layer=layer), study.codes(epoch=2)))
    rows = rows_of(store, "variance_share", epoch=2)
    own = rows[(rows["layer"] == layer) & (rows["kind"] == "concept")].set_index("concept")
    alive = own["variance_share"].dropna()
    assert len(alive) > 3
    for concept, share in alive.items():
        z = codes[:, concept]
        assert share == pytest.approx(reference.share(acts[:60], z[:60], acts[60:], z[60:]), rel=1e-4)
    beside = table_of(store, "v_information").query("epoch == 2 and dictionary_epoch == 2 and kind == 'concept'")
    beside = beside[beside["layer"] == layer].set_index("concept")["v_information"]
    np.testing.assert_array_equal(own["v_information"], beside.loc[own.index])


def test_random_directions_stand_beside_and_the_figure_is_drawn(finished_home: Path):
    store = open_store(finished_home, "tiny")
    assert directions_stand_beside(reader(store)).passed
    (figure,) = variance_share_figures(table_of(store, "variance_share")).values()
    assert len(figure.axes) == 2
