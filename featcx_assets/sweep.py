"""`featcx run` on a sweep or another group: its studies one after another, then what follows from all of them."""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from featcx_assets.cluster.engine import Engine
from featcx_assets.dagster_home import environment, instance
from featcx_assets.definitions import definitions
from featcx_assets.executing import execute
from featcx_assets.partitions import asset_key
from featcx_assets.runner import Outcome, Say, run_study
from featcx_assets.views import write_views
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.groups import (
    Group,
    GroupSnapshot,
    group_paths,
    group_store,
    read_group,
    refuse_unusable,
    write_group,
)
from featcx_core.artefacts.register import register
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import StudyError, changed
from featcx_core.study.files import load_study
from featcx_core.study.sweep import Sweep, load_sweep


def register_sweep(path: Path, *, home: Path, say: Say) -> tuple[Group, dict[str, str]]:
    """Register the studies of a sweep file and their group; gives the group, and why some could not be registered.

    Says where a sweep of that name was another one.

    Raises StudyError for a file that cannot be used, and where none of its studies can be.
    """
    sweep = load_sweep(path)
    group = Group(sweep.name, tuple(study.name for study in sweep.studies))
    refuse_unusable(home, group)
    difference = _difference(sweep, home)
    refused, siblings = dict[str, str](), list[Store]()
    for study in sweep.studies:
        try:
            siblings.append(register(study, home=home, siblings=siblings))
        except StudyError as error:
            refused[study.name] = str(error)
    if not siblings:
        raise StudyError(next(iter(refused.values())))
    write_group(home, group)
    if difference:
        say(f"sweep {sweep.name} is now as {path}; {difference}")
    return group, refused


def _difference(sweep: Sweep, home: Path) -> str:
    """Say in words where the sweep differs from the registered one of its name; empty if none, or if they agree."""
    names, before = [study.name for study in sweep.studies], list[str]()
    if kept := group_paths(home).get(sweep.name):
        with suppress(StudyError):  # a broken one is replaced
            before = list(read_group(kept).members)
    fields = list[str]()
    for study in sweep.studies:
        registered = home / study.name / "study.toml"
        with suppress(StudyError):
            fields += changed(load_study(registered), study) if registered.is_file() else []
    fields_by_word = {
        "changed": list(dict.fromkeys(fields)),
        "new": [name for name in names if name not in before],
        "no longer in it, their results stay": [name for name in before if name not in names],
    }
    return "; ".join(f"{what}: {', '.join(which)}" for what, which in fields_by_word.items() if before and which)


def run_group(
    group: Group,
    *,
    home: Path,
    refused: dict[str, str],
    only: Collection[str],
    epochs: Collection[int],
    device: str,
    say: Say,
    engine: Engine | None = None,
) -> Outcome:
    """Run the studies of a group and compare them; one that cannot be run is named, the others finish."""
    outcomes: dict[str, Outcome] = {}
    stores: dict[str, Store] = {}
    for name in group.members:
        try:
            path = open_store(home, name).study_path
            study, text = load_study(path), path.read_text(encoding="utf-8")
            # its layers may have been found by an older featcx
            stores[name] = register(study, home=home, text=text, siblings=list(stores.values()))
        except StudyError as error:
            outcomes[name] = Outcome(0, (refused.get(name, str(error)),), broken=False)
    for number, (name, store) in enumerate(stores.items(), start=1):
        say(f"study {number} of {len(stores)}: {name}")
        others = [other for other in stores.values() if other is not store]
        try:
            outcomes[name] = run_study(
                store, only=only, epochs=epochs, device=device, say=say, others=others, engine=engine
            )
        except StudyError as error:
            outcomes[name] = Outcome(0, (str(error),), broken=False)
    try:
        if not only:
            outcomes[group.name] = compare(group, home=home, device=device, say=say)
    except StudyError as error:
        outcomes[group.name] = Outcome(0, (str(error),), broken=False)
    return Outcome(
        sum(outcome.made for outcome in outcomes.values()),
        tuple(f"{name}: {reason}" for name, outcome in outcomes.items() for reason in outcome.failures),
        any(outcome.broken for outcome in outcomes.values()),
        sum(outcome.taken for outcome in outcomes.values()),
    )


def compare(group: Group, *, home: Path, device: str = "auto", say: Say) -> Outcome:
    """Make the comparison of a registered group, where it is stale. Raises StudyError where two have no results."""
    (artefact,) = catalogue().of_groups
    comparison = GroupSnapshot(home, read_group(group_store(home, group.name).group_path), artefact)
    if not comparison.is_ready:
        reasons = "; ".join(f"{member}: {reason}" for member, reason in comparison.left_out.items())
        raise StudyError(f"fewer than two studies have results to compare ({reasons})")
    if not comparison.is_wanting:
        return Outcome(0, (), broken=False)
    say(f"{artefact.name} of {len(comparison.members)} studies")
    os.environ.update(environment(home))
    with instance(home) as dagster:
        job = definitions(home).resolve_implicit_global_asset_job_def()
        tags = {"featcx/study": group.name, "featcx/stage": artefact.name}
        key = asset_key(group.name, artefact.name)
        failures = execute(job, dagster, [key], tags=tags, device=device, what=artefact.name)
    write_views(home)
    broken = any(not failure.is_input for failure in failures)
    return Outcome(int(not failures), tuple(failure.reason for failure in failures), broken)
