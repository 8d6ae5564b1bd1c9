"""The command that makes a study, or all studies of a sweep, and says what came out."""

import json
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featcx_assets.cluster.command import cancel_jobs, engine_of
from featcx_assets.comparing import group_snapshot, group_to_run, say_comparison
from featcx_assets.resources import home
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.groups import Group
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.damage import Damaged
from featcx_core.store.places import Store
from featcx_core.study.fields import StudyError, changed
from featcx_core.study.files import load_study, packaged_studies
from featcx_core.study.nearest import nearest
from featcx_core.study.sweep import packaged_sweeps

if TYPE_CHECKING:
    from featcx_assets.cluster.engine import Engine
    from featcx_assets.runner import Outcome


class _Asset(click.Choice[str]):
    """The name of an asset; of a misspelt one the nearest is named."""

    def __init__(self) -> None:
        super().__init__(catalogue().names)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        for line in catalogue().broken:
            if line.startswith(f"analysis {value} "):
                self.fail(line, param, ctx)
        if value not in self.choices:
            self.fail(f"no asset {value!r}; {nearest(str(value), self.choices)}", param, ctx)
        return super().convert(value, param, ctx)


@click.command()
@click.argument("study", default="mnist")
@click.option("--epochs", help="Only these epochs: 3 or 0,5-8.")
@click.option("--only", multiple=True, type=_Asset(), help="Only this asset and what it needs; repeatable.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps; changes no result.")
@click.option("--on", type=click.Choice(["slurm", "local"]), help="Make it in several processes: a cluster's, or here.")
@click.option("--workers", type=click.IntRange(min=1), help="With --on local: processes at a time.  [default: 2]")
@click.option("--cancel", is_flag=True, help="With --on slurm: end the study's jobs; what is made stays.")
@click.option("--verbose", is_flag=True, help="Every main number with all its intervals.")
@click.option("--json", "as_json", is_flag=True, help="The summary for machines.")
def run(
    study: str,
    epochs: str | None,
    only: tuple[str, ...],
    device: str,
    on: str | None,
    workers: int | None,
    *,
    cancel: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Make everything of STUDY that is missing or stale.

    STUDY is the name of a packaged or registered study, or a path to a study file; likewise a sweep, whose studies are
    run one after another and compared.
    """
    chosen = epochs_of(epochs)
    engine = engine_of(on, workers=workers)
    if cancel:
        cancel_jobs(study, on)
        return
    if device not in ("auto", "cpu") and on != "slurm":  # which computes elsewhere
        from featcx_core.networks.models import torch_device

        torch_device(device)
    if group := group_to_run(study):
        outcome = _run_group(*group, only=only, epochs=chosen, device=device, engine=engine, as_json=as_json)
    else:
        store = _registered(study)
        outcome = _run_study(
            store, only=only, epochs=chosen, device=device, engine=engine, verbose=verbose, as_json=as_json
        )
    for line in outcome.failures:
        click.echo(f"failed: {line}", err=True)
    if outcome.failures:
        sys.exit(1 if outcome.broken else 2)


def _run_study(
    store: Store,
    *,
    only: tuple[str, ...],
    epochs: set[int],
    device: str,
    engine: "Engine | None",
    verbose: bool,
    as_json: bool,
) -> "Outcome":
    from featcx_assets.runner import run_study
    from featcx_assets.summary import full_lines, summary_lines, summary_values
    from featcx_core.analyses.reading import doubts

    began = time.monotonic()
    while True:
        outcome = run_study(store, only=only, epochs=epochs, device=device, say=_progress, engine=engine)
        reader = StudyReader(Snapshot(store))
        try:
            values = {"made": outcome.made, "failures": outcome.failures, **summary_values(reader)} if as_json else {}
            if as_json:
                lines = []
            else:  # nothing made: nothing heavy is loaded
                lines = full_lines(reader) if verbose else summary_lines(reader, judges_paper=outcome.made > 0)
            looks = doubts(reader)
            break
        except Damaged as error:
            store.put_aside(error.path, error.reason)
            if error.path.exists():
                raise
    if as_json:
        click.echo(json.dumps(values, indent=1))
    else:
        has_any, seconds = bool(reader.snapshot.epochs), time.monotonic() - began
        click.echo(f"{store.study.name}: {_made(outcome, has_any=has_any, seconds=seconds)}")
        for line in lines:
            click.echo(line)
    for line in looks:
        click.echo(f"look: {line}", err=True)
    return outcome


def _run_group(
    group: Group,
    refused: dict[str, str],
    *,
    only: tuple[str, ...],
    epochs: set[int],
    device: str,
    engine: "Engine | None",
    as_json: bool,
) -> "Outcome":
    from featcx_assets.sweep import run_group

    began = time.monotonic()
    outcome = run_group(
        group, home=home(), refused=refused, only=only, epochs=epochs, device=device, say=_progress, engine=engine
    )
    click.echo(f"{group.name}: {_made(outcome, seconds=time.monotonic() - began)}", err=as_json)
    if not only and group_snapshot(group).is_current:
        say_comparison(group, by=None, as_json=as_json)
    return outcome


def _registered(name: str) -> Store:
    """The store of a study file, or of a registered or packaged study, brought up to the file."""
    from featcx_core.artefacts.register import register

    kept = home() / name / "study.toml"
    path = kept if kept.is_file() else packaged_studies().get(name, Path(name))
    if not path.is_file():
        names = (path_of_study.parent.name for path_of_study in home().glob("*/study.toml"))
        names_known = sorted({*packaged_studies(), *packaged_sweeps(), *names})
        raise StudyError(f"no study {name!r}: wanted a path to a TOML file or one of: {', '.join(names_known)}")
    study = load_study(path)
    registered = home() / study.name / "study.toml"
    before = None
    with suppress(StudyError):  # a broken one is replaced
        before = load_study(registered) if path != registered and registered.is_file() else None
    store = register(study, home=home(), text=path.read_text(encoding="utf-8"))
    if before is not None and before != study:
        click.echo(f"{registered} is now as {path}; changed: {', '.join(changed(before, study))}", err=True)
    return store


def epochs_of(text: str | None, *, option: str = "--epochs") -> set[int]:
    """Return the epochs of a text such as `0,5-8`. Raises an error that names the option."""
    if not text:
        return set()
    try:
        return set(_spans(text.split(",")))
    except ValueError:
        raise StudyError(f"{option}: wanted numbers and ranges such as 0,5-8, got {text!r}") from None


def _spans(parts: Iterable[str]) -> Iterable[int]:
    for part in parts:
        first, dash, last = part.partition("-")
        span = range(int(first), int(last if dash else first) + 1)
        if not span:
            raise ValueError(part)
        yield from span


def _progress(line: str) -> None:
    click.echo(line, err=True)


def _made(outcome: "Outcome", *, seconds: float, has_any: bool = True) -> str:
    if outcome.made or outcome.taken:
        parts = f"{outcome.made} part{'' if outcome.made == 1 else 's'}"
        shared = f", {outcome.taken} taken from one another" if outcome.taken else ""
        state = "done except for what failed" if outcome.failures else "done"
        return f"{state}, {parts}{shared} in {_duration(seconds)}"
    if outcome.failures:
        return "nothing made, see what failed"
    return "nothing to do, everything is current" if has_any else "nothing to do yet; `featcx ui` follows what lands"


def _duration(seconds: float) -> str:
    """Return a time in words.

    >>> _duration(207.4), _duration(41.6)
    ('3 min 27 s', '42 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
