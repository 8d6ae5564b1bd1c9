"""The command line: results on stdout, progress on stderr, exit code 2 with one line for bad input."""

import json
import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, cast

import click

from featcx_assets.comparing import compare, state_of_group
from featcx_assets.keeping import allow_command, backup, doctor, prune_command, restore, verify
from featcx_assets.new import new
from featcx_assets.reference import reference
from featcx_assets.resources import home
from featcx_assets.run import run
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.groups import group_paths, read_group
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.networks.anatomy import module_and_call
from featcx_core.store.damage import Damaged
from featcx_core.store.files import FullDisk, is_of_full_disk
from featcx_core.store.places import open_store
from featcx_core.study.fields import Study, StudyError


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (StudyError, Damaged) as error:
            raise _BadInput(str(error)) from None
        except BrokenPipeError:  # whoever reads has seen enough; click ends quietly
            raise
        except OSError as error:
            raise _BadInput(_of_system(error)) from None


class _BadInput(click.ClickException):
    exit_code = 2


def _of_system(error: OSError) -> str:
    """Return the line for what the system refuses, with what to do."""
    where = error.filename or home()
    if is_of_full_disk(error):
        return str(error if isinstance(error, FullDisk) else FullDisk(where))
    if isinstance(error, PermissionError):
        return f"cannot write to {where}: {error.strerror}; choose another FEATCX_HOME"
    return f"{where}: {error.strerror or error}; `featcx doctor` looks at this machine and its disk"


_NOTES = {"class_token": " and class token", "tokens": " tokens"}


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="featcx")
def main() -> None:
    """Features of a vision model, from simple to complex: when each was learned, where it travels, how much it matters.

    Everything lies under FEATCX_HOME (default: ./.featcx).
    """


main.add_command(run)
main.add_command(compare)

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@main.command()
@click.option("--port", default=3000, show_default=True, help="Port of the web UI on this machine.")
def ui(port: int) -> None:
    """Open the web UI: the asset graph, every partition, pictures; runs what lands and what is scheduled."""
    from filelock import FileLock, Timeout

    from featcx_assets.dagster_home import dagster_home, end_interrupted_runs, environment, instance
    from featcx_assets.guard import TOKEN, token_of

    command = [sys.executable, "-m", "featcx_assets.serving", "dev", "-m", "featcx_assets.definitions"]
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]  # a sensor says two lines a tick
    try:
        with FileLock(dagster_home(home()) / "ui.lock", timeout=0):
            with instance(home()) as dagster:
                end_interrupted_runs(dagster)
            _refuse_busy(port)
            token = token_of(dagster_home(home()))
            click.echo(f"http://127.0.0.1:{port}/?token={token} (Ctrl-C ends it)")
            # First: what a job in the background is begun to ignore, its services would ignore, too.
            for ending in _ENDINGS:
                signal.signal(ending, signal.default_int_handler)
            # In a session of their own, so that whatever ends us, Ctrl-C or a signal, reaches them once, by our hand.
            env = {**environment(home()), TOKEN: token}
            with subprocess.Popen([*command, *arguments], env=env, start_new_session=True) as services:
                for ending in _ENDINGS:
                    signal.signal(ending, lambda *_: services.send_signal(signal.SIGINT))
            sys.exit(services.returncode)
    except Timeout:
        raise _BadInput(f"the web UI of {home()} is open already; close it first") from None


for command in (new, reference, verify, backup, restore, prune_command, doctor, allow_command):
    main.add_command(command)


@main.command()
@click.argument("query")
@click.option("--json", "output", flag_value="json", help="A list of objects.")
@click.option("--csv", "output", flag_value="csv", help="Comma-separated values.")
@click.option("--trusted", is_flag=True, help="Let the query read and write files, and change settings.")
def sql(query: str, output: str | None, *, trusted: bool) -> None:
    """Ask the result tables with SQL (DuckDB), read-only; works while runs are writing."""
    import duckdb

    from featcx_assets.asking import asking

    try:
        with asking(home(), query, say=partial(click.echo, err=True), trusted=trusted) as connection:
            rows = cast("duckdb.DuckDBPyRelation | None", connection.sql(query))
            if rows is None and trusted:
                return
            if rows is None:
                raise _BadInput(f"wanted a query, got {query!r}; try 'select * from complexity limit 5'")
            if output == "csv":
                click.echo(rows.df().to_csv(index=False), nl=False)
            elif output == "json":
                click.echo(rows.df().to_json(orient="records", indent=1))
            else:
                rows.show(max_width=10_000, max_rows=200)
    except duckdb.Error as error:
        reason, _, _ = str(error).partition("\n\n")  # what follows repeats the query
        hint = "; --trusted lets a query read and write files" if isinstance(error, duckdb.PermissionException) else ""
        raise _BadInput(" ".join(reason.split()) + hint) from None


@main.command()
@click.argument("study", required=False)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status(study: str | None, *, as_json: bool) -> None:
    """State of every asset: made, stale or missing."""
    registered = (path.parent.name for path in home().glob("*/study.toml"))
    names = [study] if study else sorted({*registered, *group_paths(home())})
    if not names:
        raise _BadInput(f"no study in {home()} yet; `featcx run` makes the first")
    states = {name: _state_of(name) for name in names}
    if as_json:
        click.echo(json.dumps(states, indent=1))
        return
    for name, rows in states.items():
        click.echo(f"{name}: {rows['error']}" if rows["error"] else name)
        for row in rows["assets"]:
            click.echo(f"  {row['asset']:<26}{row['current']:>6} of {row['partitions']:<6}{row['note']}")
        for line in rows["bad_checkpoints"]:
            click.echo(f"  bad checkpoint: {line}")
    for line in catalogue().broken:
        click.echo(line, err=True)


@main.command()
@click.argument("model")
@click.option("--image", default="3x224x224", show_default=True, help="Channels x height x width of an input image.")
@click.option("--classes", default=1000, show_default=True, help="Number of classes.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def layers(model: str, image: str, classes: int, *, as_json: bool) -> None:
    """Parts of MODEL: layers, blocks, shortcuts, branches, head.

    MODEL is builtin:…, torchvision:…, timm:… or package.module:…
    """
    try:
        channels, height, width = (int(part) for part in image.split("x"))
    except ValueError:
        raise _BadInput(f"--image: wanted CxHxW, for instance 3x224x224, got {image!r}") from None
    from featcx_core.networks.allowed import ALLOW
    from featcx_core.networks.layers import resolve_anatomy
    from featcx_core.networks.models import build_model

    shape = (channels, height, width)
    os.environ[ALLOW] = os.pathsep.join((os.environ.get(ALLOW, ""), str(Path.cwd())))  # named by the user just now
    study = Study.model_validate({"name": "any", "model": {"source": model, "folder": str(Path.cwd())}})
    anatomy = resolve_anatomy(build_model(study, n_classes=classes, image_shape=shape), study, image_shape=shape)
    if as_json:
        click.echo(anatomy.model_dump_json(indent=1))
        return
    click.echo(f"{'layer':<32}{'role':<13}{'kind':<24}{'units':>6}  {'positions':<22}{'shortcut':<12}branches")
    for row in anatomy.layers:
        place = f"{row.height}x{row.width}{_NOTES.get(row.layout, '')}{' after a ReLU' if row.rectified else ''}"
        _, call = module_and_call(row.layer)
        kind = row.kind if call == 1 else f"{row.kind}, call {call}"
        line = f"{row.layer:<32}{row.role:<13}{kind:<24}{row.units:>6}  {place:<22}{row.shortcut:<12}"
        click.echo((line + ", ".join(row.branches)).rstrip())
    click.echo(f"head: {anatomy.head}, {anatomy.n_classes} classes")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def tables(*, as_json: bool) -> None:
    """The result tables: what a row is, and every column's meaning."""
    for line in catalogue().broken:
        click.echo(line, err=True)
    if as_json:
        spec = {
            name: {**t._asdict(), "columns": [c._asdict() for c in t.columns]} for name, t in catalogue().tables.items()
        }
        click.echo(json.dumps(spec, indent=1))
        return
    for table in catalogue().tables.values():
        click.echo(f"{table.name}: {table.row} Key: {', '.join(table.keys)}.")
        for column in table.columns:
            click.echo(f"  {column.name:<28}{column.dtype:<13}{column.description}")


def _refuse_busy(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise _BadInput(f"port {port} is in use; choose another with --port")


def _state_of(name: str) -> dict[str, Any]:
    try:
        if registered := group_paths(home()).get(name):
            return state_of_group(read_group(registered))
        snapshot = Snapshot(open_store(home(), name))
    except (StudyError, OSError, ValueError) as error:
        if not (home() / name).is_dir():
            raise
        return {"error": str(error), "assets": [], "bad_checkpoints": []}  # the other studies are shown
    rows = []
    for artefact in snapshot.wanted:
        stale = snapshot.stale(artefact)
        made = [p for p in stale if snapshot.committed(p) is not None]
        note = f"{len(made)} stale, {len(stale) - len(made)} missing" if stale else ""
        n = len(snapshot.partitions(artefact))
        rows.append({"asset": artefact.name, "partitions": n, "current": n - len(stale), "note": note})
    return {"error": "", "assets": rows, "bad_checkpoints": list(snapshot.survey.bad.values())}
