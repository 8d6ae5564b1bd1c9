"""Hostile input: checkpoints, study files, queries and backups that try to run something, or to take all there is."""

import json
import os
import pickle
import shutil
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from featcx_core.store.backup import LIST
from featcx_core.store.manifests import digest_of, sealed
from tests.faults.campaign import clean_home, restored
from tests.faults.results import Result
from tests.faults.study import Command, is_one_line_each

CHECKPOINT, STUDY, QUERY, BACKUP = "hostile checkpoint", "hostile study file", "hostile query", "hostile backup"
_MOST_SECONDS = 60.0  # of CPU
_TRACE = "was_run"


class Danger:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = str(trace)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.system, (f"touch '{self.trace}'",)


def hostile(folder: Path, *, seed: int, n: int, say: Callable[[str], None] = lambda line: None) -> Iterator[Result]:
    """Yield the results of hostile inputs, at most `n`; `seed` begins with another."""
    every = [
        *((CHECKPOINT, name, _of_checkpoint(name)) for name in CHECKPOINTS),
        *((STUDY, name, _of_study(name)) for name in STUDIES),
        *((QUERY, query, _of_query(query)) for query in QUERIES),
        (BACKUP, "a name that leads outside", _of_backup),
    ]
    clean = clean_home(folder)
    for number in range(min(n, len(every))):
        kind, name, attack = every[(seed + number) % len(every)]
        home, trace = restored(clean, folder / "home"), folder / _TRACE
        trace.unlink(missing_ok=True)
        command = attack(folder, home, trace)
        while command.is_alive and command.cpu_seconds < _MOST_SECONDS:
            time.sleep(0.02)
        was_stopped, lines = command.kill(), command.lines
        outcome, about = "named", tuple(line for line in lines if _is_line(line))
        if trace.exists():
            outcome, about = "silent", ("it was run", *lines)
        elif command.process.exitcode == 0 and kind == CHECKPOINT and not was_stopped:
            outcome, about = "healed", ("it is no file, and is not looked at",)
        elif was_stopped or command.process.exitcode not in (1, 2) or not about or not is_one_line_each(lines):
            outcome, about = "crashed", (f"exit code {command.process.exitcode}", *lines)
        say(f"{number + 1:4} {outcome:8} {kind}, {name[:60]}: {about[0] if about else ''}")
        yield Result(kind, name, "", outcome, about)


def _is_line(line: str) -> bool:
    return line.startswith(("Error: ", "failed: ", "checkpoints: ")) or "left out" in line


Attack = Callable[[Path, Path, Path], Command]


def _of_checkpoint(name: str) -> Attack:
    def attack(folder: Path, home: Path, trace: Path) -> Command:
        place = home / "runs" / "2.pt"
        place.unlink()
        CHECKPOINTS[name](place, trace)
        if place.is_file() and not place.is_symlink():
            os.utime(place, (1, 1))
        return Command(home, "run", "follower", "--only", "checkpoint", log=folder / "hostile.log")

    return attack


def _of_study(name: str) -> Attack:
    def attack(folder: Path, home: Path, trace: Path) -> Command:
        study = folder / "hostile.toml"
        old, new = STUDIES[name]
        text = (home / "tiny" / "study.toml").read_text()
        assert old in text
        changed = text.replace(old, new.replace("TRACE", str(trace)))
        study.write_text(changed)
        (folder / "evil_beside.py").write_text(f"open({str(trace)!r}, 'w')\nfrom torch.nn import Identity as Net\n")
        return Command(home, "run", str(study), log=folder / "hostile.log", env={"FEATCX_ALLOW_CODE": ""})

    return attack


def _of_query(query: str) -> Attack:
    def attack(folder: Path, home: Path, trace: Path) -> Command:
        return Command(home, "sql", query.replace("TRACE", str(trace)), log=folder / "hostile.log")

    return attack


def _of_backup(folder: Path, home: Path, trace: Path) -> Command:
    kept = folder / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    (kept / "tiny").mkdir(parents=True)
    (kept / "evil").write_bytes(b"evil")
    outside = f"other/../../../{trace.relative_to(folder)}"
    entry = [4, digest_of([b"evil"])]
    (kept / "other").mkdir()
    (kept / LIST).write_bytes(sealed({"files": {"tiny/../evil": entry, outside: entry}}))
    return Command(home, "restore", str(kept), log=folder / "hostile.log")


def _bare_pickle(place: Path, trace: Path) -> None:
    place.write_bytes(pickle.dumps({"0.weight": Danger(trace)}, protocol=2))


def _bomb(place: Path, trace: Path) -> None:
    """Sixteen gigabytes of zeros in sixteen megabytes, as a checkpoint's tensor."""
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        with archive.open("archive/data/0", "w", force_zip64=True) as entry:
            for _ in range(256):
                entry.write(bytes(8 << 20))


def _nested(place: Path, trace: Path) -> None:
    """Dictionaries that hold the next one twice: few to save, 2^60 to walk through."""
    held: dict[str, object] = {"weight": torch.zeros(1)}
    for _ in range(60):
        held = {"a": held, "b": held}
    torch.save(held, place)


CHECKPOINTS: dict[str, Callable[[Path, Path], object]] = {
    "code in a file of torch.save": lambda place, trace: torch.save({"0.weight": Danger(trace)}, place),
    "code in a file of torch.save as it was": lambda place, trace: torch.save(
        {"0.weight": Danger(trace)}, place, _use_new_zipfile_serialization=False
    ),
    "code in a bare pickle": _bare_pickle,
    "an archive that unpacks to 2 GB": _bomb,
    "dictionaries within one another": _nested,
    "a header of 2^62 bytes": lambda place, trace: place.with_suffix(".safetensors").write_bytes(
        struct.pack("<Q", 1 << 62) + b"{}"
    ),
    "a tensor of 2^60 values": lambda place, trace: place.with_suffix(".safetensors").write_bytes(
        struct.pack("<Q", len(text := _huge())) + text
    ),
    "a link to /dev/zero": lambda place, trace: place.symlink_to("/dev/zero"),
    "a pipe that nobody writes to": lambda place, trace: os.mkfifo(place),
}


def _huge() -> bytes:
    return json.dumps({"weight": {"dtype": "F32", "shape": [1 << 60], "data_offsets": [0, 1 << 62]}}).encode()


_MODEL = 'source = "builtin:small_resnet"'
STUDIES: dict[str, tuple[str, str]] = {
    "os.system as its network": (_MODEL, 'source = "os:system"\narguments = {command = "touch TRACE"}'),
    "subprocess.run as its network": (_MODEL, 'source = "subprocess:run"\narguments = {args = ["touch", "TRACE"]}'),
    "eval as its network": (_MODEL, "source = \"builtins:eval\"\narguments = {source = \"open('TRACE', 'w')\"}"),
    "torch.load as its network": (_MODEL, 'source = "torch:load"\narguments = {f = "TRACE"}'),
    "os.system by way of another module": (_MODEL, 'source = "torch.utils.data.dataset:os.system"'),
    "code beside it that nobody allowed": (_MODEL, 'source = "evil_beside:Net"'),
    "a name that leads outside": ('name = "tiny"', 'name = "../../tiny"'),
    "an absolute name": ('name = "tiny"', 'name = "/tmp/tiny"'),
    "lists within one another": ('name = "tiny"', f"name = {'[' * 100_000}"),
    "images of /dev/zero": ('"npz:', '"npz:/dev/zero" #'),
    "a pattern that leads outside": (
        "[training]",
        '[checkpoints]\nfolder = "/etc"\npattern = "../etc/{epoch}*"\n[training]',
    ),
}
QUERIES = (
    "copy (select 1) to 'TRACE'",
    "select * from read_text('/etc/passwd')",
    "select * from read_csv('/etc/passwd')",
    "attach 'TRACE' as x",
    "install httpfs",
    "set enable_external_access = true",
    "select 1; copy (select 1) to 'TRACE'",
    "explain analyze copy (select 1) to 'TRACE'",
    "pragma database_list; export database 'TRACE'",
)
