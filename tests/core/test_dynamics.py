"""The steps over all epochs: what they refuse, and that an incomplete table never passes for a whole one."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from featcx_core.features.activations import record_activations, record_dictionary_activations
from featcx_core.staleness import Partition, State
from featcx_core.steps.dynamics import make_correlations, make_decode_time, make_sedimentation
from featcx_core.steps.features import make_codes, make_dictionary
from featcx_core.steps.measures import (
    make_complexity,
    make_importance,
    make_v_information,
)
from featcx_core.steps.report import make_figures, make_report
from featcx_core.steps.sources import make_checkpoint
from featcx_core.store import Store, open_store

EPOCHS = (0, 1, 2)


@pytest.fixture(scope="module")
def measured_home(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny study with everything made that belongs to one epoch."""
    home = shutil.copytree(trained_home, tmp_path_factory.mktemp("measured") / "home")
    store = open_store(home, "tiny")
    for epoch in EPOCHS:
        make_checkpoint(store, epoch=epoch, device="cpu")
        record_activations(store, epoch=epoch, device="cpu")
        record_dictionary_activations(store, epoch=epoch, device="cpu")
        make_dictionary(store, epoch=epoch, device="cpu")
        make_codes(store, epoch=epoch)
        make_v_information(store, epoch=epoch, layers=store.anatomy.names, dictionary_epochs=[epoch])
        make_complexity(store, epoch=epoch)
        make_importance(store, epoch=epoch)
    for epoch in EPOCHS[:-1]:
        make_v_information(store, epoch=epoch, layers=store.anatomy.names, dictionary_epochs=[EPOCHS[-1]])
    return home


@pytest.fixture
def measured(measured_home: Path, tmp_path: Path) -> Store:
    """A copy of it, to change at will."""
    return open_store(shutil.copytree(measured_home, tmp_path / "measured"), "tiny")


def test_correlations_wait_for_the_time_to_decode(measured: Store) -> None:
    with pytest.raises(ValueError, match="correlations: decode_time is not current; materialise decode_time first"):
        make_correlations(measured)
    make_decode_time(measured)
    rows = make_correlations(measured)
    assert set(rows["y"]) == {"importance", "decode_time"}
    assert State(measured).is_current(Partition("correlations"))


def test_figures_wait_for_the_tables(measured: Store) -> None:
    make_decode_time(measured)
    make_sedimentation(measured)
    with pytest.raises(ValueError, match="figures: correlations is not current"):
        make_figures(measured)
    make_correlations(measured)
    with pytest.raises(ValueError, match="report: figures is not current; materialise figures first"):
        make_report(measured)


def test_without_an_epoch_of_both_measures(measured: Store) -> None:
    for epoch in EPOCHS:
        measured.table("importance", f"{epoch:06d}").unlink()
    make_decode_time(measured)
    for make in (make_sedimentation, make_correlations):
        with pytest.raises(ValueError, match="no epoch has both complexity and importance"):
            make(measured)


def test_an_epoch_of_dead_concepts_has_no_group(measured: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Store.read_partition

    def dead(store: Store, table: str, partition: str, **options: list[str]) -> object:
        frame = read(store, table, partition, **options)
        return frame.assign(complexity=np.nan) if table == "complexity" else frame

    monkeypatch.setattr(Store, "read_partition", dead)
    assert len(make_sedimentation(measured)) == 0
