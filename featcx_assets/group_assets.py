"""Studies side by side: the assets of each registered group, refreshed when a table of a member changed."""

from collections.abc import Sequence

import dagster as dg

from featcx_assets.automation import is_being_run
from featcx_assets.checks import result_of
from featcx_assets.partitions import asset_key
from featcx_assets.previews import column_schema, metadata_of_group
from featcx_assets.resources import home
from featcx_assets.views import write_views
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.checks import check_rows
from featcx_core.artefacts.declaration import Artefact
from featcx_core.artefacts.groups import Group, GroupReader, GroupSnapshot, group_store, make_of_group
from featcx_core.store.places import open_store
from featcx_core.store.tables import Table
from featcx_core.study.fields import StudyError


def group_assets(group: Group, members: Sequence[str]) -> list[dg.AssetsDefinition]:
    """Return the assets of a group, after the assets of those members that are loaded."""
    return [_asset(group, members, artefact) for artefact in catalogue().of_groups]


def group_checks(group: Group) -> list[dg.AssetChecksDefinition]:
    """Return the checks of a group's tables against their own description."""
    return [_check(group, artefact, table) for artefact in catalogue().of_groups for table in artefact.tables]


def group_schedules(group: Group) -> list[dg.ScheduleDefinition]:
    """Return schedules that refresh a group's assets when a member changed and nothing is at work on the members."""
    return [_schedule(group, artefact) for artefact in catalogue().of_groups]


def _asset(group: Group, members: Sequence[str], artefact: Artefact) -> dg.AssetsDefinition:
    deps = [
        dg.AssetDep(
            asset_key(member, need.artefact.name),
            partition_mapping=dg.AllPartitionMapping() if need.artefact.has_epochs else None,
        )
        for member in members
        for need in catalogue().needs(artefact)
    ]

    @dg.asset(
        key=asset_key(group.name, artefact.name),
        deps=deps,
        group_name=artefact.group,
        kinds=set(artefact.kinds),
        description=f"{len(group.members)} studies. {artefact.description}",
        metadata={"dagster/column_schema": column_schema(artefact.tables[-1:])},
        pool="compute",
    )
    def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        store = group_store(home(), group.name)
        with store.lock(artefact.name):
            snapshot = GroupSnapshot(home(), group, artefact)
            for member, reason in snapshot.left_out.items():
                context.log.warning("%s is left out: %s", member, reason)
            if not snapshot.is_ready:
                raise dg.Failure(description=f"{group.name}: fewer than two studies have results; make theirs first")
            if snapshot.is_current:
                context.log.info("nothing to do, the fingerprint is current")
                return dg.MaterializeResult(metadata={"fingerprint": snapshot.fingerprint})
            snapshot = make_of_group(home(), group, artefact)
            write_views(home())
        metadata = metadata_of_group(store, artefact)
        return dg.MaterializeResult(metadata={"fingerprint": snapshot.fingerprint, **metadata})

    return made


def _schedule(group: Group, artefact: Artefact) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{group.name}_{artefact.name}",
        cron_schedule="*/5 * * * *",
        target=dg.AssetSelection.assets(asset_key(group.name, artefact.name)),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"{group.name}: {artefact.name}, when a table of one of its studies changed.",
    )
    def refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if busy := [member for member in group.members if _is_busy(member)]:
            return dg.SkipReason(f"`featcx run` is at work on {busy[0]}")
        snapshot = GroupSnapshot(home(), group, artefact)
        if not snapshot.is_wanting:
            return dg.SkipReason("nothing is stale" if snapshot.is_ready else "fewer than two studies have results")
        # One request a state of the members: a failure is not tried for ever.
        return dg.RunRequest(run_key=snapshot.fingerprint, tags={"featcx/study": group.name})

    return refresh


def _check(group: Group, artefact: Artefact, table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key(group.name, artefact.name), name=f"{table.name}_rows_are_valid", description=check_rows.__doc__
    )
    def check() -> dg.AssetCheckResult:
        return result_of(check_rows(GroupReader(home(), group), table))

    return check


def _is_busy(member: str) -> bool:
    try:
        return is_being_run(open_store(home(), member))
    except (StudyError, OSError):
        return False
