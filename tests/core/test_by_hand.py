"""The library without the workflow around it makes a whole study, and the workflow finds nothing left to do."""

import pytest

from featcx_core.artefacts.state import State
from featcx_core.store.places import Store
from tests.benchmarks.library import analyse_epochs, analyse_study


@pytest.mark.usefixtures("no_gallery")
def test_plain_calls_make_everything_that_a_run_makes(trained: Store):
    analyse_study(trained, analyse_epochs(trained))
    state = State(trained)
    assert {asset: state.stale(asset) for asset in state.wanted} == {asset: [] for asset in state.wanted}
    rows = {name: len(trained.read_table(name)) for name in ("branches", "support", "clusters", "concept_paths")}
    assert min(rows.values()) > 0, rows
