"""Power cuts by simulation: what was not flushed is lost when the power goes.

The simulation follows the files below a folder. Content is on disk as of the file's last `fsync`; a name is on disk as of
the last `fsync` of its folder. At the cut the folder becomes what was on disk, the worst that a file system may do:
content that was never flushed reads as zeros of the file's size, and a name that was never flushed is gone.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class PowerCut(BaseException):
    """The power is gone: nothing after it is done."""


class Disk:
    """The folder below `root`, and what of it is on disk.

    Args:
        root: the folder.
        cut_after: number of flushes after which the power goes.
    """

    def __init__(self, root: Path, *, cut_after: int) -> None:
        self.root, self.left = root.resolve(), cut_after
        self.contents: dict[int, bytes] = {}  # by inode
        self.names: dict[int, dict[str, int]] = {}  # by a folder's inode: name -> inode
        self.kinds: dict[int, bool] = {}  # by inode: whether it is a folder
        for folder, _, files in os.walk(self.root):
            self._keep_names(Path(folder))
            for name in files:
                self._keep_content(Path(folder) / name)

    def flushed(self, path: Path) -> None:
        """Take down that a file or a folder is on disk. Raises PowerCut where that was the last that happened."""
        if self.left <= 0:
            raise PowerCut
        self.left -= 1
        if path.is_dir():
            self._keep_names(path)
        else:
            self._keep_content(path)

    def cut(self) -> None:
        """Leave only what is on disk."""
        sizes = {path.stat().st_ino: path.stat().st_size for path in self.root.rglob("*") if path.is_file()}
        root = self.root.stat().st_ino
        draft = self.root.with_name(f"{self.root.name}.after")
        self._write(root, draft, sizes)
        shutil.rmtree(self.root)
        draft.rename(self.root)

    def _write(self, inode: int, place: Path, sizes: dict[int, int]) -> None:
        if self.kinds.get(inode, inode in self.names):
            place.mkdir()
            for name, child in self.names.get(inode, {}).items():
                self._write(child, place / name, sizes)
        else:
            place.write_bytes(self.contents.get(inode, bytes(sizes.get(inode, 0))))
            os.utime(place, (1, 1))  # long ago: a checkpoint that landed

    def _keep_names(self, folder: Path) -> None:
        inode = folder.stat().st_ino
        self.names[inode] = {path.name: path.stat().st_ino for path in folder.iterdir()}
        self.kinds |= {path.stat().st_ino: path.is_dir() for path in folder.iterdir()} | {inode: True}

    def _keep_content(self, path: Path) -> None:
        self.contents[path.stat().st_ino] = path.read_bytes()


@contextmanager
def power_cut(root: Path, *, after: int) -> Iterator[None]:
    """Cut the power after a number of flushes below a folder, or when the block ends."""
    disk, fsync = Disk(root, cut_after=after), os.fsync

    def watched(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path == disk.root or path.is_relative_to(disk.root):
            disk.flushed(path)
        else:
            fsync(descriptor)

    os.fsync = watched
    try:
        yield
    except PowerCut:
        pass
    finally:
        os.fsync = fsync
        disk.cut()
