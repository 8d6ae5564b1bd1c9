"""A disk on a loop device whose power can go: ext4, shut down in mid-write without a last flush of its journal."""

import fcntl
import os
import struct
import subprocess
from pathlib import Path

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, https://github.com/torvalds/linux/blob/master/include/uapi/linux/ext4.h
_WITHOUT_FLUSH = 2
# The worst it can do: no flush before a rename, data after their names, and the journal on request only.
_OPTIONS = "loop,noauto_da_alloc,data=writeback,commit=300"


class LoopDisk:
    """A disk in a file, mounted; needs the rights to mount.

    Args:
        folder: where the file and the mount point lie.
        n_bytes: its size.
    """

    def __init__(self, folder: Path, *, n_bytes: int = 256 << 20) -> None:
        self._image, self.place = folder / "disk.img", folder / "disk"
        self.place.mkdir(parents=True, exist_ok=True)
        with self._image.open("wb") as file:
            file.truncate(n_bytes)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self._image)], check=True)
        self._mount()

    def shut_down(self) -> None:
        """Let the power go: nothing more reaches the disk, and whoever writes to it gets an error."""
        folder = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _WITHOUT_FLUSH))
        finally:
            os.close(folder)

    def start_again(self) -> None:
        """Mount it anew; its users are gone."""
        self.close()
        self._mount()

    def close(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", str(self.place)], check=True)

    def _mount(self) -> None:
        subprocess.run(["mount", "-o", _OPTIONS, str(self._image), str(self.place)], check=True)
