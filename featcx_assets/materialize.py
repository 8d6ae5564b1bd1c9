"""How an asset is made: only what is stale, an epoch at a time, one writer an epoch, each commit told to the UI."""

import math
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from featcx_assets.partitions import epoch_partitions, grid_partitions, partition_key, partitions_of
from featcx_assets.resources import Workbench
from featcx_core.artefacts.state import DETAILED, EPOCHLY, GRID, NEEDS, Partition, State, assets_of
from featcx_core.checkpoints.landing import whereabouts
from featcx_core.networks.anatomy import Anatomy
from featcx_core.store.places import Store, epoch_key
from featcx_core.store.tables import TABLES, Dtype, without_lists
from featcx_core.study.fields import Study

FAILURES = "failures"
"""Metadata of a failed step: epoch -> reason, one line."""

Metadata = dict[str, Any]


class Task(NamedTuple):
    """What is stale of an asset at one epoch."""

    store: Store
    """The study's artefacts."""
    epoch: int
    """The epoch, whose lock is held."""
    layers: list[str]
    """The layers (an empty name where the asset has none)."""
    workbench: Workbench
    """How to compute."""
    selected: frozenset[str]
    """The assets of the run: what they share may be made at once."""


Make = Callable[[Task], None]
"""Makes what is stale."""
Describe = Callable[[Store, Partition], Metadata]
"""What the UI shows of one partition."""


class Step(NamedTuple):
    """One asset made once an epoch (and layer)."""

    asset: str
    """Its name."""
    group: str
    """Where the UI shows it."""
    kinds: set[str]
    """What it is made with."""
    description: str
    """What one of its rows or arrays is."""
    tables: tuple[str, ...]
    """Result tables that it writes."""
    make: Make
    """The core call."""
    describe: Describe
    """Counts, previews and pictures of a partition."""


def table_step(asset: str, make: Make, *, kinds: set[str], description: str) -> Step:
    """A measure that writes one partition of the table of its own name."""

    def describe(store: Store, partition: Partition) -> Metadata:
        return table_metadata(store, asset, partition.name)

    return Step(asset, "measures", kinds, description, (asset,), make, describe)


def stepwise(study: Study, anatomy: Anatomy, step: Step) -> dg.AssetsDefinition:
    """The partitioned asset of a step."""
    name = study.name

    @dg.asset(
        **declaration(study, step.asset, step.group, step.kinds, step.description, step.tables),
        partitions_def=grid_partitions(name, anatomy) if step.asset in GRID else epoch_partitions(name),
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="compute",
    )
    def made(context: dg.AssetExecutionContext, workbench: Workbench) -> None:
        store = workbench.store(name)
        failures = dict(_make_epochs(context, store, step, workbench))
        if failures:
            reasons = dg.MetadataValue.json({str(epoch): reason for epoch, reason in failures.items()})
            text = "; ".join(failures.values())
            raise dg.Failure(description=text, metadata={FAILURES: reasons}, allow_retries=False)

    return made


def declaration(
    study: Study, asset: str, group: str, kinds: set[str], description: str, tables: tuple[str, ...]
) -> dict[str, Any]:
    """What every asset declares: key, place in the graph, description, column schemas."""
    return {
        "key": dg.AssetKey([study.name, asset]),
        "deps": [_dep(study, asset, need) for need in NEEDS[asset] if need in assets_of(study)],
        "group_name": group,
        "kinds": kinds,
        "description": description,
        "metadata": {"dagster/column_schema": column_schema(tables)} if tables else {},
    }


def _dep(study: Study, asset: str, need: str) -> dg.AssetDep:
    key = dg.AssetKey([study.name, need])
    partitioned = {*GRID, *EPOCHLY}
    if need not in partitioned:
        return dg.AssetDep(key)
    if asset not in partitioned or (asset, need) == ("reference_v_information", "codes"):
        return dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping())
    if (asset in GRID) != (need in GRID):
        return dg.AssetDep(key, partition_mapping=dg.MultiToSingleDimensionPartitionMapping("epoch"))
    return dg.AssetDep(key)


def _make_epochs(
    context: dg.AssetExecutionContext, store: Store, step: Step, workbench: Workbench
) -> Iterator[tuple[int, str]]:
    """Make what is stale; yields every epoch that could not be made with the reason, and goes on with the others."""
    store.write_current(State(store).visible())
    selected = frozenset(key.path[-1] for key in context.run.asset_selection or ())
    for epoch, group in groupby(partitions_of(context, step.asset), key=lambda p: p.epoch):
        asked = list(group)
        with store.lock(f"epoch-{epoch_key(epoch)}"):
            state = State(store)
            if epoch in state.survey.bad or epoch not in state.survey.digests:
                yield epoch, state.survey.bad.get(epoch, f"epoch {epoch}: no checkpoint in {whereabouts(store)}")
                continue
            known = set(state.partitions(step.asset))
            stale = [p for p in asked if p in known and not state.is_current(p)]
            try:
                _refuse_lacking(state, stale)
                if stale:
                    step.make(Task(store, epoch, [p.layer for p in stale], workbench, selected))
                else:
                    context.log.info("epoch %d: nothing to do, the fingerprints are current", epoch)
            except (ValueError, OSError) as error:
                named = f"epoch {epoch}"
                yield epoch, str(error) if str(error).startswith(named) else f"{named}: {error}"
                continue
        for partition in asked:
            metadata = (
                _metadata(state, step, partition) if partition in known else {"note": _why_none(state, partition)}
            )
            key = partition_key(partition)
            if partition in stale:  # logged as it is committed, so that a crash keeps it
                context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
            _keep_for_the_end(context, key, metadata)


def _why_none(state: State, partition: Partition) -> str:
    asset, epoch, _ = partition
    if asset == "visualisation" and epoch != state.study.reference_epoch:
        return "made at the reference epoch only"
    if asset in DETAILED and epoch not in state.detailed_epochs(asset):
        return "the study's analyses.epochs does not name this epoch"
    return "as v_information" if asset == "reference_v_information" else "the checkpoint is gone"


def _refuse_lacking(state: State, stale: list[Partition]) -> None:
    """Raises ValueError where something would be read that is missing or was made from something else by now."""
    for partition in stale:
        for need in state.lacking(partition):
            where = f", layer {need.layer}" if need.layer else ""
            raise ValueError(
                f"epoch {partition.epoch}: {need.asset} of epoch {need.epoch}{where} is not there or not current; "
                f"materialise {need.asset} first"
            )


def _keep_for_the_end(context: dg.AssetExecutionContext, key: str, metadata: Metadata) -> None:
    """For the event with which Dagster ends the run, one a partition of its range: the web UI shows the latest.

    As `context.add_asset_metadata`, which lists the whole range anew at every call: 25 ms each with 1,530 partitions.
    """
    step = context.get_step_execution_context()
    step._metadata_accumulator = step._metadata_accumulator.with_additional_asset_metadata(
        asset_key=context.asset_key, partition_key=key, metadata=metadata
    )


def _metadata(state: State, step: Step, partition: Partition) -> Metadata:
    return {"fingerprint": state.prints.of(*partition), **step.describe(state.store, partition)}


def table_metadata(store: Store, table: str, partition: str) -> Metadata:
    """Row count, first rows and file of a table's partition."""
    from pyarrow.parquet import ParquetFile

    path = store.table(table, partition)
    shown = {*without_lists(table)} - _SAME_IN_EVERY_ROW
    columns = [column for column in column_schema((table,)).columns if column.name in shown]
    with ParquetFile(path) as file:
        n_rows = file.metadata.num_rows
        rows = next(file.iter_batches(8, columns=[column.name for column in columns])).to_pylist() if n_rows else []
    records = [dg.TableRecord({name: _plain(value) for name, value in row.items()}) for row in rows]
    preview = {f"first rows of {table}": dg.MetadataValue.table(records, dg.TableSchema(columns))} if records else {}
    return {"dagster/partition_row_count": n_rows, "file": dg.MetadataValue.path(path), **preview}


def picture(png: bytes) -> dg.MetadataValue[Any]:
    """A picture that the UI shows."""
    from base64 import b64encode

    return dg.MetadataValue.md(f"![preview](data:image/png;base64,{b64encode(png).decode()})")


def path_metadata(path: Path) -> Metadata:
    """Where a stored array lies."""
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {"file": dg.MetadataValue.path(path), "size_bytes": size}


_SAME_IN_EVERY_ROW = {"study", "fingerprint"}
_NAMES: dict[Dtype, str] = {"int64": "int", "float64": "float"}


def column_schema(tables: tuple[str, ...]) -> dg.TableSchema:
    """The columns of tables, with their meaning, as the web UI shows them."""
    columns = {c.name: c for table in tables for c in TABLES[table].columns}
    return dg.TableSchema(
        [
            dg.TableColumn(
                c.name,
                _NAMES.get(c.dtype, c.dtype),
                c.description,
                dg.TableColumnConstraints(nullable=c.nullable),
            )
            for c in columns.values()
        ]
    )


def _plain(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
