"""What Dagster loads: the assets of every study in FEATCX_HOME and of the packaged ones.

Reads study files and `layers.json` only, so it loads no torch.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from featcx_assets import dynamics, features, measures, sources
from featcx_assets.automation import checkpoint_sensor, refresh_schedule
from featcx_assets.checks import checks
from featcx_assets.resources import Workbench, home
from featcx_core.anatomy import Anatomy, read_anatomy
from featcx_core.study import Study, StudyError, load_study, packaged_studies


def studies(folder: Path) -> Iterator[tuple[Study, Anatomy]]:
    """Registered studies, then packaged ones that are not registered yet."""
    registered = {path.parent.name: path for path in sorted(folder.glob("*/study.toml"))}
    layers = {name: path.with_name("layers.json") for name, path in registered.items()}
    for name, path in packaged_studies().items():
        if name not in registered:
            registered[name], layers[name] = path, path.with_name(f"{name}.layers.json")
    for name, path in registered.items():
        try:
            study, anatomy = load_study(path), read_anatomy(layers[name])
            if study.name != name:
                raise StudyError(f"{path}: wanted name = {name!r}, that of its folder, got {study.name!r}")
            yield study, anatomy
        except (StudyError, OSError, ValueError) as error:
            # One broken study must not take the others out of the UI.
            logging.getLogger("featcx").warning("study %s is left out: %s", name, error)


def definitions(folder: Path) -> dg.Definitions:
    """The assets, checks, sensors and schedules of all studies of a home."""
    found = list(studies(folder))
    return dg.Definitions(
        assets=[
            asset
            for study, anatomy in found
            for asset in (
                *sources.assets(study, anatomy),
                *features.assets(study, anatomy),
                *measures.assets(study, anatomy),
                *dynamics.assets(study),
            )
        ],
        asset_checks=[check for study, _ in found for check in checks(study)],
        sensors=[checkpoint_sensor(study) for study, _ in found],
        schedules=[refresh_schedule(study) for study, _ in found],
        resources={"workbench": Workbench()},
        executor=dg.in_process_executor,
    )


defs = definitions(home())
