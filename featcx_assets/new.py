"""`featcx new`: a study file for a network, images and checkpoints that were not seen before."""

import json
import signal
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featcx_assets.progress import bar
from featcx_assets.resources import home
from featcx_core.study.fields import Data, Model, StudyError

if TYPE_CHECKING:
    from featcx_core.inspection.proposal import Proposal
    from featcx_core.inspection.rehearsal import Rehearsal

_WORKFLOW = {"seconds": 6.0, "partition_seconds": 0.02, "partition_bytes": 60e3}
"""Of Dagster and its history, on SQLite, as measured on the packaged study."""


@click.command()
@click.argument("name")
@click.option("--model", default=Model().source, show_default=True, help="The network, as in `featcx layers`.")
@click.option("--argument", "arguments", multiple=True, help="KEY=VALUE for the network's factory; repeatable.")
@click.option("--data", default=Data().source, show_default=True, help="A folder, an .npz file, or a source by name.")
@click.option("--outputs", default="", help="TOML file: the network's outputs of each class, by number or name.")
@click.option("--unlabelled", is_flag=True, help="The images have no classes.")
@click.option(
    "--checkpoints", default="", help="Folder, file or path with {epoch}; without, featcx trains the network."
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes of that training.")
@click.option("--file", "path", type=click.Path(path_type=Path), help="Where to write.  [default: NAME.toml]")
@click.option("--device", default="auto", show_default=True, help="Of the dry run: auto, cpu, cuda or mps.")
@click.option(
    "--no-dry-run",
    "is_dry",
    flag_value=False,
    default=True,
    help="No estimate of time, disk and memory: one epoch is made for it.",
)
@click.option("--keep", is_flag=True, help="Write the file, to be mended, also where something does not fit.")
@click.option("--json", "as_json", is_flag=True, help="What was found, for machines.")
def new(
    name: str,
    model: str,
    arguments: tuple[str, ...],
    data: str,
    outputs: str,
    checkpoints: str,
    epochs: int | None,
    path: Path | None,
    device: str,
    *,
    unlabelled: bool,
    is_dry: bool,
    keep: bool,
    as_json: bool,
) -> None:
    """Write a commented study NAME.toml after looking at a network, its images and its checkpoints.

    Says what was found and what was not, registers the study and estimates what all of it will take. Where the parts
    do not fit one another, says what is to be mended, and the exit code is 2; nothing is written then, or with --keep
    the file alone. Nothing is written either where there are no images, or no such network.
    """
    if checkpoints and epochs is not None:
        raise StudyError("--epochs is of a training by featcx; with --checkpoints another program trains")
    file = path or Path(f"{name}.toml")
    _refuse_taken(name, file)
    if device not in ("auto", "cpu"):
        from featcx_core.networks.models import torch_device

        torch_device(device)
    from featcx_core.inspection.draft import Wishes
    from featcx_core.inspection.proposal import propose

    weights = file.with_name(f"{name}.safetensors")  # what transformers has to rename is written there
    had_weights = weights.exists()
    wishes = Wishes(name, model, _parsed(arguments), data, checkpoints, epochs, outputs, unlabelled)
    proposal = propose(wishes, file=file)
    for line in () if as_json else proposal.found:
        click.echo(line)
    lacking = list(proposal.lacking)
    estimate = _estimated(proposal, device, lacking) if is_dry and not lacking else None
    if keep or not lacking:
        _write(file, proposal.text)
    if not lacking:
        _register(file, lacking)
        if lacking and not keep:
            file.unlink()
    if lacking and not keep and not had_weights:
        weights.unlink(missing_ok=True)
    if as_json:
        click.echo(json.dumps(_values(proposal, file, lacking, estimate), indent=1))
    else:
        _say(file, lacking, estimate)
    if lacking:
        sys.exit(2)


def _refuse_taken(name: str, file: Path) -> None:
    if file.exists():
        raise StudyError(f"{file} is there already and is not written over; choose another name or --file")
    if (home() / name / "study.toml").is_file():
        raise StudyError(f"study {name} is registered in {home()} already; choose another name or delete its folder")
    if not file.absolute().parent.is_dir():
        raise StudyError(f"--file: no folder {file.absolute().parent}")


def _parsed(arguments: tuple[str, ...]) -> dict[str, Any]:
    """`widths=[4, 8]`, the value as in TOML, or else as text."""
    values: dict[str, Any] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not key.isidentifier():
            raise StudyError(f"--argument: wanted KEY=VALUE, got {argument!r}")
        try:
            values[key] = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            values[key] = value
    return values


def _estimated(proposal: "Proposal", device: str, lacking: list[str]) -> "Rehearsal | None":
    from featcx_core.inspection.rehearsal import Workflow, rehearse

    assert proposal.anatomy is not None  # something is lacking otherwise
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the rehearsal's folder goes
    try:
        return rehearse(
            proposal.study,
            proposal.anatomy,
            home=home(),
            epochs=proposal.epochs,
            workflow=Workflow(**_WORKFLOW),
            device=device,
            progress=bar,
        )
    except (ValueError, OSError, RuntimeError, MemoryError) as error:  # of torch: no memory, among others
        lacking.append(f"dry run: {str(error) or type(error).__name__}")
        return None
    finally:
        signal.signal(signal.SIGTERM, before)


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise StudyError(f"cannot write {file}: {error.strerror}; choose another --file") from None


def _register(file: Path, lacking: list[str]) -> None:
    from featcx_core.artefacts.register import register
    from featcx_core.study.files import load_study

    try:
        register(load_study(file), home=home(), text=file.read_text(encoding="utf-8"))
    except StudyError as error:
        lacking.append(str(error))


def _say(file: Path, lacking: list[str], estimate: "Rehearsal | None") -> None:
    from featcx_core.inspection.rehearsal import rehearsal_lines

    if estimate is not None:
        for line in rehearsal_lines(estimate):
            click.echo(line)
        if estimate.doubt:
            click.echo(f"look: {estimate.doubt}", err=True)
    for line in lacking:
        click.echo(f"to be mended: {line}", err=True)
    if lacking and not file.exists():
        click.echo("nothing is written; state it otherwise, or use --keep to mend the file by hand")
        return
    then = f"mend it, then `featcx run {file}`" if lacking else f"registered; `featcx run {file}` makes all of it"
    click.echo(f"written: {file} ({then})")


def _values(proposal: "Proposal", file: Path, lacking: list[str], estimate: "Rehearsal | None") -> dict[str, Any]:
    from featcx_core.inspection.rehearsal import rehearsal_values

    return {
        "file": str(file.absolute()),
        "found": [line.strip() for line in proposal.found],
        "lacking": lacking,
        "study": proposal.study.model_dump(mode="json", exclude_unset=True),
        "dry_run": None if estimate is None else rehearsal_values(estimate),
    }
