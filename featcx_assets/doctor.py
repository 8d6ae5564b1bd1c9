"""The looks of `featcx doctor`: versions, device, disk, permissions, locks, storage, database, clock."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.artefacts.space import bytes_wanted
from featcx_core.store.files import write_bytes
from featcx_core.store.places import open_store
from featcx_core.study.fields import StudyError

_PACKAGES = ("featcx", "torch", "torchvision", "zarr", "pyarrow", "duckdb", "dagster", "dagster-webserver", "numpy")
_FAST_SECONDS = 0.1  # of a small file that is on disk for good
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "fuse.sshfs", "ceph")


class Look(NamedTuple):
    """The outcome of one look."""

    name: str
    """The thing looked at."""
    is_well: bool
    """Whether it will do."""
    says: str
    """One line; where it will not do, with what to do."""


def examine(home: Path) -> Iterator[Look]:
    """Yield one line for each thing that a run needs."""
    looks: dict[str, Callable[[Path], tuple[bool, str]]] = {
        "versions": _versions,
        "device": _device,
        "permissions": _permissions,
        "disk": _disk,
        "storage": _storage,
        "lock": _lock,
        "database": _database,
        "history": _history,
        "clock": _clock,
        "studies": _studies,
    }
    for name, look in looks.items():
        try:
            yield Look(name, *look(home))
        except Exception as error:  # a look that fails is a finding, and the others go on
            yield Look(name, is_well=False, says=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def _versions(home: Path) -> tuple[bool, str]:
    found, missing = [f"Python {sys.version.split()[0]}"], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    family = {version(package) for package in ("dagster", "dagster-webserver") if package not in missing}
    if missing:
        return False, f"not installed: {', '.join(missing)}; pip install featcx brings them"
    return len(family) == 1, ", ".join(found)


def _device(home: Path) -> tuple[bool, str]:
    from featcx_core.networks.models import torch_device

    return True, f"{torch_device('auto')} with {os.cpu_count()} cores"


def _permissions(home: Path) -> tuple[bool, str]:
    home.mkdir(parents=True, exist_ok=True)
    for folder in (home, *(path.parent for path in sorted(home.glob("*/study.toml")))):
        if not os.access(folder, os.W_OK | os.X_OK):
            return False, f"cannot write to {folder}; change its owner or mode, or choose another FEATCX_HOME"
    return True, f"{home} can be written"


def _disk(home: Path) -> tuple[bool, str]:
    free, wanted = shutil.disk_usage(home).free, 0
    for path in sorted(home.glob("*/study.toml")):
        try:
            snapshot = Snapshot(open_store(home, path.parent.name))
            stale = [place for artefact in snapshot.wanted for place in snapshot.stale(artefact)]
            wanted += bytes_wanted(snapshot, stale)
        except (StudyError, OSError, ValueError):  # named below
            continue
    says = f"{free / 1e9:.1f} GB free, about {wanted / 1e9:.1f} GB wanted by what is stale"
    return free > wanted, says if free > wanted else f"{says}; make room, or `featcx prune`"


def _storage(home: Path) -> tuple[bool, str]:
    """Time a small write that waits for the disk, and look whether a folder can be renamed and a file linked."""
    kind = _kind_of(home)
    with tempfile.TemporaryDirectory(dir=home, prefix=".doctor-") as name:
        folder = Path(name)
        started = time.monotonic()
        write_bytes(folder / "one", b"1" * 4096)
        seconds = time.monotonic() - started
        (folder / "a").mkdir()
        (folder / "a").rename(folder / "b")
    slow = "; slow: small files dominate a run here" if seconds > _FAST_SECONDS else ""
    return True, f"{kind}: a small file is on disk after {seconds * 1e3:.0f} ms{slow}"


def is_on_network(path: Path) -> bool:
    """Whether a path lies on a network disk, as far as the system tells."""
    return _kind_of(path.resolve()) in _NETWORK


def _kind_of(home: Path) -> str:
    """Return the kind of file system, as far as the system tells."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "storage"
    holding = [(len(mount[1]), mount[2]) for mount in mounts if home.is_relative_to(mount[1])]
    return max(holding)[1] if holding else "storage"


_HOLD = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def _lock(home: Path) -> tuple[bool, str]:
    """Have another process hold a lock and see whether it is refused here."""
    path = home / ".doctor.lock"
    command = [sys.executable, "-c", _HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        other.stdout.readline()
        try:
            with FileLock(path, timeout=0):
                is_refused = False
        except Timeout:
            is_refused = True
        other.communicate("\n")
    path.unlink(missing_ok=True)
    if not is_refused:
        return False, f"{home} has no locks between processes: let one process at a time run here"
    across = (
        "; on a network disk, let one machine at a time run a study, or --on slurm, whose jobs need no lock"
        if is_on_network(home)
        else ""
    )
    return True, f"a second process waits{across}"


def _database(home: Path) -> tuple[bool, str]:
    from featcx_assets.asking import asking

    if not any(home.glob("*/tables/current.parquet")):
        return True, "no results yet"
    left_out, query = list[str](), "select count(*) from epochs"
    with asking(home, query, say=left_out.append) as connection:
        (row,) = connection.sql(query).fetchall()
    return not left_out, "; ".join(left_out) or f"{row[0]} rows in epochs"


def _history(home: Path) -> tuple[bool, str]:
    from featcx_assets.dagster_home import instance

    with instance(home) as dagster:
        return True, f"{dagster.get_runs_count()} runs, {type(dagster.run_storage).__name__}"


def _clock(home: Path) -> tuple[bool, str]:
    """Compare the clock with the disk's, and look for files from the future."""
    with tempfile.NamedTemporaryFile(dir=home, prefix=".doctor-") as file:
        apart = Path(file.name).stat().st_mtime - time.time()
    if abs(apart) > 2:
        return False, f"the disk's clock is {apart:+.0f} s from this machine's: new checkpoints may be taken for old"
    future = [path for path in home.glob("*/checkpoints/*") if path.stat().st_mtime > time.time() + 60]
    if future:
        return False, f"{future[0]} is from the future: set the clock of the machine that wrote it, and touch it"
    return True, "as the disk's"


def _studies(home: Path) -> tuple[bool, str]:
    names, broken = list[str](), list[str]()
    for path in sorted(home.glob("*/study.toml")):
        try:
            snapshot = Snapshot(open_store(home, path.parent.name))
            names.append(path.parent.name)
            broken += snapshot.survey.bad.values()
        except (StudyError, OSError, ValueError) as error:
            broken.append(str(error))
    return not broken, "; ".join(broken) or ", ".join(names) or "none yet"
