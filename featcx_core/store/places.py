"""Where artefacts lie: paths, atomic writes, commit markers, locks. The only place that builds paths.

    HOME/<study>/study.toml, layers.json
    HOME/<study>/checkpoints/000012.safetensors
    HOME/<study>/activations/000012/<layer>.zarr      (also branches, dictionary_activations, dictionary, codes)
    HOME/<study>/tables/<table>/<partition>.parquet
    HOME/<study>/sums/000012.zarr, sums_without_groups/000012.zarr, visualisation/000012/
    HOME/<study>/report/index.html, figures/, explorer/
    HOME/<comparison>/comparison.toml, tables/, comparison/      studies that are compared

A folder artefact is written beside its place and renamed as the last step, with a marker file that holds its
fingerprint. A file artefact is written to a temporary name, flushed to disk and renamed. So a reader never sees
anything half-written, and whatever a killed process leaves is litter that the next writer sweeps away.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from featcx_core.networks.anatomy import Anatomy, read_anatomy
from featcx_core.store.tables import TABLES, Dtype, Table
from featcx_core.study.fields import Study, StudyError
from featcx_core.study.files import load_study

MARKER = "featcx.json"
_FINGERPRINT = b"featcx.fingerprint"
_INPUTS = b"featcx.inputs"
_ARROW: dict[Dtype, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "list<float>": pa.list_(pa.float32()),
}


class Store:
    """The artefacts of one study under one home.

    Args:
        home: folder of all studies.
        study: what is measured.
    """

    def __init__(self, home: str | Path, study: Study) -> None:
        self.home = Path(home).resolve()
        self.root = self.home / study.name
        self.study = study
        if study.waits_for_reference:
            self.study = study.with_reference(self._pinned())

    # -- places ----------------------------------------------------------------------------------------------------

    @property
    def study_path(self) -> Path:
        """The registered study file."""
        return self.root / "study.toml"

    @property
    def layers_path(self) -> Path:
        """The network's resolved anatomy."""
        return self.root / "layers.json"

    @property
    def checkpoints(self) -> Path:
        """Folder that the sensor watches."""
        return self.root / "checkpoints"

    @property
    def training_state(self) -> Path:
        """Where training resumes from."""
        return self.root / "checkpoints" / "training_state"

    @property
    def report(self) -> Path:
        """Folder of the report and its figures."""
        return self.root / "report"

    @property
    def figures(self) -> Path:
        """Folder of the report's pictures."""
        return self.report / "figures"

    @property
    def explorer(self) -> Path:
        """Folder of the concept explorer."""
        return self.report / "explorer"

    @property
    def digests_path(self) -> Path:
        """What is remembered of checkpoint files."""
        return self.checkpoints / ".digests.json"

    def download(self, name: str) -> Path:
        """Copy of a checkpoint that lies in an object store."""
        return self.root / "downloads" / name

    @property
    def reference_path(self) -> Path:
        """The reference epoch, where it was chosen from the checkpoints of another program."""
        return self.root / "reference.json"

    @property
    def group_path(self) -> Path:
        """Which studies are compared under this name; a name is that of a study or of a comparison."""
        return self.root / "comparison.toml"

    @property
    def comparison(self) -> Path:
        """Folder of a comparison's page and figures."""
        return self.root / "comparison"

    @property
    def current_path(self) -> Path:
        """Fingerprints of the rows that the views show."""
        return self.root / "tables" / "current.parquet"

    def checkpoint(self, epoch: int) -> Path:
        """Weights after an epoch."""
        return self.checkpoints / f"{epoch_key(epoch)}.safetensors"

    def activations(self, epoch: int, layer: str) -> Path:
        """Pooled activations of the probe images, (image, unit)."""
        return self.root / "activations" / epoch_key(epoch) / f"{layer}.zarr"

    def positions(self, epoch: int) -> Path:
        """Penultimate activations of the probe images by position, (image, position, unit)."""
        return self.root / "activations" / epoch_key(epoch) / "penultimate_positions.zarr"

    def dictionary_activations(self, epoch: int) -> Path:
        """Penultimate activations of the dictionary images by position, a group with one array a class."""
        return self.root / "dictionary_activations" / f"{epoch_key(epoch)}.zarr"

    def dictionary(self, epoch: int) -> Path:
        """Atoms and how they were fitted."""
        return self.root / "dictionary" / f"{epoch_key(epoch)}.zarr"

    def codes(self, epoch: int) -> Path:
        """Codes of the probe images, concepts and controls."""
        return self.root / "codes" / f"{epoch_key(epoch)}.zarr"

    def branch(self, epoch: int, block: str, branch: str) -> Path:
        """Pooled activations of the probe images in a branch of a residual block, (image, unit)."""
        return self.root / "branches" / epoch_key(epoch) / f"{block}.{branch}.zarr"

    def sums(self, epoch: int) -> Path:
        """Sums over the probe images of the penultimate activations and the codes of concepts and random directions."""
        return self.root / "sums" / f"{epoch_key(epoch)}.zarr"

    def sums_without_groups(self, epoch: int) -> Path:
        """The same sums without each group of images; where redundancy is or was measured."""
        return self.root / "sums_without_groups" / f"{epoch_key(epoch)}.zarr"

    def visualisation(self, epoch: int) -> Path:
        """Folder of the images made to excite concepts."""
        return self.root / "visualisation" / epoch_key(epoch)

    def table(self, table: str, partition: str) -> Path:
        """One partition's rows."""
        return self.root / "tables" / table / f"{partition}.parquet"

    @property
    def anatomy(self) -> Anatomy:
        """The registered network's layers. Raises StudyError where they were written by a featcx that differs."""
        try:
            return read_anatomy(self.layers_path)
        except ValueError:
            at, name = self.layers_path, self.study.name
            raise StudyError(f"{at} is not from this version of featcx; `featcx run {name}` writes it anew") from None

    # -- the reference epoch -----------------------------------------------------------------------------------------

    def pin(self, epoch: int) -> None:
        """Make an epoch the reference, for good: later checkpoints do not move it, another folder or pattern does."""
        pinned = {"reference_epoch": epoch, **self._chosen_from}
        write_bytes(self.reference_path, json.dumps(pinned).encode())
        self.study = self.study.with_reference(epoch)

    @property
    def _chosen_from(self) -> dict[str, str]:
        return {"folder": self.study.checkpoints.folder, "pattern": self.study.checkpoints.pattern}

    def _pinned(self) -> int | None:
        try:
            pinned = json.loads(self.reference_path.read_text(encoding="utf-8"))
            return int(pinned.pop("reference_epoch")) if self._chosen_from.items() <= pinned.items() else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    # -- commits ---------------------------------------------------------------------------------------------------

    def committed(self, folder: Path) -> str | None:
        """Fingerprint of a committed folder artefact; None where there is none."""
        try:
            return str(json.loads((folder / MARKER).read_text(encoding="utf-8"))["fingerprint"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextmanager
    def writing(self, folder: Path, *, fingerprint: str) -> Iterator[Path]:
        """A temporary folder that takes its place, marked with the fingerprint, when the block ends without error.

        The caller holds the artefact's lock.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder, older_than_seconds=0.0)
        draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            yield draft
            self.mark(draft, fingerprint=fingerprint)
            if folder.exists():
                old = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
                folder.rename(old)
                draft.rename(folder)
                shutil.rmtree(old)
            else:
                draft.rename(folder)
            _flush(folder.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def mark(self, folder: Path, *, fingerprint: str) -> None:
        """Declare a folder's content whole."""
        write_bytes(folder / MARKER, json.dumps({"fingerprint": fingerprint}).encode())

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """One writer at a time for `name`; a second one waits. A killed process holds nothing."""
        path = self.lock_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path):
            yield

    def lock_path(self, name: str) -> Path:
        """File behind a lock."""
        return self.root / "locks" / f"{name}.lock"

    # -- tables ----------------------------------------------------------------------------------------------------

    def write_table(
        self, table: str, partition: str, frame: pd.DataFrame, *, fingerprint: str, inputs: Collection[str] = ()
    ) -> Path:
        """Replace one partition's rows, whole or not at all.

        `study` and `fingerprint` are filled in; the other columns are taken by name, so their order is free.
        `inputs` are the fingerprints behind a table over all epochs.
        Raises ValueError when a column is missing or unknown.
        """
        spec = TABLES[table]
        rows = frame.assign(study=self.study.name, fingerprint=fingerprint)
        _same_columns(spec, rows)
        arrow = pa.Table.from_pandas(rows[[c.name for c in spec.columns]], schema(spec), preserve_index=False)
        arrow = arrow.replace_schema_metadata({_FINGERPRINT: fingerprint, _INPUTS: json.dumps(sorted(inputs))})
        path = self.table(table, partition)
        write_parquet(arrow, path)
        return path

    def read_partition(self, table: str, partition: str, *, columns: list[str] | None = None) -> pd.DataFrame:
        """One partition's rows, whatever their fingerprint. Raises ValueError when it was not made yet."""
        path = self.table(table, partition)
        if not path.exists():
            raise ValueError(f"{table} {partition} is not made yet: no {path}; materialise it first")
        frame: pd.DataFrame = pq.ParquetFile(path).read(columns=columns).to_pandas()
        return frame

    def table_fingerprint(self, table: str, partition: str) -> tuple[str, frozenset[str]] | None:
        """Fingerprint and inputs of a partition's rows, from the file's footer; None where there is no file."""
        return footer(self.table(table, partition))

    def visible_partitions(self, table: str) -> list[str]:
        """The partitions whose fingerprint is the study's current one, in order."""
        current = set(self._current()["fingerprint"])
        paths = sorted((self.root / "tables" / table).glob("*.parquet"))
        return [path.stem for path in paths if (made := footer(path)) and made[0] in current]

    def read_table(
        self, table: str, *, columns: list[str] | None = None, partitions: Collection[str] | None = None
    ) -> pd.DataFrame:
        """The rows that are visible: of all partitions, or of some, which need not be there."""
        names = self.visible_partitions(table)
        paths = [self.table(table, name) for name in names if partitions is None or name in partitions]
        wanted = schema(TABLES[table])
        if columns is not None:
            wanted = pa.schema([wanted.field(name) for name in columns])
        parts = [pq.ParquetFile(path).read(columns=wanted.names).cast(wanted) for path in paths]
        rows: pd.DataFrame = pa.concat_tables([wanted.empty_table(), *parts]).to_pandas()
        return rows

    def write_current(self, fingerprints: Collection[tuple[str, str]]) -> None:
        """Declare the (table, fingerprint) pairs whose rows are visible."""
        pairs = sorted(set(fingerprints))
        arrow = pa.table(
            {
                "study": pa.array([self.study.name] * len(pairs), pa.string()),
                "table_name": pa.array([table for table, _ in pairs], pa.string()),
                "fingerprint": pa.array([digest for _, digest in pairs], pa.string()),
            }
        )
        if not self.current_path.exists() or not pq.read_table(self.current_path).equals(arrow):
            write_parquet(arrow, self.current_path)

    def _current(self) -> pd.DataFrame:
        if not self.current_path.exists():
            return pd.DataFrame({"fingerprint": []})
        current: pd.DataFrame = pq.ParquetFile(self.current_path).read().to_pandas()
        return current


def open_store(home: str | Path, name: str) -> Store:
    """The registered study's store. Raises StudyError when the home has no such study."""
    path = Path(home) / name / "study.toml"
    if not path.is_file():
        known = sorted(p.parent.name for p in Path(home).glob("*/study.toml"))
        there = f"it has: {', '.join(known)}" if known else "it has none yet; `featcx run` makes the first"
        raise StudyError(f"no study {name!r} in {Path(home).resolve()}; {there}")
    return Store(home, load_study(path))


def epoch_key(epoch: int) -> str:
    """An epoch as files and partitions name it: six digits, so that names sort as numbers."""
    return f"{epoch:06d}"


def schema(spec: Table) -> pa.Schema:
    """A table's types on disk."""
    return pa.schema([pa.field(c.name, _ARROW[c.dtype], metadata={"comment": c.description}) for c in spec.columns])


def footer(path: Path) -> tuple[str, frozenset[str]] | None:
    """Fingerprint and inputs in a Parquet file's footer; None where there is no such file."""
    try:
        status = path.stat()
        return _footer(path, status.st_ino, status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        return None


@lru_cache(maxsize=100_000)
def _footer(path: Path, _inode: int, _size: int, _mtime_ns: int) -> tuple[str, frozenset[str]]:
    """Read once: a file is only ever replaced by another, and what is stale is asked for several times a run."""
    metadata = pq.read_metadata(path).metadata or {}
    return metadata.get(_FINGERPRINT, b"").decode(), frozenset(json.loads(metadata.get(_INPUTS, b"[]")))


def write_parquet(arrow: pa.Table, path: Path) -> None:
    """Write a Parquet file whole or not at all."""
    with replacing(path) as draft:
        pq.write_table(arrow, draft, compression="zstd")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as draft:
        draft.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that takes the place of `path` when the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path, older_than_seconds=3600.0)  # no lock: a younger draft may be another process's
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield draft
        _flush(draft)
        draft.replace(path)
        _flush(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sweep(path: Path, *, older_than_seconds: float) -> None:
    """Remove what killed writers of this artefact left."""
    for litter in path.parent.glob(f".{path.name}.*.partial"):
        with suppress(FileNotFoundError):
            if time.time() - litter.stat().st_mtime < older_than_seconds:
                continue
            if litter.is_dir():
                shutil.rmtree(litter)
            else:
                litter.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _same_columns(spec: Table, rows: pd.DataFrame) -> None:
    wanted, got = {c.name for c in spec.columns}, set(rows.columns)
    if wanted != got:
        missing, extra = sorted(wanted - got), sorted(got - wanted)
        raise ValueError(f"table {spec.name}: wanted exactly its columns, got missing {missing}, unknown {extra}")
