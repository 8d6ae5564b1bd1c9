"""Assets: one for each declared artefact of a study, with its dependencies and partitions."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import dagster as dg

from featcx_assets.dagster_private import keep_for_the_end
from featcx_assets.epochs import Failed, make_epoch
from featcx_assets.pages import address_of
from featcx_assets.partitions import (
    asset_key,
    epoch_partitions,
    grid_partitions,
    partition_key,
    partitions_of,
    register_epochs,
)
from featcx_assets.previews import column_schema, metadata_of
from featcx_assets.progress import bar
from featcx_assets.resources import Workbench, home
from featcx_assets.views import ensure_views
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.declaration import Artefact, Folder, Need, Page
from featcx_core.artefacts.given import StudyReader, Tools
from featcx_core.artefacts.making import make_stale, refuse_lacking
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.artefacts.visible_rows import write_current
from featcx_core.networks.anatomy import Anatomy
from featcx_core.store.damage import Damaged
from featcx_core.store.places import Store
from featcx_core.study.fields import Study

FAILURES = "failures"
"""Metadata of a failed step: epoch -> reason, one line."""
DEFECTS = "defects"
"""Metadata of a failed step: the epochs whose failure nobody foresaw."""


def assets(study: Study, anatomy: Anatomy) -> list[dg.AssetsDefinition]:
    """Return the assets of everything that a study can have."""
    possible = catalogue().possible(study)
    return [_by_epoch(study, anatomy, a) if a.has_epochs else _once(study, a) for a in possible]


def _by_epoch(study: Study, anatomy: Anatomy, artefact: Artefact) -> dg.AssetsDefinition:
    """Return the asset of an artefact with partitions."""
    name = study.name

    @dg.asset(
        **_declared(study, artefact),
        partitions_def=grid_partitions(name, anatomy) if artefact.grain == "layer" else epoch_partitions(name),
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="compute",
    )
    def made(context: dg.AssetExecutionContext, workbench: Workbench) -> None:
        store = workbench.store(name)
        write_current(store, Snapshot(store).visible())
        failures = list(_make_epochs(context, store, artefact, workbench))
        if failures:
            reasons = dg.MetadataValue.json({str(failure.epoch): failure.reason for failure in failures})
            defects = dg.MetadataValue.json([failure.epoch for failure in failures if failure.defect])
            text = "; ".join(failure.reason for failure in failures)
            raise dg.Failure(description=text, metadata={FAILURES: reasons, DEFECTS: defects}, allow_retries=False)

    return made


def _once(study: Study, artefact: Artefact) -> dg.AssetsDefinition:
    """Return the asset of an artefact that is made once of a study."""
    place = Partition(artefact.name)

    @dg.asset(**_declared(study, artefact), pool="compute")
    def made(context: dg.AssetExecutionContext, workbench: Workbench) -> dg.MaterializeResult[None]:
        store = workbench.store(study.name)
        with store.lock(artefact.name):
            snapshot = Snapshot(store)
            if reason := workbench.failed.get(artefact.name):
                raise dg.Failure(description=reason, allow_retries=False)
            if snapshot.is_current(place):
                context.log.info("nothing to do, the fingerprint is current")
                by = _by(workbench.told.get("all", ""))
                shown = _shown(StudyReader(snapshot), artefact, place) if by else {}
                return dg.MaterializeResult(metadata={"fingerprint": snapshot.fingerprint(place), **shown, **by})
            try:
                refuse_lacking(snapshot, place)
            except ValueError as error:
                raise dg.Failure(description=str(error)) from None
            tools = _tools(workbench, lambda epoch: register_epochs(context.instance, study.name, [epoch]))
            for _ in make_stale(snapshot, [place], tools=tools):
                pass
            write_current(store, Snapshot(store).visible())
            metadata = _shown(StudyReader(snapshot), artefact, place)
            ensure_views(store.home)
        return dg.MaterializeResult(metadata={"fingerprint": snapshot.fingerprint(place), **metadata})

    return made


def _declared(study: Study, artefact: Artefact) -> dict[str, Any]:
    """Return what every asset declares: key, place in the graph, description, column schemas."""
    possible = catalogue().possible(study)
    return {
        "key": asset_key(study.name, artefact.name),
        "deps": [_dep(study, artefact, need) for need in _shown_needs(artefact) if need.artefact in possible],
        "group_name": artefact.group,
        "kinds": set(artefact.kinds),
        "description": _description(study, artefact),
        "metadata": {"dagster/column_schema": column_schema(artefact.tables)} if artefact.tables else {},
    }


def _description(study: Study, artefact: Artefact) -> str:
    """Return what an asset is, with a link to its page where it has one."""
    folder = home() / study.name
    files = [folder / holding.path for holding in artefact.holds if isinstance(holding, Page)]
    if not artefact.has_epochs:
        indices = [folder / holding.path / "index.html" for holding in artefact.holds if isinstance(holding, Folder)]
        files += [index for index in indices if index.is_file()]
    links = [f"[Open the {artefact.name}]({address_of(home(), file)})" for file in files]
    return "\n\n".join([artefact.description, *links])


def _shown_needs(artefact: Artefact) -> list[Need]:
    """Return one need for each asset that an artefact is made from; of what is stored on the way, its own."""
    needs: dict[str, Need] = {}
    for need in catalogue().needs(artefact):
        inner = _shown_needs(need.artefact) if need.artefact.is_internal else [need]
        for each in inner:
            if each.artefact is not artefact:
                mapped = needs.get(each.artefact.name)
                needs[each.artefact.name] = each if mapped is None or each.epochs == "reference" else mapped
    return list(needs.values())


def _dep(study: Study, artefact: Artefact, need: Need) -> dg.AssetDep:
    source = need.artefact
    key = asset_key(study.name, source.name)
    if not source.has_epochs:
        return dg.AssetDep(key)
    if not artefact.has_epochs or need.epochs == "reference":
        return dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping())
    if artefact.grain != source.grain:
        return dg.AssetDep(key, partition_mapping=dg.MultiToSingleDimensionPartitionMapping("epoch"))
    return dg.AssetDep(key)


def _make_epochs(
    context: dg.AssetExecutionContext, store: Store, artefact: Artefact, workbench: Workbench
) -> Iterator[Failed]:
    """Make what is stale of its range; yields every epoch that could not be made, whatever it raised, and goes on.

    What tasks of a cluster have made is only told, and so is what they could not make.
    """
    together = [key.path[-1] for key in context.run.asset_selection or ()]
    for epoch, group in groupby(partitions_of(context, artefact.name), key=lambda p: p.epoch):
        asked = list(group)
        with store.lock(store.epoch_lock(epoch)):
            snapshot = Snapshot(store)
            if workbench.told:
                made = _made_by_tasks(snapshot, artefact, asked, workbench)
            else:
                made = make_epoch(snapshot, artefact, asked, tools=_tools(workbench), together=together)
        if isinstance(made, Failed):
            if made.defect:
                context.log.error("epoch %d", epoch, exc_info=made.defect)
            yield made
            continue
        if not made:
            context.log.info("epoch %d: nothing to do, the fingerprints are current", epoch)
        _tell(context, snapshot, artefact, asked, made, by=workbench.told.get(str(epoch), ""))


def _made_by_tasks(
    snapshot: Snapshot, artefact: Artefact, asked: list[Partition], workbench: Workbench
) -> list[Partition] | Failed:
    epoch = asked[0].epoch
    if reason := workbench.failed.get(f"{artefact.name} {epoch}"):
        return Failed(epoch, reason)
    return [p for p in asked if snapshot.is_current(p)]


def _tell(
    context: dg.AssetExecutionContext,
    snapshot: Snapshot,
    artefact: Artefact,
    asked: list[Partition],
    made: list[Partition],
    *,
    by: str,
) -> None:
    """Tell the web UI what was made, `by` which task of a cluster, and why what was asked for is not."""
    reader, possible = StudyReader(snapshot), set(snapshot.partitions(artefact))
    for partition in asked:
        metadata: Mapping[str, Any] = {"note": _why_none(snapshot, artefact, partition)}
        if partition in possible:
            metadata = {
                "fingerprint": snapshot.fingerprint(partition),
                **_shown(reader, artefact, partition),
                **_by(by),
            }
        key = partition_key(partition)
        if partition in made:  # logged as it is committed, so that a crash keeps it
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
        keep_for_the_end(context, key, metadata)


def _shown(reader: StudyReader, artefact: Artefact, partition: Partition) -> Mapping[str, Any]:
    """Return what the web UI shows of a partition; of one that turns out to be damaged, that it was put aside."""
    try:
        return metadata_of(reader, artefact, partition)
    except Damaged as error:
        reader.store.put_aside(error.path, error.reason)
        return {"note": str(error)}


def _by(task: str) -> dict[str, str]:
    """Return what the web UI shows of the task that made a partition."""
    return {"made by": task} if task else {}


def _why_none(snapshot: Snapshot, artefact: Artefact, partition: Partition) -> str:
    if partition.epoch in snapshot.epochs_of(artefact):
        return "the checkpoint is gone"
    reasons = {
        "reference": "made at the reference epoch only",
        "detailed": "the study's analyses.epochs does not name this epoch",
        "others": "at the reference epoch the epoch's own concepts are the reference concepts",
    }
    return reasons.get(artefact.when, "the checkpoint is gone")


def _tools(workbench: Workbench, landed: Any = None) -> Tools:
    tools = Tools(workbench.device, workbench.batch_size, bar)
    return tools if landed is None else tools._replace(landed=landed)
