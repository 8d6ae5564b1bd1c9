"""Asset checks: every table against its own description, and what must hold for the numbers to be believed."""

from collections.abc import Callable

import dagster as dg

from featcx_assets.resources import Workbench
from featcx_core.store.tables import COMPARED, TABLES, Table
from featcx_core.study.fields import Study
from featcx_core.verification import (
    Finding,
    clusters_are_nested,
    fewer_masked_units_change_less,
    matches_are_unique,
    penultimate_says_more,
    permuted_codes_have_no_branch,
    predictions_kept,
    random_directions_stand_beside,
    shortcuts_bring_what_came,
    shuffled_say_nothing,
    super_classes_cover_all,
    support_starts_from_the_dictionary,
    table_rows,
    weak_noise_moves_little,
)

Check = Callable[..., Finding]


def checks(study: Study) -> list[dg.AssetChecksDefinition]:
    """The checks of a study's assets."""
    return [
        *(_table_check(study, table) for name, table in TABLES.items() if name not in ("layers", *COMPARED)),
        *(_control_check(study, TABLES[name]) for name in ("branches", "redundancy", "sensitivity")),
        _check(study, "v_information", "shuffled_codes_say_nothing", shuffled_say_nothing),
        _check(study, "v_information", "penultimate_says_more_than_stem", penultimate_says_more),
        _check(study, "codes", "reconstruction_keeps_predictions", predictions_kept),
        _check(study, "branches", "permuted_codes_have_no_branch", permuted_codes_have_no_branch),
        _check(study, "branches", "shortcuts_bring_what_came", shortcuts_bring_what_came),
        _check(study, "redundancy", "fewer_masked_units_change_less", fewer_masked_units_change_less),
        _check(study, "sensitivity", "weak_noise_moves_little", weak_noise_moves_little),
        _check(study, "support", "support_starts_from_the_dictionary", support_starts_from_the_dictionary),
        _check(study, "concept_paths", "matches_are_unique", matches_are_unique),
        _check(study, "clusters", "clusters_are_nested", clusters_are_nested),
        _check(study, "clusters", "super_classes_cover_all_classes", super_classes_cover_all),
    ]


def _table_check(study: Study, table: Table) -> dg.AssetChecksDefinition:
    def rows(store: object) -> Finding:
        return table_rows(store, table)  # type: ignore[arg-type]

    rows.__doc__ = table_rows.__doc__
    return _check(study, table.asset, f"{table.name}_rows_are_valid", rows)


def _control_check(study: Study, table: Table) -> dg.AssetChecksDefinition:
    def rows(store: object) -> Finding:
        return random_directions_stand_beside(store, table)  # type: ignore[arg-type]

    rows.__doc__ = random_directions_stand_beside.__doc__
    return _check(study, table.asset, f"{table.name}_has_random_directions", rows)


def _check(study: Study, asset: str, name: str, find: Check) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=dg.AssetKey([study.name, asset]), name=name, description=find.__doc__)
    def check(workbench: Workbench) -> dg.AssetCheckResult:
        finding = find(workbench.store(study.name))
        severity = dg.AssetCheckSeverity.ERROR if finding.is_error else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(
            passed=finding.passed, severity=severity, description=finding.says, metadata=dict(finding.numbers)
        )

    return check
