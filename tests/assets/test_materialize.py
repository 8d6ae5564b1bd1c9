"""Materialising from the web UI: any shape of selection gives the tables of `featcx run`."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from featcx_assets.definitions import definitions
from featcx_assets.partitions import RANGE_END, RANGE_START, register_epochs
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.files import write_bytes
from featcx_core.store.places import Store
from featcx_core.study.files import load_study
from tests.assets.test_runner import same, visible
from tests.steps import table_of

ACROSS = [a.name for a in catalogue().shown if not a.has_epochs and a.tables]
DETAILED = [a.name for a in catalogue().shown if a.when == "detailed"]
AT_REFERENCE = [a.name for a in catalogue().shown if a.when == "reference" and a.tables]
_BEFORE = {"checkpoint", "dictionary_activations", "dictionary", "codes"}
EVERY_EPOCH = [a.name for a in catalogue().shown if a.grain == "epoch" and a.when in ("every", "others")]
MEASURED = [name for name in EVERY_EPOCH if name not in _BEFORE]


class Ui:
    """Launches runs as the web UI does, without the tags of `featcx run`."""

    def __init__(self, store: Store, dagster: dg.DagsterInstance) -> None:
        self.job = definitions(store.home).resolve_implicit_global_asset_job_def()
        self.dagster = dagster
        register_epochs(dagster, "tiny", [0, 1, 2])

    def materialise(self, *assets: str, one: str = "", first: str = "", last: str = "") -> dg.ExecuteInProcessResult:
        """Some assets: at one partition, over a range, or as a whole."""
        tags = {RANGE_START: first, RANGE_END: last} if first else {}
        return self.job.execute_in_process(
            instance=self.dagster,
            asset_selection=[dg.AssetKey(["tiny", asset]) for asset in assets],
            partition_key=one or None,
            tags=tags,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )


def key(epoch: int, layer: str) -> str:
    return str(dg.MultiPartitionKey({"epoch": f"{epoch:06d}", "layer": layer}))


@pytest.fixture
def trained_only(small: Store) -> Store:
    """The small study with its checkpoints and nothing else."""
    for folder in small.root.iterdir():
        if folder.is_dir() and folder.name not in ("checkpoints", "tables"):
            shutil.rmtree(folder)
    for table in (small.root / "tables").iterdir():
        if table.is_dir() and table.name != "layers":
            shutil.rmtree(table)
    shutil.rmtree(small.home / "dagster")
    return small


def test_single_partitions_and_ragged_ranges_give_the_same_tables(trained_only: Store, small_home: Path):
    small, layers = trained_only, trained_only.anatomy.names
    with dg.DagsterInstance.ephemeral() as dagster:
        ui = Ui(small, dagster)
        assert ui.materialise("checkpoint", first="000000", last="000002").success

        assert ui.materialise("activations", one=key(1, "stem")).success
        snapshot, activations = Snapshot(small), catalogue()["activations"]
        assert [p for p in snapshot.partitions(activations) if snapshot.is_current(p)] == [("activations", 1, "stem")]
        # a backfill along the layers, as Dagster forms one where fewer layers than epochs are selected
        for layer in layers[1:]:
            assert ui.materialise("activations", first=key(0, layer), last=key(2, layer)).success
        assert ui.materialise("activations", first=key(0, "stem"), last=key(2, layers[-1])).success
        for epoch in ("000002", "000000", "000001"):
            assert ui.materialise("dictionary_activations", "dictionary", "codes", one=epoch).success

        assert ui.materialise("v_information", one=key(2, "layer2.0")).success
        assert set(table_of(small, "v_information")["layer"]) == {"layer2.0"}  # seen at once
        both = ("v_information", "reference_v_information")
        assert ui.materialise(*both, first=key(0, layers[0]), last=key(2, layers[-1])).success
        assert ui.materialise(*MEASURED, first="000000", last="000002").success
        for epoch in ("000002", "000000"):  # the ends
            assert ui.materialise(*DETAILED, one=epoch).success
        assert ui.materialise(*AT_REFERENCE, one="000002").success
        assert ui.materialise(*ACROSS).success
    same(visible(small.home), visible(small_home))


def test_training_is_the_first_thing_in_a_home(small_home: Path, empty_home: Path):
    store = register(load_study(small_home / "tiny" / "study.toml"), home=empty_home)
    with dg.DagsterInstance.ephemeral() as dagster:
        assert Ui(store, dagster).materialise("training").success
    assert store.checkpoint(2).exists()
    assert visible(empty_home)["epochs"].empty


def test_what_is_current_is_not_made_again_and_keeps_its_numbers_in_the_ui(small: Store):
    path = small.table("complexity", "000001")
    before = path.stat().st_mtime_ns
    with dg.DagsterInstance.ephemeral() as dagster:
        ui = Ui(small, dagster)
        small.table("complexity", "000000").unlink()
        assert ui.materialise("complexity", first="000000", last="000002").success
        assert path.stat().st_mtime_ns == before
        for epoch in ("000000", "000001"):
            (event,) = dagster.fetch_materializations(
                dg.AssetRecordsFilter(dg.AssetKey(["tiny", "complexity"]), asset_partitions=[epoch]), limit=1
            ).records
            metadata = event.asset_materialization.metadata
            assert metadata["fingerprint"].value == Snapshot(small).fingerprint(Partition("complexity", int(epoch)))
            assert metadata["complexity spectrum"].value.startswith("![preview]")
        assert ui.materialise("decode_time").success
        assert ui.materialise("training").success


def test_what_fails_in_a_range_is_named_and_the_rest_is_made(small: Store):
    for epoch in (0, 1, 2):
        small.table("importance", f"{epoch:06d}").unlink()
    write_bytes(small.checkpoint(1), b"")
    with dg.DagsterInstance.ephemeral() as dagster:
        result = Ui(small, dagster).materialise("importance", first="000000", last="000002")
        assert not result.success
        (failed,) = result.filter_events(lambda event: event.is_step_failure)
        assert f"{small.checkpoint(1)} is truncated" in failed.step_failure_data.user_failure_data.description
        made = dagster.get_materialized_partitions(dg.AssetKey(["tiny", "importance"]))
        assert made == {"000000", "000002"}
    assert Snapshot(small).stale(catalogue()["importance"]) == []


def test_an_epoch_that_is_not_analysed_in_detail_says_so(small: Store):
    with dg.DagsterInstance.ephemeral() as dagster:
        ui = Ui(small, dagster)
        for asset, note in (
            ("support", "the study's analyses.epochs does not name this epoch"),
            ("visualisation", "made at the reference epoch only"),
        ):
            result = ui.materialise(asset, one="000001")
            assert result.success
            (event,) = result.asset_materializations_for_node(f"tiny__{asset}")
            assert event.metadata["note"].value == note


def test_what_has_nothing_to_be_made_from_says_so(trained_only: Store):
    with dg.DagsterInstance.ephemeral() as dagster:
        ui = Ui(trained_only, dagster)
        for asset in ("decode_time", "report"):
            result = ui.materialise(asset)
            (failed,) = result.filter_events(lambda event: event.is_step_failure)
            assert failed.step_failure_data.user_failure_data.description == (
                f"{asset}: nothing to make it from yet; materialise what it needs first"
            )
        result = ui.materialise("codes", one="000001")
        (failed,) = result.filter_events(lambda event: event.is_step_failure)
        assert (
            "epoch 1: dictionary of epoch 1 is not there or not current; materialise dictionary first"
            in failed.step_failure_data.user_failure_data.description
        )
