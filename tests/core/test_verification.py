"""The checks find what they are for."""

from pathlib import Path

import pandas as pd
import pytest

from featcx_core.store import Store, open_store
from featcx_core.tables import TABLES
from featcx_core.verification import penultimate_says_more, predictions_kept, shuffled_say_nothing, table_rows


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home, "tiny")


def spoil(store: Store, table: str, partition: str, change) -> None:
    """Rewrite a partition with other rows under its own fingerprint."""
    fingerprint, inputs = store.table_fingerprint(table, partition)
    frame = change(store.read_partition(table, partition))
    store.write_table(table, partition, frame, fingerprint=fingerprint, inputs=inputs)


def test_a_finished_study_has_nothing_wrong(store: Store):
    for table in TABLES.values():
        finding = table_rows(store, table)
        assert finding.passed, (table.name, finding.says)
        assert finding.numbers["rows"] > 0
    assert shuffled_say_nothing(store).passed
    assert penultimate_says_more(store).passed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda frame: pd.concat([frame, frame.iloc[:1]]), "2 rows share a key, the first: {'epoch': 1, 'concept': 0}"),
        (lambda frame: frame.assign(importance=-1.0), r"importance: -1.0 is below 0"),
        (lambda frame: frame.assign(prevalence_fraction=1.5), r"prevalence_fraction: 1.5 is above 1"),
        (lambda frame: frame.assign(importance=float("nan")), "importance: 12 values are missing"),
        (lambda frame: frame.assign(importance=float("inf")), "importance: 12 values are infinite"),
    ],
)
def test_wrong_rows_are_named(store: Store, change, says: str):
    spoil(store, "importance", "000001", change)
    finding = table_rows(store, TABLES["importance"])
    assert not finding.passed
    assert says in finding.says


def test_shuffled_codes_with_a_signal_are_found(store: Store):
    raised = lambda frame: frame.assign(v_information=frame["v_information"].where(frame["kind"] != "shuffled", 0.5))  # noqa: E731
    for layer in store.anatomy.names:
        spoil(store, "v_information", f"000001-{layer}", raised)
    finding = shuffled_say_nothing(store)
    assert not finding.passed
    assert finding.says.startswith("epoch 1: 0.")


def test_a_stem_that_says_as_much_is_found(store: Store):
    spoil(store, "v_information", "000002-stem", lambda frame: frame.assign(v_information=1.0))
    finding = penultimate_says_more(store)
    assert not finding.passed
    assert "stem 1.000" in finding.says


def test_a_dictionary_that_loses_predictions_is_found(store: Store):
    spoil(store, "dictionaries", "000002", lambda frame: frame.assign(predictions_kept_fraction=0.5))
    finding = predictions_kept(store)
    assert not finding.passed
    assert "epoch 2: 0.500" in finding.says
