"""Asset checks: every table against its own description, and what artefacts declare that must hold."""

from collections.abc import Callable, Iterator

import dagster as dg

from featcx_assets.partitions import asset_key
from featcx_assets.resources import Workbench
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.checks import check_rows
from featcx_core.artefacts.declaration import Artefact, Rows, resolve
from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.tables import Table
from featcx_core.study.fields import Study

Examine = Callable[[StudyReader], Finding]


def checks(study: Study) -> list[dg.AssetChecksDefinition]:
    """Return the checks of a study's assets."""
    return [check for artefact in catalogue().possible(study) for check in _checks(study, artefact)]


def _checks(study: Study, artefact: Artefact) -> Iterator[dg.AssetChecksDefinition]:
    for holding in artefact.holds:
        if isinstance(holding, Rows) and not holding.prefix:  # of a table of two artefacts once
            yield _table_check(study, artefact.name, holding.table)
    for check in artefact.checks:
        yield _check(study, artefact.name, check.name, check.description, _named(check.function))


def result_of(finding: Finding) -> dg.AssetCheckResult:
    """Return a finding as the web UI shows it."""
    severity = dg.AssetCheckSeverity.ERROR if finding.is_error else dg.AssetCheckSeverity.WARN
    numbers = dict(finding.numbers)
    return dg.AssetCheckResult(passed=finding.passed, severity=severity, description=finding.says, metadata=numbers)


def _named(function: str) -> Examine:
    def examine(reader: StudyReader) -> Finding:
        finding: Finding = resolve(function)(reader)
        return finding

    return examine


def _table_check(study: Study, artefact: str, table: Table) -> dg.AssetChecksDefinition:
    name, description = f"{table.name}_rows_are_valid", check_rows.__doc__ or ""
    return _check(study, artefact, name, description, lambda reader: check_rows(reader, table))


def _check(study: Study, artefact: str, name: str, description: str, examine: Examine) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset_key(study.name, artefact), name=name, description=description)
    def check(workbench: Workbench) -> dg.AssetCheckResult:
        return result_of(examine(StudyReader(Snapshot(workbench.store(study.name)))))

    return check
