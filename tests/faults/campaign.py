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
import pandas as pd

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
from tests.conftest import TINY, write_tiny
from tests.faults.corruption import OPERATIONS, corrupt

_SMALL = '[activations]\nlayers = ["stem", "layer2.0"]\n[analyses]\nrun = []\n'
_FOLLOWER = '\n[checkpoints]\nfolder = "runs"\npattern = "{epoch}.*"\n'
TABLES = ("layer_information",)
"""What a run is asked for, with all that it needs, unless a page was hit."""
Truth = dict[str, dict[str, pd.DataFrame]]


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


class Result(NamedTuple):
    """The outcome of one corruption."""

    kind: str
    operation: str
    path: str
    outcome: str
    """silent, lost (could be made again and was not), crashed, named (and lost), healed (with or without a line)"""
    lines: tuple[str, ...]


def make_home(folder: Path) -> Path:
    """Make the home once: a study that trains itself, and one that follows another program's checkpoints."""
    home = folder / "home"
    home.mkdir(parents=True)
    tiny = write_tiny(folder, text=TINY.replace("[analyses]\n", _SMALL))
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
    return {name: _tables(open_store(home, name)) for name in ("tiny", "follower")}


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
            if not kind.readers and not _is_part(_readable(home, kind.study, lines), truth[kind.study]):
                return "silent", [*lines, "what is read before the next run differs"]
            store = register(store.study, home=home, text=store.study_path.read_text())
            outcome = _run(store, only=kind.only)
            lines += outcome.failures
            if outcome.broken:
                return "crashed", lines
            different = _different(_tables(store), truth[kind.study], _asked(store, kind.only))
            if different and not outcome.failures:
                return "silent", [*lines, f"other rows in {', '.join(different)}"]
            return ("named" if different else "healed"), lines
        except (StudyError, CheckpointError, Damaged) as error:
            return "named", [*lines, str(error)]
        except Exception as error:
            return "crashed", [*lines, f"{type(error).__name__}: {error}"]


def campaign(folder: Path, *, seed: int, n: int, say: Callable[[str], None] = lambda line: None) -> Iterator[Result]:
    """Yield the results of `n` corruptions, over all kinds and operations in turn."""
    chance = np.random.default_rng(seed)
    clean = folder / "clean"
    if not clean.exists():
        made = make_home(folder)
        made.rename(clean)
    home = folder / "home"
    _restore(clean, home)
    truth = truth_of(home)
    pairs = [(kind, operation) for kind in KINDS for operation in OPERATIONS]
    done = turn = 0
    order = chance.permutation(len(pairs))
    while done < n:
        kind, operation = pairs[order[turn % len(pairs)]]
        turn += 1
        _restore(clean, home)
        result = hit(home, truth, kind, operation, chance)
        if result is not None:
            done += 1
            say(f"{done:4} {result.outcome:8} {result.kind}, {operation}: {result.path}")
            yield result


def table_of(results: list[Result]) -> str:
    """Return the results by kind, in Markdown."""
    outcomes = ("silent", "lost", "crashed", "named", "healed")
    lines = [f"| kind of file | corruptions | {' | '.join(outcomes)} |", "|---|" + "---:|" * (len(outcomes) + 1)]
    for kind in (*KINDS, "all"):
        of_kind = [result for result in results if kind in (result.kind, "all")]
        counts = [sum(result.outcome == outcome for result in of_kind) for outcome in outcomes]
        lines.append(f"| {kind} | {len(of_kind)} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _restore(clean: Path, home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(clean, home)


def _run(store: Store, *, only: tuple[str, ...]) -> Outcome:
    os.environ["FEATCX_HOME"] = str(store.home)
    said: list[str] = []
    outcome = run_study(store, only=only, epochs=(), device="cpu", say=said.append)
    lost = tuple(line for line in said if "its checkpoint is gone" in line)
    return outcome._replace(failures=(*outcome.failures, *lost))


def _tables(store: Store) -> dict[str, pd.DataFrame]:
    reader = StudyReader(Snapshot(store))
    names = [name for name in reader.snapshot.catalogue.tables if list(store.root.glob(f"tables/{name}/*.parquet"))]
    return {name: reader.table(name) for name in names}


def _readable(home: Path, study: str, lines: list[str]) -> dict[str, pd.DataFrame]:
    """Return the tables that can be read before anything is run; of the others, the line that says why not."""
    tables: dict[str, pd.DataFrame] = {}
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


def _different(tables: dict[str, pd.DataFrame], truth: dict[str, pd.DataFrame], asked: set[str]) -> list[str]:
    return [
        name for name in sorted(asked & truth.keys()) if name not in tables or not _is_same(tables[name], truth[name])
    ]


def _is_part(tables: dict[str, pd.DataFrame], truth: dict[str, pd.DataFrame]) -> bool:
    """Whether every row that can be read is one of the true ones."""
    for name, rows in tables.items():
        if len(rows):
            keys = [column for column in rows if rows[column].dtype.kind in "iOU" and column != "jackknife"]
            keys = [column for column in keys if not isinstance(rows[column].iloc[0], list | np.ndarray)]
            known = truth[name].set_index(keys).index
            if not rows.set_index(keys).index.isin(known).all():
                return False
            part = truth[name][known.isin(rows.set_index(keys).index)]
            if not _is_same(rows, part):
                return False
    return True


def _is_same(rows: pd.DataFrame, truth: pd.DataFrame) -> bool:
    columns = [column for column in truth if not column.endswith("_seconds")]
    try:
        pd.testing.assert_frame_equal(
            _sorted(rows[columns]), _sorted(truth[columns]), check_exact=False, rtol=1e-5, atol=1e-7
        )
    except (AssertionError, KeyError):
        return False
    return True


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    keys = [column for column in rows if rows[column].dtype.kind in "ib" or column in ("layer", "kind", "dictionary")]
    return rows.sort_values(keys, kind="stable").reset_index(drop=True) if keys else rows.reset_index(drop=True)


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
