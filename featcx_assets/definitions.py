"""Definitions that Dagster loads: the assets of every study in FEATCX_HOME, or of the packaged one where there is none.

Reads study files and `layers.json` only, so it loads no torch.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from featcx_assets.assets import assets
from featcx_assets.automation import checkpoint_sensor, refresh_schedule
from featcx_assets.checks import checks
from featcx_assets.group_assets import group_assets, group_checks, group_schedules
from featcx_assets.resources import Workbench, home
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.groups import Group, group_paths, read_group
from featcx_core.networks.anatomy import Anatomy, read_anatomy
from featcx_core.study.fields import Study, StudyError
from featcx_core.study.files import load_study, packaged_studies


def studies(folder: Path) -> Iterator[tuple[Study, Anatomy]]:
    """The registered studies; where there is none, the packaged ones whose network is known without torch."""
    registered = {path.parent.name: path for path in sorted(folder.glob("*/study.toml"))}
    layers = {name: path.with_name("layers.json") for name, path in registered.items()}
    if not registered:
        anatomy_paths = {name: path.with_name(f"{name}.layers.json") for name, path in packaged_studies().items()}
        layers = {name: path for name, path in anatomy_paths.items() if path.is_file()}
        registered = {name: packaged_studies()[name] for name in layers}
    for name, path in registered.items():
        try:
            study, anatomy = load_study(path), read_anatomy(layers[name])
            if study.name != name:
                raise StudyError(f"{path}: wanted name = {name!r}, that of its folder, got {study.name!r}")
            yield study, anatomy
        except (StudyError, OSError, ValueError) as error:
            # One broken study must not take the others out of the UI.
            logging.getLogger("featcx").warning("study %s is left out: %s", name, error)


def groups(folder: Path) -> Iterator[Group]:
    """Registered groups of studies."""
    for name, path in group_paths(folder).items():
        try:
            yield read_group(path)
        except (StudyError, OSError) as error:
            logging.getLogger("featcx").warning("comparison %s is left out: %s", name, error)


def definitions(folder: Path) -> dg.Definitions:
    """The assets, checks, sensors and schedules of all studies of a home."""
    for line in catalogue().broken:
        logging.getLogger("featcx").warning("%s", line)
    registered, compared = list(studies(folder)), list(groups(folder))
    names = {study.name for study, _ in registered}
    return dg.Definitions(
        assets=[
            *(each for group in compared for each in group_assets(group, [m for m in group.members if m in names])),
            *(asset for study, anatomy in registered for asset in assets(study, anatomy)),
        ],
        asset_checks=[
            *(check for study, _ in registered for check in checks(study)),
            *(check for group in compared for check in group_checks(group)),
        ],
        sensors=[checkpoint_sensor(study) for study, _ in registered],
        schedules=[
            *(refresh_schedule(study) for study, _ in registered),
            *(schedule for group in compared for schedule in group_schedules(group)),
        ],
        resources={"workbench": Workbench()},
        executor=dg.in_process_executor,
    )


defs = definitions(home())
