"""Zarr arrays that are compared with their folder's manifest as they are read.

A chunk that the manifest lists and that is not there, or not as it was written, raises Damaged: Zarr alone would take
it for zeros. What the manifest does not list is not read at all.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import zarr
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from featcx_core.store.damage import Damaged
from featcx_core.store.manifests import Manifest, refuse_other_content, whole_manifest


def open_arrays(folder: Path, *, below: str = "") -> Any:
    """Open the array or group of a committed folder, read-only. Raises Damaged, here or when a chunk is read."""
    manifest = whole_manifest(folder)
    if manifest is None:
        raise Damaged(folder, "it has no manifest")
    return zarr.open(VerifiedStore(folder, manifest), mode="r", path=below)


class VerifiedStore(LocalStore):
    """The files of a committed folder.

    Args:
        root: the folder.
        manifest: its files.
    """

    def __init__(self, root: Path, manifest: Manifest) -> None:
        super().__init__(root, read_only=True)
        self.manifest = manifest

    def with_read_only(self, read_only: bool = False) -> "VerifiedStore":  # noqa: FBT001 (Zarr's own)
        """Return the same store: there is no other."""
        return type(self)(self.root, self.manifest)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return a file's bytes; None for what was not written. Raises Damaged."""
        if key not in self.manifest.files:
            return None
        return self._verified(key, await super().get(key, prototype, byte_range), is_part=byte_range is not None)

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the same without waiting for others."""
        if key not in self.manifest.files:
            return None
        buffer = super().get_sync(key, prototype=prototype, byte_range=byte_range)
        return self._verified(key, buffer, is_part=byte_range is not None)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names below a prefix that were written."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        below = (name.removeprefix(start) for name in self.manifest.files if name.startswith(start))
        for name in dict.fromkeys(name.partition("/")[0] for name in below):
            yield name

    def _verified(self, key: str, buffer: Buffer | None, *, is_part: bool) -> Buffer:
        folder = self.root
        if buffer is None:
            raise Damaged(folder, f"{key} is gone")
        content = None if is_part else buffer.as_numpy_array()
        refuse_other_content(folder, key, self.manifest.files[key], content=content)
        return buffer
