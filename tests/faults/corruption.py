"""Corruptions of one file, whose size and content change while its time of change stays."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

Operation = Callable[[Path, Sequence[Path], np.random.Generator], None]


def _flip(path: Path, others: Sequence[Path], chance: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(int(chance.integers(1, 9))):
        content[int(chance.integers(len(content)))] ^= 1 << int(chance.integers(8))
    path.write_bytes(content)


def _truncate(path: Path, others: Sequence[Path], chance: np.random.Generator) -> None:
    os.truncate(path, int(chance.integers(path.stat().st_size)))


def _zero(path: Path, others: Sequence[Path], chance: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    start = int(chance.integers(len(content)))
    content[start : start + 512] = bytes(len(content[start : start + 512]))
    path.write_bytes(content)


def _remove(path: Path, others: Sequence[Path], chance: np.random.Generator) -> None:
    path.unlink()


def _swap(path: Path, others: Sequence[Path], chance: np.random.Generator) -> None:
    other = others[int(chance.integers(len(others)))]
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)


def _duplicate(path: Path, others: Sequence[Path], chance: np.random.Generator) -> None:
    shutil.copyfile(others[int(chance.integers(len(others)))], path)


OPERATIONS: dict[str, Operation] = {
    "flip": _flip,
    "truncate": _truncate,
    "zero": _zero,
    "remove": _remove,
    "swap": _swap,
    "duplicate": _duplicate,
}


def corrupt(path: Path, peers: Sequence[Path], operation: str, chance: np.random.Generator) -> bool:
    """Change a file, or it and one of its peers; False where that would change nothing."""
    content = path.read_bytes()
    others = [peer for peer in peers if peer != path and peer.read_bytes() != content]
    if not content or (operation in ("swap", "duplicate") and not others):
        return False
    times = {peer: peer.stat() for peer in (path, *others)}
    OPERATIONS[operation](path, others, chance)
    for peer, status in times.items():
        if peer.exists():
            os.utime(peer, ns=(status.st_atime_ns, status.st_mtime_ns))
    return not path.exists() or path.read_bytes() != content
