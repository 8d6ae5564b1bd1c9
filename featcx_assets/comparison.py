"""Studies side by side: the comparison of each registered group, refreshed when a table of a member changed."""

from collections.abc import Sequence

import dagster as dg

from featcx_assets.automation import is_being_run
from featcx_assets.catalog import write_catalog
from featcx_assets.materialize import column_schema, picture, table_metadata
from featcx_assets.resources import home
from featcx_core.artefacts.groups import Comparison, Group, group_store
from featcx_core.store.places import Store, open_store
from featcx_core.store.tables import COMPARED, TABLES
from featcx_core.study.fields import StudyError
from featcx_core.verification import table_rows

MADE_FROM = ("checkpoint", "v_information", "sedimentation", "correlations")
"""Assets of each member that a comparison reads."""


def asset(group: Group, members: Sequence[str]) -> dg.AssetsDefinition:
    """The comparison of a group, after the assets of those members that are loaded."""
    deps = [
        dg.AssetDep(dg.AssetKey([member, name]), partition_mapping=dg.AllPartitionMapping())
        if name in ("checkpoint", "v_information")
        else dg.AssetDep(dg.AssetKey([member, name]))
        for member in members
        for name in MADE_FROM
    ]

    @dg.asset(
        key=dg.AssetKey([group.name, "comparison"]),
        deps=deps,
        group_name="comparison",
        kinds={"parquet", "matplotlib", "html"},
        description=f"{len(group.members)} studies side by side. {TABLES['comparison'].row} {TABLES['compared'].row}",
        metadata={"dagster/column_schema": column_schema(("comparison",))},
        pool="compute",
    )
    def comparison(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        store = group_store(home(), group.name)
        with store.lock("comparison"):
            found = Comparison(home(), group)
            for member, reason in found.left_out.items():
                context.log.warning("%s is left out: %s", member, reason)
            if not found.is_ready:
                raise dg.Failure(description=f"{group.name}: fewer than two studies have results; make theirs first")
            if found.is_current:
                context.log.info("nothing to do, the fingerprint is current")
                return dg.MaterializeResult(metadata={"fingerprint": found.fingerprint})
            from featcx_core.analyses.comparison import make_comparison

            pictures = make_comparison(home(), group)
            write_catalog(home())
        page = dg.MetadataValue.url((store.comparison / "index.html").as_uri())
        shown = {title: picture(png) for title, png in pictures.items()}
        table = table_metadata(store, "comparison", "all")
        return dg.MaterializeResult(metadata={"fingerprint": found.fingerprint, "page": page, **table, **shown})

    return comparison


def checks(group: Group) -> list[dg.AssetChecksDefinition]:
    """Both tables against their own description."""
    return [_check(group, name) for name in COMPARED]


def schedule(group: Group) -> dg.ScheduleDefinition:
    """Refreshes the comparison when a table of a member changed and nothing is at work on the members."""

    @dg.schedule(
        name=f"{group.name}_comparison",
        cron_schedule="*/5 * * * *",
        target=dg.AssetSelection.assets(dg.AssetKey([group.name, "comparison"])),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Comparison {group.name}, when a table of one of its studies changed.",
    )
    def refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if busy := [member for member in group.members if _is_busy(member)]:
            return dg.SkipReason(f"`featcx run` is at work on {busy[0]}")
        found = Comparison(home(), group)
        if not found.is_wanting:
            return dg.SkipReason("nothing is stale" if found.is_ready else "fewer than two studies have results")
        # One request a state of the members: what fails is not tried for ever.
        return dg.RunRequest(run_key=found.fingerprint, tags={"featcx/study": group.name})

    return refresh


def _check(group: Group, table: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey([group.name, "comparison"]), name=f"{table}_rows_are_valid", description=table_rows.__doc__
    )
    def check() -> dg.AssetCheckResult:
        finding = table_rows(_store(group), TABLES[table])
        return dg.AssetCheckResult(passed=finding.passed, description=finding.says, metadata=dict(finding.numbers))

    return check


def _store(group: Group) -> Store:
    return group_store(home(), group.name)


def _is_busy(member: str) -> bool:
    try:
        return is_being_run(open_store(home(), member))
    except (StudyError, OSError):
        return False
