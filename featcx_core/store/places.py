"""Places of a study's files, commits of folders, and locks. The only place that builds paths.

    HOME/<study>/study.toml, layers.json
    HOME/<study>/checkpoints/000012.safetensors
    HOME/<study>/tables/<table>/<partition>.parquet
    HOME/<study>/report/index.html
    HOME/<comparison>/comparison.toml      studies that are compared

Arrays lie where their artefact's declaration says. A folder is written beside its place and renamed as the last step,
with a manifest of its files. So a reader never sees anything half-written, and sees what was damaged since.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from featcx_core.networks.anatomy import Anatomy, read_anatomy
from featcx_core.store.damage import Damaged, put_aside
from featcx_core.store.files import flush, replacing_folder
from featcx_core.store.manifests import MARKER, whole_manifest, write_manifest
from featcx_core.store.reference import pinned_reference
from featcx_core.study.fields import Study, StudyError
from featcx_core.study.files import load_study

__all__ = ["MARKER", "Store", "committed", "epoch_key", "mark", "open_store"]


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
            self.study = study.with_reference(pinned_reference(self.reference_path, study.checkpoints))

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
        """Path of the state that training resumes from."""
        return self.root / "checkpoints" / "training_state"

    @property
    def digests_path(self) -> Path:
        """Remembered digests of checkpoint files."""
        return self.checkpoints / ".digests.json"

    @property
    def reference_path(self) -> Path:
        """The reference epoch, where it was chosen from the checkpoints of another program."""
        return self.root / "reference.json"

    @property
    def group_path(self) -> Path:
        """Studies that are compared under this name; a name is that of a study or of a comparison."""
        return self.root / "comparison.toml"

    @property
    def current_path(self) -> Path:
        """Fingerprints of the rows that the views show."""
        return self.root / "tables" / "current.parquet"

    def checkpoint(self, epoch: int) -> Path:
        """Weights after an epoch."""
        return self.checkpoints / f"{epoch_key(epoch)}.safetensors"

    def download(self, name: str) -> Path:
        """Copy of a checkpoint that lies in an object store."""
        return self.root / "downloads" / name

    def table(self, table: str, partition: str) -> Path:
        """One partition's rows."""
        return self.root / "tables" / table / f"{partition}.parquet"

    @property
    def anatomy(self) -> Anatomy:
        """The registered network's layers. Raises StudyError where they are gone, or by a featcx that differs."""
        try:
            return read_anatomy(self.layers_path)
        except (ValueError, FileNotFoundError) as error:
            at, name = self.layers_path, self.study.name
            state = "is gone" if isinstance(error, OSError) else "is not from this version of featcx"
            raise StudyError(f"{at} {state}; `featcx run {name}` writes it anew") from None

    # -- commits and locks -----------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, folder: Path, *, fingerprint: str) -> Iterator[Path]:
        """Give a temporary folder that takes its place, marked with the fingerprint, when the block ends well.

        The caller holds the artefact's lock.
        """
        with replacing_folder(folder) as draft:
            yield draft
            mark(draft, fingerprint=fingerprint)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Admit one writer at a time for `name`; a second one waits. A killed process holds nothing."""
        path = self.lock_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path):
            yield

    def lock_path(self, name: str) -> Path:
        """File behind a lock."""
        return self.root / "locks" / f"{name}.lock"

    def put_aside(self, path: Path, reason: str, *, remedy: str = "it is made again") -> None:
        """Move what is damaged out of the way, with one line in the log. What lies elsewhere is only named."""
        root = next((folder for folder in (self.root, *_roots(path)) if path.is_relative_to(folder)), None)
        if root is not None and root.parent == self.home:
            put_aside(root, path, reason, remedy=remedy)

    def epoch_lock(self, epoch: int) -> str:
        """Name of the lock that whoever writes an epoch's artefacts holds."""
        return f"epoch-{epoch_key(epoch)}"


def _roots(path: Path) -> Iterator[Path]:
    """Yield the folders above a path that are a study's."""
    yield from (folder for folder in path.parents if (folder / "study.toml").is_file())


def mark(folder: Path, *, fingerprint: str) -> None:
    """Declare a folder's content whole: every file, its size and digest."""
    write_manifest(folder, fingerprint=fingerprint)
    flush(folder)


def committed(folder: Path) -> str | None:
    """Return the fingerprint of a committed folder; None where there is none, or a file of it is missing or cut."""
    try:
        manifest = whole_manifest(folder)
    except Damaged:
        return None
    return manifest.fingerprint if manifest else None


def open_store(home: str | Path, name: str) -> Store:
    """Open the registered study's store. Raises StudyError when the home has no such study."""
    path = Path(home) / name / "study.toml"
    if not path.is_file():
        names = sorted(p.parent.name for p in Path(home).glob("*/study.toml"))
        listed = f"it has: {', '.join(names)}" if names else "it has none yet; `featcx run` makes the first"
        raise StudyError(f"no study {name!r} in {Path(home).resolve()}; {listed}")
    return Store(home, load_study(path))


def epoch_key(epoch: int) -> str:
    """Return an epoch as files and partitions name it: six digits, so that names sort as numbers."""
    return f"{epoch:06d}"
