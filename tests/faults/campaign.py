"""The campaign: each corruption hits a copy of a finished study, which is then run again and compared with the truth."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from featcx_assets.runner import Outcome, run_study
from featcx_assets.stages import needed
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.networks.safetensors_files import CheckpointError
from featcx_core.store.damage import Damaged
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import StudyError
from featcx_core.study.files import load_study
from tests.faults.corruption import OPERATIONS, corrupt
from tests.faults.results import Result
from tests.faults.study import write_small
from tests.faults.truth import Tables, different, is_part, tables_of

_FOLLOWER = '\n[checkpoints]\nfolder = "runs"\npattern = "{epoch}.*"\n'
TABLES = ("layer_information",)
"""What a run is asked for, with all that it needs, unless a page was hit."""
Truth = dict[str, Tables]


class Kind(NamedTuple):
    """A kind of file."""

    study: str
    """The study whose files are hit."""
    pattern: str
    """Those files, below the home."""
    readers: tuple[str, ...] = ()
    """What is deleted, so that the next run reads the file, below the study's folder."""
    only: tuple[str, ...] = TABLES
    """What the next run is asked for."""


_INFORMATION = ("tables/layer_information/*", "tables/v_information/0*")
_MEASURED = (*_INFORMATION, "tables/concepts/*", "codes/*")
KINDS = {
    "activations, chunk": Kind("tiny", "tiny/activations/*/*/c/*/*", _INFORMATION),
    "activations, zarr.json": Kind("tiny", "tiny/activations/*/*/zarr.json", _INFORMATION),
    "dictionary, chunk": Kind("tiny", "tiny/dictionary/*/**/c/**/[0-9]*", _MEASURED),
    "codes, chunk": Kind("tiny", "tiny/codes/*/**/c/**/[0-9]*", _INFORMATION),
    "manifest of arrays": Kind("tiny", "tiny/[acd]*/**/featcx.json", _INFORMATION),
    "table (Parquet)": Kind(
        "tiny",
        "tiny/tables/v_information/*.parquet",
        ("tables/layer_information/*",),
        only=(*TABLES, "reference_v_information"),
    ),
    "table of all epochs": Kind("tiny", "tiny/tables/layer*/all.parquet"),
    "visible rows (current.parquet)": Kind("tiny", "*/tables/current.parquet"),
    "empty table": Kind("tiny", ".empty/tables/*/*.parquet"),
    "database": Kind("tiny", "*.duckdb"),
    "own checkpoint": Kind("tiny", "tiny/checkpoints/0*.safetensors"),
    "own checkpoint, read again": Kind("tiny", "tiny/checkpoints/0*.safetensors", ("activations/*", *_MEASURED)),
    "training state": Kind("tiny", "tiny/checkpoints/training_state", ("checkpoints/000002.safetensors",)),
    "digests of checkpoints": Kind("tiny", "*/checkpoints/.digests.json"),
    "layers.json": Kind("tiny", "*/layers.json"),
    "other program's checkpoint": Kind("follower", "runs/*", ("activations/*", *_MEASURED)),
    "other program's digests": Kind("follower", "follower/checkpoints/.digests.json"),
    "pinned reference": Kind("follower", "follower/reference.json"),
    "page": Kind("tiny", "tiny/report/index.html", only=("report",)),
    "manifest of pages": Kind("tiny", "tiny/report/**/featcx.json", only=("report",)),
}


def make_home(folder: Path) -> Path:
    """Make the home once: a study that trains itself, and one that follows another program's checkpoints."""
    home = folder / "home"
    home.mkdir(parents=True)
    tiny = write_small(folder)
    _run(register(load_study(tiny), home=home, text=tiny.read_text()), only=())
    runs = home / "runs"
    runs.mkdir()
    import torch
    from safetensors.torch import load_file

    for epoch in (1, 2):
        tensors = load_file(home / "tiny" / "checkpoints" / f"00000{epoch}.safetensors")
        torch.save(tensors, runs / f"{epoch}.pt")
        os.utime(runs / f"{epoch}.pt", (time.time() - 3600, time.time() - 3600))
    text = tiny.read_text().replace('"tiny"', '"follower"').replace("[training]\nepochs = 2\nbatch_size = 32\n", "")
    study = folder / "follower.toml"
    study.write_text(text + _FOLLOWER.replace('"runs"', f'"{runs}"'))
    _run(register(load_study(study), home=home, text=study.read_text()), only=())
    shutil.rmtree(home / "dagster")
    return home


def truth_of(home: Path) -> Truth:
    """Return all tables of all studies."""
    return {name: tables_of(open_store(home, name)) for name in ("tiny", "follower")}


def hit(home: Path, truth: Truth, kind_name: str, operation: str, chance: np.random.Generator) -> Result | None:
    """Corrupt one file of the home, run its study, compare; None where the operation changes nothing."""
    kind = KINDS[kind_name]
    paths = sorted(path for path in home.glob(kind.pattern) if path.is_file())
    path = paths[int(chance.integers(len(paths)))]
    if not corrupt(path, paths, operation, chance):
        return None
    for reader in kind.readers:
        for made in (home / kind.study).glob(reader):
            shutil.rmtree(made) if made.is_dir() else made.unlink()
    outcome, lines = _outcome(home, truth, kind)
    return Result(kind_name, operation, str(path.relative_to(home)), outcome, tuple(lines))


def _outcome(home: Path, truth: Truth, kind: Kind) -> tuple[str, list[str]]:
    with _listening() as lines:
        try:
            store = open_store(home, kind.study)
            if not kind.readers and not is_part(_readable(home, kind.study, lines), truth[kind.study]):
                return "silent", [*lines, "what is read before the next run differs"]
            store = register(store.study, home=home, text=store.study_path.read_text())
            outcome = _run(store, only=kind.only)
            lines += outcome.failures
            if outcome.broken:
                return "crashed", lines
            others = different(tables_of(store), truth[kind.study], _asked(store, kind.only))
            if others and not outcome.failures:
                return "silent", [*lines, f"other rows in {', '.join(others)}"]
            return ("named" if others else "healed"), lines
        except (StudyError, CheckpointError, Damaged) as error:
            return "named", [*lines, str(error)]
        except Exception as error:
            return "crashed", [*lines, f"{type(error).__name__}: {error}"]


def campaign(folder: Path, *, seed: int, n: int, say: Callable[[str], None] = lambda line: None) -> Iterator[Result]:
    """Yield the results of `n` corruptions, over all kinds and operations in turn."""
    chance = np.random.default_rng(seed)
    clean = clean_home(folder)
    home = restored(clean, folder / "home")
    truth = truth_of(home)
    pairs = [(kind, operation) for kind in KINDS for operation in OPERATIONS]
    done = turn = 0
    order = chance.permutation(len(pairs))
    while done < n:
        kind, operation = pairs[order[turn % len(pairs)]]
        turn += 1
        restored(clean, home)
        result = hit(home, truth, kind, operation, chance)
        if result is not None:
            done += 1
            say(f"{done:4} {result.outcome:8} {result.kind}, {operation}: {result.path}")
            yield result


def clean_home(folder: Path) -> Path:
    """Return the home that nothing was done to; it is made once a folder."""
    clean = folder / "clean"
    if not clean.exists():
        make_home(folder).rename(clean)
    return clean


def restored(clean: Path, home: Path) -> Path:
    """Make a home as the clean one is; returns it."""
    shutil.rmtree(home, ignore_errors=True)
    return shutil.copytree(clean, home)


def _run(store: Store, *, only: tuple[str, ...]) -> Outcome:
    os.environ["FEATCX_HOME"] = str(store.home)
    said: list[str] = []
    outcome = run_study(store, only=only, epochs=(), device="cpu", say=said.append)
    lost = tuple(line for line in said if "its checkpoint is gone" in line)
    return outcome._replace(failures=(*outcome.failures, *lost))


def _readable(home: Path, study: str, lines: list[str]) -> Tables:
    """Return the tables that can be read before anything is run; of the others, the line that says why not."""
    tables: Tables = {}
    try:
        reader = StudyReader(Snapshot(open_store(home, study)))
    except StudyError as error:
        lines.append(str(error))
        return tables
    for name in reader.snapshot.catalogue.tables:
        try:
            tables[name] = reader.table(name)
        except Damaged as error:
            lines.append(str(error))
    return tables


def _asked(store: Store, only: tuple[str, ...]) -> set[str]:
    """Return the tables that a run makes."""
    artefacts = needed(Snapshot(store, also=only), only) if only else catalogue().wanted(store.study)
    return {table.name for artefact in artefacts for table in artefact.tables}


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect what is logged."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("featcx")
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
