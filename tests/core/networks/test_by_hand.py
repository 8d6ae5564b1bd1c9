"""The library without the workflow around it makes a whole study, and the workflow finds nothing left to do."""

import pytest

from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.places import Store
from tests.benchmarks.library import analyse_epochs, analyse_study
from tests.steps import table_of


@pytest.mark.usefixtures("no_gallery")
def test_plain_calls_make_everything_that_a_run_makes(trained: Store):
    analyse_study(trained, analyse_epochs(trained))
    snapshot = Snapshot(trained)
    assert {a.name: snapshot.stale(a) for a in snapshot.wanted} == {a.name: [] for a in snapshot.wanted}
    rows = {name: len(table_of(trained, name)) for name in ("branches", "support", "clusters", "concept_paths")}
    assert min(rows.values()) > 0, rows
