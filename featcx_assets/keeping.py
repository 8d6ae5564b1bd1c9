"""Commands that keep a home well: verify, backup, restore, prune, doctor, allow."""

import json
import sys
from pathlib import Path

import click

from featcx_assets.resources import home
from featcx_assets.run import epochs_of
from featcx_core.artefacts.groups import group_paths
from featcx_core.artefacts.pruning import prunable, prune
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.artefacts.verification import Finding
from featcx_core.artefacts.verification import verify as findings
from featcx_core.checkpoints.survey import remember_damage
from featcx_core.networks.allowed import allow, allowed_path
from featcx_core.store.backup import back_up
from featcx_core.store.backup import restore as put_back
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import StudyError


@click.command()
@click.argument("study", required=False)
@click.option("--repair", is_flag=True, help="Put aside what is damaged and make it again.")
@click.option("--device", default="auto", show_default=True, help="For what is made again.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def verify(study: str | None, device: str, *, repair: bool, as_json: bool) -> None:
    """Read everything of STUDY, or of all studies, and compare it with what was written.

    One line for each file or folder that is damaged or missing. Exit code 1 where there is one, and it was not
    repaired.
    """
    names, left = _names(study), dict[str, list[Finding]]()
    for name in names:
        store = open_store(home(), name)
        left[name] = _found(store, as_json=as_json)
        if repair and left[name]:
            _repair(store, left[name], device)
            left[name] = _found(store, as_json=as_json, silent=True)
            for finding in left[name]:
                click.echo(f"left: {finding.path}: {finding.reason}; {finding.remedy}", err=True)
    if as_json:
        click.echo(json.dumps({name: [_values(each) for each in rows] for name, rows in left.items()}, indent=1))
    else:
        for name, rows in left.items():
            state = f"{len(rows)} damaged or missing" if rows else "everything is as it was written"
            click.echo(f"{name}: {state}")
    if any(left.values()):
        sys.exit(1)


def _found(store: Store, *, as_json: bool, silent: bool = False) -> list[Finding]:
    rows = []
    for finding in findings(store):
        rows.append(finding)
        if not as_json and not silent:
            click.echo(f"{finding.path}: {finding.reason}; {finding.remedy}")
    return rows


def _repair(store: Store, rows: list[Finding], device: str) -> None:
    """Put aside what is damaged, then make what is stale."""
    from featcx_assets.runner import run_study
    from featcx_core.artefacts.register import register

    for row in rows:
        if row.is_movable and row.path.exists():
            store.put_aside(row.path, row.reason)
    remember_damage(store, {row.path: f"{row.path} is {row.reason}" for row in rows if not row.is_movable})
    store = register(store.study, home=store.home, text=store.study_path.read_text(encoding="utf-8"))
    outcome = run_study(store, only=(), epochs=(), device=device, say=lambda line: click.echo(line, err=True))
    for line in outcome.failures:
        click.echo(f"failed: {line}", err=True)


def _values(finding: Finding) -> dict[str, str]:
    return {"path": str(finding.path), "reason": finding.reason, "remedy": finding.remedy}


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.argument("study", nargs=-1)
def backup(target: Path, study: tuple[str, ...]) -> None:
    """Copy every STUDY, or all of them, into the new folder TARGET; runs may go on meanwhile.

    Every file is compared with what was written. The folder may lie on another disk.
    """
    left_out: list[str] = []
    names = list(study) or [*_names(None), *group_paths(home())]
    n_files = back_up(home(), target.resolve(), names, say=left_out.append)
    for line in left_out:
        click.echo(line, err=True)
    click.echo(f"{n_files} files of {', '.join(names)} in {target}")
    if left_out:
        sys.exit(1)


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("study", nargs=-1)
def restore(source: Path, study: tuple[str, ...]) -> None:
    """Put every STUDY of the backup SOURCE, or all of them, into FEATCX_HOME, where none of that name is."""
    names = put_back(source.resolve(), home(), study)
    click.echo(f"restored {', '.join(names)} into {home()}; `featcx run {names[0]}` goes on")


@click.command("prune")
@click.argument("study")
@click.option("--keep", default="", help="Epochs whose arrays stay, beside the reference epoch: 3 or 0,5-8.")
@click.option("--yes", is_flag=True, help="Delete; without it, only say what would be deleted.")
def prune_command(study: str, keep: str, *, yes: bool) -> None:
    """Delete the arrays (activations, codes, sums) of STUDY's other epochs; tables, checkpoints and pages stay.

    What is pruned counts as made. Where something that reads it is to be made, it is made again first.
    """
    snapshot = Snapshot(open_store(home(), study))
    try:
        parts = prunable(snapshot, keep=epochs_of(keep, option="--keep"))
    except ValueError as error:
        raise StudyError(str(error)) from None
    sizes: dict[str, int] = {}
    for part in parts:
        sizes[part.partition.artefact] = sizes.get(part.partition.artefact, 0) + part.size_bytes
    for name, size in sizes.items():
        click.echo(f"  {name:<26}{size / 1e6:>10.1f} MB")
    total = f"{len(parts)} partitions, {sum(sizes.values()) / 1e6:.1f} MB"
    if yes:
        prune(snapshot, parts)
        click.echo(f"{study}: deleted {total}")
    else:
        click.echo(f"{study}: would delete {total}; --yes deletes")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def doctor(*, as_json: bool) -> None:
    """Look at this machine and at FEATCX_HOME: what a run needs, and whether it is there."""
    from featcx_assets.doctor import examine

    rows = list(examine(home()))
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows], indent=1))
    else:
        for row in rows:
            click.echo(f"{'ok  ' if row.is_well else 'LOOK'}  {row.name:<13}{row.says}")
    if not all(row.is_well for row in rows):
        sys.exit(1)


@click.command("allow")
@click.argument("folder", type=click.Path(path_type=Path))
def allow_command(folder: Path) -> None:
    """Let the code in FOLDER, and below it, run when a study file names it as its network.

    Look at it first: it runs with all your rights.
    """
    allow(folder)
    click.echo(f"code in {folder.resolve()} may run; {allowed_path()} lists what may")


def _names(study: str | None) -> list[str]:
    if study:
        return [study]
    names = sorted(path.parent.name for path in home().glob("*/study.toml"))
    if not names:
        raise StudyError(f"no study in {home()} yet; `featcx run` makes the first")
    return names
